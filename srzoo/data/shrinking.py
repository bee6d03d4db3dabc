"""The ways in which people make LR from HR, to tell them apart; none of them is used to make anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from srzoo.resize import imresize

Pixels = NDArray[np.uint8]

Maker = Callable[[Pixels, tuple[int, int]], Pixels]
"""Makes LR of a (height, width) from HR, whose sides are multiples of these."""


def matlab(hr: Pixels, size: tuple[int, int]) -> Pixels:
    """MATLAB's bicubic with symmetric edges."""
    return imresize(hr, size=size)


def _rounded_once(hr: Pixels, size: tuple[int, int]) -> Pixels:
    return _to_bytes(imresize(hr.astype(np.float64), size=size))


def _without_antialiasing(hr: Pixels, size: tuple[int, int]) -> Pixels:
    return imresize(hr, size=size, antialias=False)


def _lanczos(hr: Pixels, size: tuple[int, int]) -> Pixels:
    return imresize(hr, size=size, kernel="lanczos3")


def _average(hr: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    blocks = hr.reshape(height, hr.shape[0] // height, width, hr.shape[1] // width, -1)
    return _to_bytes(blocks.mean(axis=(1, 3))).reshape(height, width, *hr.shape[2:])


def _point(first: bool) -> Maker:
    """Nearest neighbour: the first pixel of each block, or the one right of its middle."""

    def make(hr: Pixels, size: tuple[int, int]) -> Pixels:
        scale = hr.shape[0] // size[0]
        start = 0 if first else scale // 2
        return hr[start::scale, start::scale]

    return make


def _between(sharpness: float | None) -> Maker:
    """The pixels around the middle of each block: linear where ``sharpness`` is None, else a cubic with that ``a``."""

    def make(hr: Pixels, size: tuple[int, int]) -> Pixels:
        scale = hr.shape[0] // size[0]
        result = hr.astype(np.float64)
        for axis in (0, 1):
            centres = np.arange(size[axis]) * scale + (scale - 1) / 2
            base = np.floor(centres).astype(int)
            rest = float(centres[0] - base[0])
            total = np.zeros_like(result.take(base, axis=axis))
            for tap in range(-1, 3):
                places = np.clip(base + tap, 0, hr.shape[axis] - 1)
                total += _weight(rest - tap, sharpness) * result.take(places, axis=axis)
            result = total
        return _to_bytes(result)

    return make


def _weight(distance: float, sharpness: float | None) -> float:
    x = abs(distance)
    if sharpness is None:
        return max(0.0, 1 - x)
    if x <= 1:
        return ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1
    return ((sharpness * x - 5 * sharpness) * x + 8 * sharpness) * x - 4 * sharpness if x < 2 else 0.0


def _pillow(name: str) -> Maker:
    def make(hr: Pixels, size: tuple[int, int]) -> Pixels:
        from PIL import Image

        picture = Image.fromarray(np.ascontiguousarray(hr))
        return np.asarray(picture.resize((size[1], size[0]), Image.Resampling[name]))

    return make


def _to_bytes(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


MAKERS: Mapping[str, Maker] = {
    "MATLAB's bicubic rounded once, not after each pass": _rounded_once,
    "bicubic without antialiasing, a = -0.5": _without_antialiasing,
    "bicubic without antialiasing, a = -0.75, as OpenCV and torch do": _between(-0.75),
    "bilinear without antialiasing, as OpenCV and torch do": _between(None),
    "nearest neighbour, the first pixel of each block": _point(first=True),
    "nearest neighbour, the middle pixel of each block": _point(first=False),
    "the average of each block": _average,
    "Lanczos, antialiased": _lanczos,
    "Pillow's bicubic": _pillow("BICUBIC"),
    "Pillow's bilinear": _pillow("BILINEAR"),
    "Pillow's Lanczos": _pillow("LANCZOS"),
}
"""What people use instead of MATLAB's bicubic."""
