"""The Haar wavelet transform in place of strided convolutions."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import HalvingEncoder, LevelWidths, conv3x3, residual_blocks
from srzoo.spec import Spec


def haar(x: Tensor) -> Tensor:
    """One level of the orthonormal two-dimensional Haar transform.

    Args:
        x: (N, C, H, W) with even H and W.

    Returns:
        (N, 4C, H / 2, W / 2): the averages of all channels, then their differences along rows, along columns and along
        both. No value is lost: the transform keeps the sum of squares.
    """
    a, b = x[..., ::2, ::2], x[..., ::2, 1::2]
    c, d = x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return torch.cat([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=1) / 2


class _Level(nn.Module):
    """The transform, then convolutions over its four bands together."""

    def __init__(self, before: int, after: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv3x3(4 * before, after), nn.LeakyReLU(0.1), *residual_blocks(after, blocks))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(haar(x))


class WaveletEncoder(HalvingEncoder):
    """Each level halves the map by the Haar transform, whose four bands are convolved together.

    Every level transforms all features of the level before, not only the averages: a packet transform.

    Source: Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: LevelWidths = (48,),
        blocks: Annotated[int, Field(ge=0, le=64, description="residual blocks in each level")] = 2,
    ) -> None:
        super().__init__(spec, widths, lambda before, after: _Level(before, after, blocks))
