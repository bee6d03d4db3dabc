"""An image as a function of position."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Decoder
from srzoo.layers import (
    Ladder,
    PixelShuffleUpsampler,
    RungBlocks,
    RungWidths,
    residual_blocks,
    scale_weights,
)
from srzoo.spec import Spec

_AT_ONCE = 1 << 14
"""Pixels of the image that are computed at once; more of them need more memory, and are slower beyond the cache."""


class ImplicitDecoder(Decoder):
    """Asks a small network for the colour at every pixel's position, so that one set of weights serves any scale.

    Residual blocks at LR resolution and below make a code for each LR pixel. A pixel of the image takes the four codes
    around it. To each the network is applied, which sees how far away it is; the mean of the four answers, weighted as
    in bilinear interpolation, goes without a jump from one LR pixel to the next. At first the distance does not
    count, so that it starts without a pattern, too. The size of a pixel is not seen: a network that was trained at one
    scale would not know what to make of another.

    Source: Chen et al., "Learning Continuous Image Representation with Local Implicit Image Function", CVPR 2021 (local
    ensemble, and the 3x3 codes around a position as one, here by a convolution).
    """

    any_scale = True

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: RungBlocks = 2,
        code: Annotated[int, Field(ge=1, le=1024, description="width of the function of position")] = 48,
        layers: Annotated[int, Field(ge=1, le=8, description="hidden layers of the function of position")] = 2,
    ) -> None:
        super().__init__()
        self._scale = 1 / target.stride
        self.ladder = Ladder(
            specs,
            Spec(code),
            widths=widths,
            fine_width=code,
            upsampler=PixelShuffleUpsampler,
            block=lambda width, stride: residual_blocks(width, blocks),
            start=1.0,
        )
        """Up to the first hidden layer, but for what that makes of the distance."""
        self.distance = nn.Parameter(torch.zeros(2, code))
        self.function = nn.Sequential(nn.ReLU(inplace=True))
        for _ in range(layers - 1):
            self.function.extend([nn.Linear(code, code), nn.ReLU(inplace=True)])
        self.function.append(nn.Linear(code, target.channels))
        scale_weights(self.function[-1], 0.1)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Skips and latent to the image (N, 3, scale * H, scale * W)."""
        codes = self.ladder(features).permute(0, 2, 3, 1).contiguous()
        rows, columns = (_Axis.of(length, self._scale, codes.device) for length in codes.shape[1:3])
        size = max(1, _AT_ONCE // (codes.shape[0] * len(columns.offset)))
        return torch.cat([self._answer(codes, part, columns) for part in rows.parts(size)], dim=1).permute(0, 3, 1, 2)

    def _answer(self, codes: Tensor, rows: "_Axis", columns: "_Axis") -> Tensor:
        """Codes (N, H, W, code) to the image (N, rows, columns, 3)."""
        down, right = self.distance.unbind()
        corners = []
        for row, y, y_share in rows.ends():
            of_row = codes.index_select(1, row) + (y[:, None] * down)[:, None]
            for column, x, x_share in columns.ends():
                hidden = of_row.index_select(2, column).add_(x[:, None] * right)
                corners.append(self.function(hidden) * (y_share[:, None] * x_share)[..., None])
        return torch.stack(corners).sum(0)


class _Axis(NamedTuple):
    """Where the pixels of the image lie between LR pixels, along one side."""

    below: Tensor
    """Number of the LR pixel before, (pixels,)."""

    above: Tensor
    """That of the one after."""

    offset: Tensor
    """Distance from the one before, in LR pixels, from 0 to below 1."""

    @classmethod
    def of(cls, length: int, scale: Fraction, device: torch.device) -> "_Axis":
        """All pixels of an axis of ``length`` LR pixels; beyond its ends stands the last one."""
        p, q = scale.numerator, scale.denominator
        # The centre of pixel i lies at (i + 1/2) / scale - 1/2. Whole numbers keep it the same in every tile.
        position = (2 * torch.arange(length * p // q, device=device) + 1) * q - p
        below = position.div(2 * p, rounding_mode="floor")
        offset = (position - 2 * p * below).to(torch.float32) / (2 * p)
        return cls(below.clamp(min=0), (below + 1).clamp(max=length - 1), offset)

    def parts(self, size: int) -> Iterator["_Axis"]:
        """At most ``size`` pixels at a time."""
        for first in range(0, len(self.offset), size):
            yield _Axis(*(each[first : first + size] for each in self))

    def ends(self) -> tuple[tuple[Tensor, Tensor, Tensor], ...]:
        """Both neighbours: number of the LR pixel, how far beyond it one is, and its share in the mean."""
        return (self.below, self.offset, 1 - self.offset), (self.above, self.offset - 1, self.offset)
