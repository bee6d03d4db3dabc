"""Large images in pieces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def tiled(
    enlarge: Callable[[Tensor, tuple[int, int]], Tensor],
    lr: Tensor,
    scale: int,
    tile: int,
    multiple: int,
    halo: int,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Put ``lr`` through ``enlarge`` tile by tile and join what comes out.

    Every tile sees a halo of its surroundings, and starts at a multiple of ``multiple``, so that strides, windows and
    position-bound noise fall where they fall in the whole image.

    Args:
        enlarge: Maps a piece (N, C, h, w) and its origin (row, column) to (N, C, scale * h, scale * w).
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
    out = torch.empty((n, c, height * scale, width * scale), dtype=lr.dtype, device=lr.device)
    starts = [(top, left) for top in range(0, height, side) for left in range(0, width, side)]
    for done, (top, left) in enumerate(starts, 1):
        bottom, right = min(top + side, height), min(left + side, width)
        y, x = max(0, top - halo), max(0, left - halo)
        piece = enlarge(lr[..., y : min(bottom + halo, height), x : min(right + halo, width)], (y, x))
        inner = piece[..., (top - y) * scale : (bottom - y) * scale, (left - x) * scale : (right - x) * scale]
        out[..., top * scale : bottom * scale, left * scale : right * scale] = inner
        if progress is not None:
            progress(done, len(starts))
    return out
