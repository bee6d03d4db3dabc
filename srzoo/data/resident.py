"""Crops that are cut on a GPU, from photos that lie in its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srzoo.data.chain import Chain
from srzoo.data.crops import UNMOVED, Crops, Cut
from srzoo.data.photos import Photos
from srzoo.data.prefetch import Prefetcher, processors

Pixels = NDArray[np.uint8]

MOST = 0.25
"""Share of a device's free memory that photos may take; the networks need the rest."""


def fits(photos: Photos, chain: Chain | None, scale: int, device: torch.device) -> bool:
    """Whether the photos can be cut on the device: it is a GPU with room for all, and chance has no part in LR."""
    if device.type != "cuda" or not photos.in_memory or (chain is not None and chain.random):
        return False
    pixels = int(photos.sizes.prod(axis=1).sum())
    return 3 * (pixels + pixels // scale**2) <= MOST * torch.cuda.mem_get_info(device)[0]


class ResidentCrops(Crops):
    """The crops of `Crops`, made where they are wanted: only where to cut, a few numbers for each, is handed over.

    Args:
        photos: What is cropped; all in memory.
        chain: What makes LR, without chance; None where LR is the data sets' own.
        scale: Enlargement factor.
        device: Where the photos are kept.
        permute: Whether chance exchanges the channels of a crop.
    """

    def __init__(
        self, photos: Photos, chain: Chain | None, scale: int, device: torch.device, *, permute: bool = False
    ) -> None:
        super().__init__(photos, chain, scale, permute=permute)
        self._device = device
        self._small = _Sheet(photos, photos.lr, scale, device)
        self._large = _Sheet(photos, photos.hr, 1, device)

    def batch(self, seed: int, step: int, indices: Sequence[int], crop: int) -> tuple[Tensor, Tensor]:
        """See `Crops.batch`; on the device, in the memory format ``channels_last``."""
        cuts = [next(self.drawn((seed, step, index), crop))[0] for index in indices]
        return self._small.crops(cuts, 1, crop), self._large.crops(cuts, self._scale, crop * self._scale)


class _Sheet:
    """Photos as one long row of pixels on a device.

    Args:
        photos: Tell the sizes, and which can be used.
        read: Gives the pixels of a photo, (H, W, 3).
        scale: What the sizes are divided by.
        device: Where the pixels are kept.
    """

    def __init__(self, photos: Photos, read: Callable[[int], Pixels], scale: int, device: torch.device) -> None:
        sizes = photos.sizes // scale
        self._device = device
        self._widths = sizes[:, 1]
        ends = np.cumsum(sizes.prod(axis=1))
        self._begins = ends - sizes.prod(axis=1)
        self._pixels = torch.empty(int(ends[-1]), 3, dtype=torch.uint8, device=device)
        usable = [*filter(photos.usable, range(len(photos)))]
        with Prefetcher(lambda place: read(usable[place]), range(len(usable)), processors()) as made:
            for index, pixels in zip(usable, made, strict=True):
                self._pixels[self._begins[index] : ends[index]] = torch.tensor(pixels).view(-1, 3).to(device)

    def crops(self, cuts: Sequence[Cut], factor: int, side: int) -> Tensor:
        """Square crops (N, 3, side, side), float in [0, 1], of what ``cuts`` place in pixels ``factor`` times as large.

        One gather for all: in a crop that is turned or flipped, as in any other, each step down and each step to the
        right moves by a number of pixels that is the same everywhere.
        """
        plan = np.array([(*self._path(cut, factor, side), *cut.channels) for cut in cuts], dtype=np.int64)
        start, down, right, *channels = torch.from_numpy(plan).to(self._device, non_blocking=True).unbind(dim=1)
        steps = torch.arange(side, device=self._device)
        index = start[:, None, None] + down[:, None, None] * steps[:, None] + right[:, None, None] * steps
        crops = self._pixels[index]
        if any(cut.channels != UNMOVED for cut in cuts):
            crops = crops.gather(-1, torch.stack(channels, dim=1)[:, None, None].expand_as(crops))
        return crops.permute(0, 3, 1, 2).to(torch.float32).div_(255)

    def _path(self, cut: Cut, factor: int, side: int) -> tuple[int, int, int]:
        """The place of a crop's first pixel in the row, and how far the ones below it and beside it are from there."""
        width, last = int(self._widths[cut.photo]), side - 1
        corner = int(self._begins[cut.photo]) + cut.top * factor * width + cut.left * factor
        start, down, right = (
            (corner, width, 1),
            (corner + last, -1, width),
            (corner + last * width + last, -width, -1),
            (corner + last * width, 1, -width),
        )[cut.turns]
        return (start + last * right, down, -right) if cut.flip else (start, down, right)
