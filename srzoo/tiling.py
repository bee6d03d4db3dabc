"""Large images in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.scale import Scale, denominator, scaled, scaled_size
from srzoo.spec import common_multiple


def tiled(
    enlarge: Callable[[Tensor, tuple[int, int]], Tensor],
    lr: Tensor,
    scale: Scale,
    tile: int,
    multiple: int,
    halo: int,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Put ``lr`` through ``enlarge`` tile by tile and join what comes out.

    Every tile sees a halo of its surroundings, and starts at a multiple of ``multiple``, so that strides, windows and
    position-bound noise fall where they fall in the whole image. ``multiple`` is one of the scale's denominator, too,
    so that tiles start at whole pixels of the result.

    Args:
        enlarge: Maps a piece (N, C, h, w) and its origin (row, column) to (N, C, scale * h, scale * w), rounded down.
        lr: (N, C, H, W).
        scale: Enlargement factor.
        tile: Largest side of a tile in LR pixels, its halo not counted; 0 for the whole image at once.
        multiple: Grid, in LR pixels, on which tiles may start.
        halo: LR pixels that a tile looks at beyond its own border, rounded up to a multiple.
        progress: Called with (tiles done, tiles in all).
    """
    n, c, height, width = lr.shape
    if tile <= 0 or (height <= tile and width <= tile):
        return enlarge(lr, (0, 0))
    side = max(multiple, tile // multiple * multiple)
    halo = -(-halo // multiple) * multiple
    out = torch.empty((n, c, *scaled_size((height, width), scale)), dtype=lr.dtype, device=lr.device)
    starts = [(top, left) for top in range(0, height, side) for left in range(0, width, side)]
    for done, (top, left) in enumerate(starts, 1):
        bottom, right = min(top + side, height), min(left + side, width)
        y, x = max(0, top - halo), max(0, left - halo)
        piece = enlarge(lr[..., y : min(bottom + halo, height), x : min(right + halo, width)], (y, x))
        inner = piece[..., _span(top - y, bottom - y, scale), _span(left - x, right - x, scale)]
        out[..., _span(top, bottom, scale), _span(left, right, scale)] = inner
        if progress is not None:
            progress(done, len(starts))
    return out


def _span(first: int, last: int, scale: Scale) -> slice:
    return slice(scaled(first, scale), scaled(last, scale))


def fitted(
    enlarge: Callable[[Tensor], Tensor],
    lr: Tensor,
    scale: Scale,
    multiple: int,
    fixed_size: tuple[int, int] | None,
) -> Tensor:
    """Put ``lr`` of any size through a network that is choosy about sizes.

    Args:
        enlarge: Maps (N, C, h, w) to (N, C, scale * h, scale * w), rounded down.
        lr: (N, C, H, W).
        scale: Enlargement factor.
        multiple: Height and width must be multiples of this, if they may be any at all; they are padded by replication
            and cropped again.
        fixed_size: The only height and width that the network takes, or None; see `blended`.
    """
    height, width = lr.shape[-2:]
    if fixed_size is None:
        rows, columns = -height % multiple, -width % multiple
    else:  # the last tile, too, is to begin at a whole pixel of the result
        rows, columns = (
            (side - length) % denominator(scale) for side, length in zip(fixed_size, (height, width), strict=True)
        )
    padded = F.pad(lr, (0, columns, 0, rows), mode="replicate") if rows or columns else lr
    if fixed_size is None:
        enlarged = enlarge(padded)
    else:
        (enlarged,) = blended(lambda tile: (enlarge(tile),), padded, fixed_size, [Fraction(1, scale)])
    return enlarged[..., : scaled(height, scale), : scaled(width, scale)]


def blended(
    encode: Callable[[Tensor], tuple[Tensor, ...]],
    features: Tensor,
    size: tuple[int, int],
    strides: Sequence[Fraction],
) -> tuple[Tensor, ...]:
    """Put features of any size through an encoder that takes one size, and blend what comes out.

    What is smaller is padded by replication and the maps are cropped again. What is larger goes through in tiles. An
    encoder of one size is not shift-invariant, so that two tiles differ where they meet: each shares a quarter of
    itself or more with the next, its weight falls linearly towards its border there, and the mean by weight is taken.

    Args:
        encode: Maps a tile (N, C, h, w) to one map (N, channels[i], h / strides[i], w / strides[i]) per level.
        features: (N, C, H, W), H and W multiples of the strides.
        size: Height and width (h, w) of a tile.
        strides: Of each level's map, in positions of ``features``.

    Returns:
        One map (N, channels[i], H / strides[i], W / strides[i]) per level.
    """
    height, width = features.shape[-2:]
    padding = (0, max(0, size[1] - width), 0, max(0, size[0] - height))
    padded = F.pad(features, padding, mode="replicate") if any(padding) else features
    whole: tuple[int, int] = padded.shape[-2], padded.shape[-1]
    grid = common_multiple(strides)
    rows, columns = (_starts(*sides, grid) for sides in zip(whole, size, strict=True))
    starts = list(product(rows, columns))
    maps = encode(padded) if len(starts) == 1 else _mean_of_tiles(encode, padded, size, strides, starts)
    cropped = [(int(height / stride), int(width / stride)) for stride in strides]
    return tuple(each[..., :rows, :columns] for each, (rows, columns) in zip(maps, cropped, strict=True))


def _mean_of_tiles(
    encode: Callable[[Tensor], tuple[Tensor, ...]],
    features: Tensor,
    size: tuple[int, int],
    strides: Sequence[Fraction],
    starts: Sequence[tuple[int, int]],
) -> tuple[Tensor, ...]:
    """The maps of ``features``, blended from those of the tiles that begin at ``starts``."""
    sums: list[Tensor] = []
    weights: list[Tensor] = []
    for top, left in starts:
        maps = encode(features[..., top : top + size[0], left : left + size[1]])
        for level, (each, stride) in enumerate(zip(maps, strides, strict=True)):
            if len(sums) == level:
                whole = [int(side / stride) for side in features.shape[-2:]]
                sums.append(each.new_zeros((*each.shape[:2], *whole)))
                weights.append(each.new_zeros(whole))
            h, w = each.shape[-2:]
            y, x = int(top / stride), int(left / stride)
            weight = _fade(h, each).view(-1, 1) * _fade(w, each)
            sums[level][..., y : y + h, x : x + w] += weight * each
            weights[level][y : y + h, x : x + w] += weight
    return tuple(each / weight for each, weight in zip(sums, weights, strict=True))


def _starts(whole: int, side: int, grid: int) -> list[int]:
    """Where tiles of ``side`` begin, on a grid, to cover ``whole`` evenly."""
    most = max(grid, (side - side // 4) // grid * grid)
    gaps = -(-(whole - side) // most)
    return [(whole - side) * index // (gaps * grid) * grid for index in range(gaps + 1)] if gaps else [0]


def _fade(side: int, like: Tensor) -> Tensor:
    """Weights along one side of a tile, (side,): distance to the nearer end, up to a quarter of the side."""
    ends = torch.arange(side, dtype=like.dtype, device=like.device) + 0.5
    return torch.minimum(ends, ends.flip(0)).clamp(max=max(0.5, side / 4))
