"""Building blocks that several parts share; plugins may use them too."""

from srzoo.layers.attention import WindowAttention
from srzoo.layers.batch import batch_mean
from srzoo.layers.blocks import (
    ChannelNorm,
    Downsampler,
    PixelShuffle,
    PixelShuffleUpsampler,
    ResidualBlock,
    conv3x3,
    local_means,
    residual_blocks,
    scale_weights,
)
from srzoo.layers.body import BodyEncoder
from srzoo.layers.dense import ResidualDenseBlock
from srzoo.layers.gaussian import block_detail, block_of, divergence, sample, shifted, split_gaussian
from srzoo.layers.haar import haar
from srzoo.layers.halving import HalvingEncoder
from srzoo.layers.ladder import Ladder, LadderDecoder, ShuffleLadderDecoder, lr_multiple, rung_strides
from srzoo.layers.logits import mean_over_maps
from srzoo.layers.options import (
    Channels,
    FineWidth,
    JudgeWidth,
    LevelWidths,
    Reach,
    RungBlocks,
    RungWidths,
    Width,
    WindowSide,
)
from srzoo.layers.patch import patch_judge
from srzoo.layers.resizing import ResizeUpscaler

__all__ = [
    "BodyEncoder",
    "ChannelNorm",
    "Channels",
    "Downsampler",
    "FineWidth",
    "HalvingEncoder",
    "JudgeWidth",
    "Ladder",
    "LadderDecoder",
    "LevelWidths",
    "PixelShuffle",
    "PixelShuffleUpsampler",
    "Reach",
    "ResidualBlock",
    "ResidualDenseBlock",
    "ResizeUpscaler",
    "RungBlocks",
    "RungWidths",
    "ShuffleLadderDecoder",
    "Width",
    "WindowAttention",
    "WindowSide",
    "batch_mean",
    "block_detail",
    "block_of",
    "conv3x3",
    "divergence",
    "haar",
    "local_means",
    "lr_multiple",
    "mean_over_maps",
    "patch_judge",
    "residual_blocks",
    "rung_strides",
    "sample",
    "scale_weights",
    "shifted",
    "split_gaussian",
]
