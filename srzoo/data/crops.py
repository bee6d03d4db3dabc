"""Aligned crops of LR and HR, each a pure function of where in the run it is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srzoo.data.chain import Chain
from srzoo.data.photos import Photos
from srzoo.errors import DataError, ImageError

Pixels = NDArray[np.uint8]

_PHASES = 8
"""How many LR pixels the beginning of what is degraded may move against the crop, so that JPEG's blocks do, too."""

UNMOVED = (0, 1, 2)
"""Channels where they are in the photo."""


class Cut(NamedTuple):
    """Where a crop lies, and how it is turned once it is cut."""

    photo: int
    top: int
    """In LR pixels."""

    left: int
    turns: int
    """Quarters of a turn against the clock."""

    flip: bool
    """Whether left and right change places after that."""

    channels: tuple[int, int, int] = UNMOVED
    """Which channels of the photo are the crop's red, green and blue."""


class Crops:
    """Crops of photos. Where chance has a part in LR, every crop is degraded anew; else it is cut from the photo's LR.

    Args:
        photos: What is cropped.
        chain: What makes LR; None where LR is the data sets' own.
        scale: Enlargement factor.
        permute: Whether chance exchanges the channels of a crop.

    Raises:
        DataError: No photo can be read.
    """

    def __init__(self, photos: Photos, chain: Chain | None, scale: int, *, permute: bool = False) -> None:
        self.photos = photos
        """What is cropped."""
        self._permute = permute
        self._chain = chain
        self._scale = scale
        # Parts with a margin around them give the same pixels as the whole photo, and less work where it must go again.
        self._by_parts = chain is not None and (chain.random or (chain.local and not photos.in_memory))
        # A photo that turns out to be unreadable stays in here: whether that is found early or late changes no crop.
        areas = np.array(photos.sizes, dtype=np.float64).prod(axis=1)
        self._cumulative = np.cumsum(areas / areas.sum())

    def batch(self, seed: int, step: int, indices: Sequence[int], crop: int) -> tuple[Tensor, Tensor]:
        """Crops of one step.

        Args:
            seed: Seed of the run.
            step: Number of the step.
            indices: Numbers of the crops within the step, such as a process's share of them.
            crop: Side of the square LR crops in pixels.

        Returns:
            LR (N, 3, crop, crop) and HR (N, 3, scale * crop, scale * crop), float in [0, 1], N being how many numbers
            there are. Crop i depends on (seed, step, i) and the photos, and on nothing else.

        Raises:
            DataError: No photo can be read any more.
        """
        pairs = [self._sample((seed, step, index), crop) for index in indices]
        lr, hr = (np.stack(each) for each in zip(*pairs, strict=True))
        return _to_float(lr), _to_float(hr)

    def drawn(self, key: tuple[int, int, int], crop: int) -> Iterator[tuple[Cut, np.random.Generator]]:
        """Where chance has a crop cut, with what it has left for degrading it; first in the photo that it chose.

        What follows is for the case that the photo turns out to be unreadable: the same in the next one that can be
        read, and so on round.

        Args:
            key: Seed of the run, number of the step, number of the crop.
            crop: Side of the square LR crop in pixels.
        """
        generator = np.random.default_rng(key)
        first = min(int(np.searchsorted(self._cumulative, generator.random())), len(self.photos) - 1)
        for index in chain(range(first, len(self.photos)), range(first)):
            if self.photos.usable(index):
                free = [length // self._scale - crop + 1 for length in self.photos.sizes[index]]
                top, left = (int(generator.integers(0, places)) for places in free)
                cut = Cut(index, top, left, int(generator.integers(4)), bool(generator.integers(2)))
                if self._permute:
                    red, green, blue = map(int, generator.permutation(3))
                    cut = cut._replace(channels=(red, green, blue))
                yield cut, generator
                generator = np.random.default_rng(key)
                generator.random()

    def _sample(self, key: tuple[int, int, int], crop: int) -> tuple[Pixels, Pixels]:
        """One pair of crops; in the place of a photo that cannot be read comes the next one that can."""
        for cut, generator in self.drawn(key, crop):
            try:
                return self._pair(cut, generator, crop)
            except ImageError as error:
                self.photos.give_up(cut.photo, error)
        raise DataError(f"none of {len(self.photos)} photos can be read any more ({self.photos.unused[-1]})")

    def _pair(self, cut: Cut, generator: np.random.Generator, crop: int) -> tuple[Pixels, Pixels]:
        scale = self._scale
        if self._by_parts:
            small, large = self._degraded(cut, crop, generator)
        else:
            small = self.photos.lr_window(cut.photo, cut.top, cut.left, crop, crop)
            large = self.photos.hr_window(cut.photo, cut.top * scale, cut.left * scale, crop * scale, crop * scale)
            small, large = _permuted(small, cut.channels), _permuted(large, cut.channels)
        return _turned(small, cut.turns, cut.flip), _turned(large, cut.turns, cut.flip)

    def _degraded(self, cut: Cut, crop: int, generator: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Degrade a part of the photo with a margin around the crop, and cut the margin off."""
        index, top, left = cut.photo, cut.top, cut.left
        chain = self._chain
        assert chain is not None
        scale, before = self._scale, [chain.margin, chain.margin]
        if chain.random:
            before = [each + int(generator.integers(_PHASES)) for each in before]
        y, x = max(0, top - before[0]), max(0, left - before[1])
        height, width = self.photos.sizes[index]
        bottom = min(height, (top + crop + chain.margin) * scale)
        right = min(width, (left + crop + chain.margin) * scale)
        hr = self.photos.hr_window(index, y * scale, x * scale, bottom - y * scale, right - x * scale)
        if chain.random:  # before it is degraded: JPEG tells colours from brightness
            hr = _permuted(hr, cut.channels)
        lr = chain.apply(hr, generator)
        if not chain.random:  # as where LR lies in memory
            hr, lr = _permuted(hr, cut.channels), _permuted(lr, cut.channels)
        top, left = top - y, left - x
        large = hr[top * scale : (top + crop) * scale, left * scale : (left + crop) * scale]
        return lr[top : top + crop, left : left + crop], large


def _turned(image: Pixels, turns: int, flip: bool) -> Pixels:
    image = np.rot90(image, turns)
    return image[:, ::-1] if flip else image


def _permuted(image: Pixels, channels: tuple[int, int, int]) -> Pixels:
    return image if channels == UNMOVED else image.take(channels, axis=-1)


def _to_float(batch: Pixels) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2)
    return tensor.to(torch.float32).div_(255)
