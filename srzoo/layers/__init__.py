"""Building blocks that several parts share; plugins may use them too."""

from srzoo.layers.blocks import (
    Downsampler,
    PixelShuffle,
    PixelShuffleUpsampler,
    ResidualBlock,
    conv3x3,
    residual_blocks,
    scale_weights,
)
from srzoo.layers.gaussian import sample, split_gaussian
from srzoo.layers.halving import HalvingEncoder
from srzoo.layers.ladder import Ladder, LadderDecoder, lr_multiple, rung_strides
from srzoo.layers.options import FineWidth, LevelWidths, RungBlocks, RungWidths, Width

__all__ = [
    "Downsampler",
    "FineWidth",
    "HalvingEncoder",
    "Ladder",
    "LadderDecoder",
    "LevelWidths",
    "PixelShuffle",
    "PixelShuffleUpsampler",
    "ResidualBlock",
    "RungBlocks",
    "RungWidths",
    "Width",
    "conv3x3",
    "lr_multiple",
    "residual_blocks",
    "rung_strides",
    "sample",
    "scale_weights",
    "split_gaussian",
]
