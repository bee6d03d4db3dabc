"""Do the samples of a stochastic model differ where, and as much as, the model errs?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError
from srzoo.metrics.inputs import Pixels, check_samples, luma_of

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationCurve:
    """Predicted against true error, in bins of equally many pixels; a calibrated model lies on the diagonal."""

    predicted: FloatArray
    """Root mean square of the predicted error in each bin, rising."""

    true: FloatArray
    """Root mean square of the true error of the same pixels."""


def predicted_and_true_error(samples: Sequence[Pixels], hr: Pixels) -> tuple[FloatArray, FloatArray]:
    """For each pixel the error that the spread of the samples lets expect, and the error of their mean, on luma.

    Were HR one more draw from where the n samples come from, its distance from their mean would have the standard
    deviation s * sqrt(1 + 1/n), s being that of the samples (n - 1 in its denominator). Source: Fortin et al., "Why
    Should Ensemble Spread Match the RMSE of the Ensemble Mean?", Journal of Hydrometeorology, 2014.

    Args:
        samples: At least two, each (H, W, 3) or (H, W) uint8.
        hr: The same shape.

    Returns:
        Predicted and absolute true error, each (H, W), in levels from 0 to 255.
    """
    values = np.stack([luma_of(sample) for sample in samples])
    predicted = values.std(axis=0, ddof=1) * sqrt(1 + 1 / len(samples))
    return predicted, np.abs(values.mean(axis=0) - luma_of(hr))


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rank correlation of two arrays of one size; equal values share their mean rank.

    Returns:
        From -1 to 1; NaN where all values of one array are equal.
    """
    ranks = [_ranks(values) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    scale = sqrt(float(centred[0] @ centred[0]) * float(centred[1] @ centred[1]))
    return float(centred[0] @ centred[1]) / scale if scale else nan


def _ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: FloatArray = np.cumsum(counts) - (counts - 1) / 2
    return mean_ranks[inverse.ravel()]


def calibration_curve(predicted: FloatArray, true: FloatArray, bins: int = 10) -> CalibrationCurve:
    """Sort pixels by predicted error, cut them into bins of equally many, and compare within each.

    Args:
        predicted: Predicted error of each pixel, of one image or of many joined together.
        true: Absolute true error of the same pixels.
        bins: How many bins.

    Raises:
        UsageError: There are fewer pixels than bins.
    """
    if predicted.size < bins:
        raise UsageError(f"a calibration curve of {bins} bins needs as many pixels, got {predicted.size}")
    order = np.argsort(predicted, axis=None, kind="stable")
    parts = np.array_split(order, bins)
    return CalibrationCurve(*(_means(values.ravel(), parts) for values in (predicted, true)))


def _means(values: FloatArray, parts: Sequence[NDArray[np.intp]]) -> FloatArray:
    return np.array([_root_mean_square(values[part]) for part in parts])


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def measure_calibration(samples: Sequence[Pixels], hr: Pixels, lr: Pixels) -> dict[str, float]:
    """Whether the samples tell where the error is (``calibration``) and how large it is (``calibration_ratio``).

    ``calibration`` is the `rank_correlation` of predicted and true error over an image's pixels: 1 is best, 0 is blind,
    NaN where the samples are all equal. ``calibration_ratio`` is the root mean square of the predicted error over that
    of the true one: 1 is best, below 1 the model is too sure of itself.

    See `srzoo.metrics.catalogue.SamplesMeasurer`.
    """
    check_samples("calibration", samples, hr)
    predicted, true = predicted_and_true_error(samples, hr)
    error = _root_mean_square(true)
    return {
        "calibration": rank_correlation(predicted, true),
        "calibration_ratio": _root_mean_square(predicted) / error if error else nan,
    }
