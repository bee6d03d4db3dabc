"""Photos for training: aligned crops of LR and HR, each a pure function of where in the run it is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srzoo.errors import DataError, ImageError
from srzoo.images import list_images, read_image
from srzoo.resize import imresize

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class TrainingPhotos:
    """HR photos of several folders in memory; their LR is made once, when a photo is first drawn.

    Args:
        folders: Folders of images.
        scale: Enlargement factor.
        crop: Side, in LR pixels, of the largest crop that will be drawn; smaller photos are left out.

    Raises:
        DataError: A folder is missing or empty, or no photo is large enough for a crop.
    """

    def __init__(self, folders: Sequence[Path], scale: int, crop: int) -> None:
        self._scale = scale
        self._hr: list[Pixels] = []
        self._lr: dict[int, Pixels] = {}
        self.skipped: list[str] = []
        """Files that could not be used, each with the reason."""
        for folder in folders:
            for path in list_images(folder):
                self._add(path, crop * scale)
        if not self._hr:
            raise DataError(f"no photo in {', '.join(map(str, folders))} holds a crop of {crop * scale} pixels")
        areas = np.array([image.shape[0] * image.shape[1] for image in self._hr], dtype=np.float64)
        self._cumulative = np.cumsum(areas / areas.sum())

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of SHA-256 over the pixels of all photos, in order."""
        sha = hashlib.sha256()
        for image in self._hr:
            sha.update(np.ascontiguousarray(image).tobytes())
        return sha.hexdigest()[:12]

    def __len__(self) -> int:
        return len(self._hr)

    def _add(self, path: Path, smallest: int) -> None:
        try:
            pixels = rgb(read_image(path).pixels)
        except ImageError as error:
            self.skipped.append(str(error))
            return
        height, width = (size // self._scale * self._scale for size in pixels.shape[:2])
        if min(height, width) < smallest:
            self.skipped.append(f"{path}: {pixels.shape[1]}x{pixels.shape[0]} is smaller than a crop")
            return
        self._hr.append(pixels[:height, :width])

    def batch(self, seed: int, step: int, size: int, crop: int) -> tuple[Tensor, Tensor]:
        """The crops of one step.

        Args:
            seed: Seed of the run.
            step: Number of the step.
            size: Number of crops.
            crop: Side of the square LR crops in pixels.

        Returns:
            LR (size, 3, crop, crop) and HR (size, 3, scale * crop, scale * crop), float in [0, 1]. Crop i depends on
            (seed, step, i) and on nothing else.
        """
        pairs = [self._sample(np.random.default_rng((seed, step, index)), crop) for index in range(size)]
        lr, hr = (np.stack(each) for each in zip(*pairs, strict=True))
        return _to_float(lr), _to_float(hr)

    def _sample(self, generator: np.random.Generator, crop: int) -> tuple[Pixels, Pixels]:
        index = min(int(np.searchsorted(self._cumulative, generator.random())), len(self._hr) - 1)
        hr, lr = self._hr[index], self._lr_of(index)
        scale = self._scale
        top, left = (int(generator.integers(0, size - crop + 1)) for size in lr.shape[:2])
        small = lr[top : top + crop, left : left + crop]
        large = hr[top * scale : (top + crop) * scale, left * scale : (left + crop) * scale]
        turns, flip = int(generator.integers(4)), bool(generator.integers(2))
        return _turned(small, turns, flip), _turned(large, turns, flip)

    def _lr_of(self, index: int) -> Pixels:
        if index not in self._lr:
            hr = self._hr[index]
            size = (hr.shape[0] // self._scale, hr.shape[1] // self._scale)
            self._lr[index] = imresize(hr, size=size)
        return self._lr[index]


def rgb(pixels: np.ndarray[Any, Any]) -> Pixels:
    """Any image's pixels as uint8 (H, W, 3)."""
    if pixels.dtype != np.uint8:
        pixels = (pixels * 255 + 0.5).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return pixels


def _turned(image: Pixels, turns: int, flip: bool) -> Pixels:
    image = np.rot90(image, turns)
    return image[:, ::-1] if flip else image


def _to_float(batch: Pixels) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2)
    return tensor.to(torch.float32).div_(255)
