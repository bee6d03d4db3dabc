"""Building blocks that several parts share; plugins may use them too."""

from srzoo.layers.attention import WindowAttention
from srzoo.layers.batch import batch_mean
from srzoo.layers.blocks import (
    Downsampler,
    PixelShuffle,
    PixelShuffleUpsampler,
    ResidualBlock,
    conv3x3,
    residual_blocks,
    scale_weights,
)
from srzoo.layers.body import BodyEncoder
from srzoo.layers.dense import ResidualDenseBlock
from srzoo.layers.gaussian import block_detail, block_of, divergence, sample, split_gaussian
from srzoo.layers.haar import haar
from srzoo.layers.halving import HalvingEncoder
from srzoo.layers.ladder import Ladder, LadderDecoder, lr_multiple, rung_strides
from srzoo.layers.logits import mean_over_maps
from srzoo.layers.options import BodyWidth, FineWidth, LevelWidths, RungBlocks, RungWidths, Width
from srzoo.layers.patch import patch_judge

__all__ = [
    "BodyEncoder",
    "BodyWidth",
    "Downsampler",
    "FineWidth",
    "HalvingEncoder",
    "Ladder",
    "LadderDecoder",
    "LevelWidths",
    "PixelShuffle",
    "PixelShuffleUpsampler",
    "ResidualBlock",
    "ResidualDenseBlock",
    "RungBlocks",
    "RungWidths",
    "Width",
    "WindowAttention",
    "batch_mean",
    "block_detail",
    "block_of",
    "conv3x3",
    "divergence",
    "haar",
    "lr_multiple",
    "mean_over_maps",
    "patch_judge",
    "residual_blocks",
    "rung_strides",
    "sample",
    "scale_weights",
    "split_gaussian",
]
