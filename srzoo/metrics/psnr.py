"""Peak signal-to-noise ratio, against the HR image and against the LR image."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError
from srzoo.resize import Edge, imresize

_STRIP = 32
"""Rows handled at once, so that what is worked on stays in the processor's cache."""


def psnr(first: NDArray[Any], second: NDArray[Any], *, data_range: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB over all values of two arrays.

    Two equal arrays give infinity. A mean over images keeps it: one infinity makes the mean infinite, because any
    finite stand-in would be an invented number.

    Args:
        first: Array of any shape.
        second: Array of the same shape.
        data_range: Distance of the darkest from the brightest possible value.

    Raises:
        UsageError: If the shapes differ or are empty.
    """
    return psnr_of_error(mean_squared_error(first, second), data_range=data_range)


def mean_squared_error(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Mean of the squared difference over all values of two arrays.

    Raises:
        UsageError: If the shapes differ or are empty.
    """
    if first.shape != second.shape or first.size == 0:
        raise UsageError(f"psnr takes two non-empty arrays of one shape, got {first.shape} and {second.shape}")
    total = 0.0
    for start in range(0, len(first), _STRIP):
        strip = slice(start, start + _STRIP)
        difference = np.subtract(first[strip], second[strip], dtype=np.float64)
        # Not a dot product, which OpenBLAS would split between threads that cost more than they gain.
        total += float(np.square(difference, out=difference).sum())
    return total / first.size


def psnr_of_error(error: float, *, data_range: float = 255.0) -> float:
    """The peak signal-to-noise ratio in dB that belongs to a mean squared error; infinite for 0."""
    return inf if error == 0 else 10 * log10(data_range**2 / error)


def lr_psnr(sr: NDArray[Any], lr: NDArray[Any], *, edge: Edge = "symmetric") -> float:
    """How well SR agrees with the LR image it was made from, in dB.

    SR is shrunk by MATLAB's bicubic, rounded to uint8 and compared with LR over all channels and pixels: in RGB,
    range 255, no border cropped. Source: the NTIRE 2021 "Learning the Super-Resolution Space" challenge, which asks
    for at least 45 dB.

    Args:
        sr: (sH, sW) or (sH, sW, C) uint8.
        lr: (H, W) or (H, W, C) uint8.
        edge: Edge rule of the bicubic; see `srzoo.resize`.

    Raises:
        UsageError: If dtypes or channels differ.
    """
    if sr.dtype != np.uint8 or lr.dtype != np.uint8:
        raise UsageError(f"lr_psnr takes uint8 arrays, got {sr.dtype} and {lr.dtype}")
    return psnr(imresize(sr, size=(lr.shape[0], lr.shape[1]), edge=edge), lr)
