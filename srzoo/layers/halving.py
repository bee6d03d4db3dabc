"""Encoders each of whose levels halves the map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.spec import Spec

LevelFactory = Callable[[int, int], nn.Module]
"""(channels in, channels out) -> a module that halves height and width."""


class HalvingEncoder(Encoder):
    """A chain of levels, each at half the size of the one before; every level's map is handed on.

    Args:
        spec: What the encoder is handed.
        widths: Channels of each level.
        level: Makes a level.
    """

    def __init__(self, spec: Spec, widths: Sequence[int], level: LevelFactory) -> None:
        super().__init__()
        self.multiple_of = 2 ** len(widths)
        self.levels = nn.ModuleList(level(before, after) for before, after in pairwise((spec.channels, *widths)))
        self.out_specs = tuple(Spec(width, spec.stride * 2**depth) for depth, width in enumerate(widths, 1))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per level, (N, widths[i], H / 2^(i+1), W / 2^(i+1))."""
        maps = []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return tuple(maps)
