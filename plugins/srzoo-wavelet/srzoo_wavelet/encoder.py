"""The Haar wavelet transform in place of strided convolutions."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.layers import Width, conv3x3, residual_blocks
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


class WaveletEncoder(Encoder):
    """Each level halves the map by the Haar transform, whose four bands are convolved together.

    Every level transforms all features of the level before, not only the averages: a packet transform.

    Source: Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, max_length=6, description="channels of each level; each halves the map"),
        ] = (48,),
        blocks: Annotated[int, Field(ge=0, le=64, description="residual blocks in each level")] = 2,
    ) -> None:
        super().__init__()
        self.multiple_of = 2 ** len(widths)
        self.levels = nn.ModuleList()
        specs = [spec]
        for width in widths:
            first = conv3x3(4 * specs[-1].channels, width)
            self.levels.append(nn.Sequential(first, nn.LeakyReLU(0.1), *residual_blocks(width, blocks)))
            specs.append(Spec(width, specs[-1].stride * 2))
        self.out_specs = tuple(specs[1:])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per level, (N, widths[i], H / 2^(i+1), W / 2^(i+1))."""
        maps = []
        for level in self.levels:
            features = level(haar(features))
            maps.append(features)
        return tuple(maps)
