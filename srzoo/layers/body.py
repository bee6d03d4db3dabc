"""Encoders that keep the map's size."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.layers.blocks import conv3x3
from srzoo.spec import Spec


class BodyEncoder(Encoder):
    """A convolution, a row of blocks, a convolution, and a path around them; one map, as large as what it is handed.

    Source: the body of Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017,
    which later networks fill with blocks of their own.

    Args:
        spec: What the encoder is handed.
        width: Channels.
        blocks: What stands in the row; each keeps the shape (N, width, H, W).
    """

    def __init__(self, spec: Spec, width: int, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.first = conv3x3(spec.channels, width)
        self.blocks = nn.Sequential(*blocks)
        self.last = conv3x3(width, width)
        self.out_specs = (Spec(width, spec.stride),)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map (N, width, H, W)."""
        x = self.first(features)
        return (x + self.last(self.blocks(x)),)
