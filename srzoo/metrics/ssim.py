"""Structural similarity."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError

FloatArray = NDArray[np.float64]

_TILE = (32, 224)
"""Rows and columns of window positions handled at once: what is worked on stays in the processor's cache, and a matrix
product is so small that OpenBLAS does not split it between threads, which would cost more than it gains."""

_BLOCK = 32
"""Window positions per matrix product along a row; most of a wider matrix would be zeros."""


class _Window(NamedTuple):
    """What each position is averaged over."""

    side: int
    """Pixels."""

    sigma: float | None
    """Standard deviation of its Gaussian weights in pixels; None for equal weights."""

    unbias: float
    """What variances under the window are multiplied by."""


def ssim(
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    data_range: float = 255.0,
    weights: Literal["gaussian", "uniform"] = "gaussian",
    window: int = 11,
    sigma: float = 1.5,
    covariance: Literal["population", "sample"] = "population",
    edge: Literal["valid", "mirrored"] = "valid",
    structure: Literal["signed", "clipped"] = "signed",
) -> float:
    """Structural similarity of two single-channel images.

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), "Image quality assessment: from error visibility to structural
    similarity", K1 = 0.01, K2 = 0.03. The defaults are the paper's: Gaussian window, only where the window lies wholly
    inside, population covariance.

    Args:
        first: (H, W).
        second: (H, W).
        data_range: Distance of the darkest from the brightest possible value.
        weights: Weights of the window.
        window: Side of the window in pixels, odd.
        sigma: Standard deviation of a Gaussian window in pixels.
        covariance: Whether variances divide by the number of pixels under the window, or by one less.
        edge: Whether the window stays inside, or is centred on every pixel of mirrored images.
        structure: Whether the factor of contrast and structure may be negative, or is 0 then.

    Returns:
        The mean over all positions of the window; 1 for equal images.

    Raises:
        UsageError: If the shapes differ, are not (H, W) or are smaller than the window.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise UsageError(f"ssim takes two (H, W) arrays of one shape, got {first.shape} and {second.shape}")
    if min(first.shape) < window:
        raise UsageError(f"ssim needs at least {window}x{window} pixels, got {first.shape[0]}x{first.shape[1]}")
    if edge == "mirrored":
        first, second = (np.pad(image, window // 2, mode="reflect") for image in (first, second))
    pixels = window**2
    unbias = pixels / (pixels - 1) if covariance == "sample" else 1.0
    shape = _Window(window, sigma if weights == "gaussian" else None, unbias)
    rows, columns = (length - window + 1 for length in first.shape)
    total = 0.0
    for top, left in product(range(0, rows, _TILE[0]), range(0, columns, _TILE[1])):
        bottom, right = min(top + _TILE[0], rows), min(left + _TILE[1], columns)
        tile = slice(top, bottom + window - 1), slice(left, right + window - 1)
        total += _similarities(first[tile], second[tile], data_range, shape, structure == "clipped")
    return float(total / (rows * columns))


def _similarities(
    first: NDArray[Any], second: NDArray[Any], data_range: float, window: _Window, clipped: bool
) -> float:
    """Sum of the similarity over all positions of the window in a part of the image."""
    # With the sum and the difference of both images four maps need the window instead of five.
    maps = np.empty((4, *first.shape))
    np.add(first, second, out=maps[0], dtype=np.float64)
    np.subtract(first, second, out=maps[1], dtype=np.float64)
    np.square(maps[:2], out=maps[2:])
    moments = _blur(maps, window)
    means, variances = moments[:2], moments[2:]
    np.square(means, out=means)
    variances -= means
    if window.unbias != 1:
        variances *= window.unbias
    structure = _ratio(variances, (0.03 * data_range) ** 2)
    if clipped:
        np.maximum(structure, 0, out=structure)
    return float(np.vdot(_ratio(means, (0.01 * data_range) ** 2), structure))


def _ratio(moments: FloatArray, constant: float) -> FloatArray:
    """(2ab + c) / (a^2 + b^2 + c), from the moments of a + b and of a - b, the first of which is overwritten."""
    total, difference = moments
    ratio: FloatArray = total - difference
    ratio += 2 * constant
    total += difference
    total += 2 * constant
    ratio /= total
    return ratio


def _blur(maps: FloatArray, window: _Window) -> FloatArray:
    """Weighted mean of (K, H, W) maps wherever the window fits: (K, H - side + 1, W - side + 1)."""
    count, height, width = maps.shape
    rows = height - window.side + 1
    flat = np.matmul(_band(rows, window), maps).reshape(-1, width)
    result = np.empty((len(flat), width - window.side + 1))
    for start in range(0, result.shape[1], _BLOCK):
        stop = min(start + _BLOCK, result.shape[1])
        np.matmul(flat[:, start : stop + window.side - 1], _band(stop - start, window).T, out=result[:, start:stop])
    return result.reshape(count, rows, -1)


@lru_cache(maxsize=128)
def _band(outputs: int, window: _Window) -> FloatArray:
    """Matrix (outputs, outputs + side - 1) that takes the weighted mean of ``side`` neighbours."""
    weights = np.ones(window.side)
    if window.sigma is not None:
        weights = np.exp(-0.5 * np.square((np.arange(window.side) - window.side // 2) / window.sigma))
    weights /= weights.sum()
    band = np.zeros((outputs, outputs + window.side - 1))
    for position in range(outputs):
        band[position, position : position + window.side] = weights
    return band
