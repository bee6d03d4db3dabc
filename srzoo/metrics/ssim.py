"""Structural similarity."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError

FloatArray = NDArray[np.float64]

_STRIP = 32
"""Rows of window positions handled at once, so that what is worked on stays in the processor's cache."""

_BLOCK = 32
"""Window positions per matrix product along a row; most of a wider matrix would be zeros."""


def ssim(
    first: NDArray[Any], second: NDArray[Any], *, data_range: float = 255.0, window: int = 11, sigma: float = 1.5
) -> float:
    """Structural similarity of two single-channel images.

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), "Image quality assessment: from error visibility to structural
    similarity": Gaussian window, only where the window lies wholly inside, population covariance,
    K1 = 0.01, K2 = 0.03.

    Args:
        first: (H, W).
        second: (H, W).
        data_range: Distance of the darkest from the brightest possible value.
        window: Side of the window in pixels, odd.
        sigma: Standard deviation of the window in pixels.

    Returns:
        The mean over all positions of the window; 1 for equal images.

    Raises:
        UsageError: If the shapes differ, are not (H, W) or are smaller than the window.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise UsageError(f"ssim takes two (H, W) arrays of one shape, got {first.shape} and {second.shape}")
    if min(first.shape) < window:
        raise UsageError(f"ssim needs at least {window}x{window} pixels, got {first.shape[0]}x{first.shape[1]}")
    rows, columns = (length - window + 1 for length in first.shape)
    total = 0.0
    for start in range(0, rows, _STRIP):
        strip = slice(start, min(start + _STRIP, rows) + window - 1)
        total += _similarities(first[strip], second[strip], data_range, window, sigma)
    return float(total / (rows * columns))


def _similarities(first: NDArray[Any], second: NDArray[Any], data_range: float, window: int, sigma: float) -> float:
    """Sum of the similarity over all positions of the window in a strip of the image."""
    # With the sum and the difference of both images four maps need the window instead of five.
    maps = np.empty((4, *first.shape))
    np.add(first, second, out=maps[0], dtype=np.float64)
    np.subtract(first, second, out=maps[1], dtype=np.float64)
    np.square(maps[:2], out=maps[2:])
    moments = _blur(maps, window, sigma)
    means = np.square(moments[:2])
    variances = moments[2:] - means
    return float(np.vdot(_ratio(means, (0.01 * data_range) ** 2), _ratio(variances, (0.03 * data_range) ** 2)))


def _ratio(moments: FloatArray, constant: float) -> FloatArray:
    """(2ab + c) / (a^2 + b^2 + c), from the moments of a + b and of a - b."""
    total, difference = moments
    ratio: FloatArray = (total - difference + 2 * constant) / (total + difference + 2 * constant)
    return ratio


def _blur(maps: FloatArray, window: int, sigma: float) -> FloatArray:
    """Gaussian mean of (K, H, W) maps wherever the window fits: (K, H - window + 1, W - window + 1)."""
    count, height, width = maps.shape
    rows = height - window + 1
    flat = np.matmul(_band(rows, window, sigma), maps).reshape(-1, width)
    result = np.empty((len(flat), width - window + 1))
    for start in range(0, result.shape[1], _BLOCK):
        stop = min(start + _BLOCK, result.shape[1])
        np.matmul(flat[:, start : stop + window - 1], _band(stop - start, window, sigma).T, out=result[:, start:stop])
    return result.reshape(count, rows, -1)


@lru_cache(maxsize=128)
def _band(outputs: int, window: int, sigma: float) -> FloatArray:
    """Matrix (outputs, outputs + window - 1) that takes the Gaussian mean of ``window`` neighbours."""
    weights = np.exp(-0.5 * np.square((np.arange(window) - window // 2) / sigma))
    weights /= weights.sum()
    band = np.zeros((outputs, outputs + window - 1))
    for position in range(outputs):
        band[position, position : position + window] = weights
    return band
