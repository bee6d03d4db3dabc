"""Naturalness image quality evaluator: quality of an image without HR."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError
from srzoo.metrics.inputs import Pixels, check_image, luma_of
from srzoo.resize import imresize

FloatArray = NDArray[np.float64]

BLOCK = 96
"""Side, in pixels, of the blocks whose statistics are taken, as in the pristine model."""

_PRISTINE = Path(__file__).with_name("niqe.safetensors")
"""Mean (36,) and covariance (36, 36) of the features of 125 pristine photographs: LIVE's, see ``niqe.LICENSE.txt``."""

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns by which the field is shifted round in its block and multiplied with itself."""


def contrast_normalised(image: FloatArray) -> FloatArray:
    """Mean-subtracted, contrast-normalised coefficients: (I - mean) / (deviation + 1).

    They are computed from differences to the pixel in the middle and so are exactly 0 where the image is flat.
    Otherwise rounding noise would stand there, and the features, blind to its size, would be noise as well.

    Args:
        image: (H, W) in levels from 0 to 255.

    Returns:
        (H, W); mean and deviation are those under a 7x7 Gaussian window of sigma 7/6, the border repeated outward.
    """
    weights = np.exp(-0.5 * np.square(np.arange(-3, 4) / (7 / 6)))
    weights /= weights.sum()
    padded = np.pad(image, 3, mode="edge")
    mean, square = np.zeros_like(image), np.zeros_like(image)
    for row, column in np.ndindex(7, 7):
        difference = padded[row : row + image.shape[0], column : column + image.shape[1]] - image
        weighted = weights[row] * weights[column] * difference
        mean += weighted
        square += weighted * difference
    deviation = np.sqrt(np.abs(square - np.square(mean)))
    coefficients: FloatArray = -mean / (deviation + 1)
    return coefficients


def fit_asymmetric(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit an asymmetric generalised Gaussian distribution to each row, by moments.

    Source: Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009.

    Args:
        values: (rows, n).

    Returns:
        Shape, left scale and right scale of each row; the scales are NaN where a side has no values.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = (
            np.sqrt(np.sum(np.square(values), axis=1, where=side) / np.count_nonzero(side, axis=1))
            for side in (values < 0, values > 0)
        )
        skew = left / right
        ratio = np.square(np.abs(values).mean(axis=1)) / np.square(values).mean(axis=1)
        ratio *= (skew**3 + 1) * (skew + 1) / np.square(skew**2 + 1)
    shapes, ratios, widths = _shape_table()
    nearest = np.searchsorted((ratios[1:] + ratios[:-1]) / 2, ratio)
    nearest[np.isnan(ratio)] = 0  # as the authors' code has it
    return shapes[nearest], left * widths[nearest], right * widths[nearest]


@lru_cache(maxsize=1)
def _shape_table() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shapes from 0.2 to 10; what E[|x|]^2 / E[x^2] is for each; and its scale over its standard deviation."""
    shapes = np.arange(200, 10001) / 1000
    gamma1, gamma2, gamma3 = (np.array([math.gamma(power / shape) for shape in shapes]) for power in (1, 2, 3))
    return shapes, gamma2**2 / (gamma1 * gamma3), np.sqrt(gamma1 / gamma3)


def block_features(blocks: FloatArray) -> FloatArray:
    """The 18 features of each block of normalised coefficients at one resolution.

    Args:
        blocks: (blocks, H, W).

    Returns:
        (blocks, 18): shape and mean scale of the coefficients; then shape, mean, left and right scale of the products
        of neighbours across, down and along both diagonals.
    """
    shape, left, right = fit_asymmetric(blocks.reshape(len(blocks), -1))
    features = [shape, (left + right) / 2]
    for shift in _NEIGHBOURS:
        products = blocks * np.roll(blocks, shift, axis=(1, 2))
        shape, left, right = fit_asymmetric(products.reshape(len(blocks), -1))
        mean = (right - left) * np.array([math.gamma(2 / a) / math.gamma(1 / a) for a in shape])
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def image_features(image: FloatArray) -> FloatArray:
    """The 36 features of each block of an image: `block_features` at full and at half size.

    Args:
        image: (H, W) in levels from 0 to 255; what is left over at the right and the bottom is not looked at.

    Returns:
        (blocks, 36).
    """
    rows, columns = (length // BLOCK for length in image.shape)
    image = image[: rows * BLOCK, : columns * BLOCK]
    features = []
    for side in (BLOCK, BLOCK // 2):
        field = contrast_normalised(image).reshape(rows, side, columns, side)
        features.append(block_features(field.swapaxes(1, 2).reshape(-1, side, side)))
        image = imresize(image, scale=0.5)
    return np.concatenate(features, axis=1)


def niqe(image: FloatArray) -> float:
    """Distance of an image's block features from those of pristine photographs; smaller is better.

    sqrt((m - m0) pinv((C + C0) / 2) (m - m0)') of the features' means m, m0 and covariances C, C0.

    Args:
        image: (H, W) in whole levels from 0 to 255.

    Raises:
        UsageError: Fewer than two blocks hold any detail.
    """
    features = image_features(image)
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        raise UsageError(f"niqe needs two blocks of {BLOCK}x{BLOCK} pixels that are not flat, got {len(whole)}")
    mean, covariance = _pristine()
    difference = mean - np.nanmean(features, axis=0)
    inverse = np.linalg.pinv((covariance + np.cov(whole, rowvar=False)) / 2)
    return float(np.sqrt(difference @ inverse @ difference))


@lru_cache(maxsize=1)
def _pristine() -> tuple[FloatArray, FloatArray]:
    from safetensors.numpy import load_file

    model = load_file(_PRISTINE)
    return model["mean"], model["covariance"]


def measure_niqe(sr: Pixels, hr: Pixels | None = None, lr: Pixels | None = None) -> float:
    """`niqe` of luma, rounded to whole levels; of SR alone.

    Source: Mittal, Soundararajan and Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal
    Processing Letters, 2013, with the authors' own pristine model. Luma is BT.601 studio range, as in the PIRM 2018
    challenge and most work on super-resolution since; no border is cropped.

    See `srzoo.metrics.catalogue.ImageMeasurer`.
    """
    check_image("niqe", sr, BLOCK)
    if max(sr.shape[:2]) < 2 * BLOCK:
        raise UsageError(f"niqe needs at least {2 * BLOCK}x{BLOCK} pixels, got {sr.shape[1]}x{sr.shape[0]}")
    return niqe(np.rint(luma_of(sr)))
