"""Metrics of several samples of one image: diversity, best and mean, calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from enlarged import PAIRS, gray, noisy
from scipy.stats import spearmanr

from srzoo.errors import UsageError
from srzoo.metrics import get_metric, luma
from srzoo.metrics.calibration import calibration_curve, predicted_and_true_error, rank_correlation
from srzoo.metrics.diversity import diversity
from srzoo.metrics.samples import luma_psnr


def test_diversity_is_the_formula() -> None:
    maps = np.array([[[1.0, 3.0]], [[5.0, 1.0]]])
    assert diversity(maps) == pytest.approx(100 * (2 - 1) / 2)
    assert diversity(np.stack([maps[0]] * 3)) == 0
    assert diversity(np.zeros((2, 4, 4))) == 0


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60)])
def test_diversity_of_white_noise_on_squared_error_is_what_arithmetic_says(shape: tuple[int, ...]) -> None:
    hr = np.full(shape, 128, np.uint8)
    samples = [noisy(hr, 10, seed) for seed in range(2)]
    errors = np.square(np.stack(samples).astype(float) - hr)
    errors = errors.mean(axis=3) if len(shape) == 3 else errors
    best = errors.mean(axis=(1, 2)).min()
    found = get_metric("diversity_mse").start("cpu")(samples, hr, hr[::4, ::4])
    assert found == {"diversity_mse": pytest.approx(100 * (best - np.minimum(*errors).mean()) / best)}
    assert found["diversity_mse"] > 20


def test_best_and_mean_of_samples_follow_the_protocol() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    hr, lr = PAIRS["chelsea"].hr, PAIRS["chelsea"].lr
    samples = [noisy(hr, deviation, seed) for seed, deviation in enumerate((9, 6, 12))]
    truth = luma(hr)[4:-4, 4:-4]
    each = [peak_signal_noise_ratio(truth, luma(sample)[4:-4, 4:-4], data_range=255) for sample in samples]
    assert get_metric("best_of_n").start("cpu")(samples, hr, lr) == {"best_of_n": pytest.approx(each[1])}
    mean = np.rint(np.mean(samples, axis=0)).astype(np.uint8)
    wanted = peak_signal_noise_ratio(truth, luma(mean)[4:-4, 4:-4], data_range=255)
    found = get_metric("mean_of_samples").start("cpu")(samples, hr, lr)
    assert found == {"mean_of_samples": pytest.approx(wanted)} and wanted > each[1]
    gray_psnr = luma_psnr(gray(samples[0]), gray(hr), 4)
    assert get_metric("best_of_n").start("cpu")([gray(samples[0])] * 2, gray(hr), gray(lr)) == {"best_of_n": gray_psnr}


@pytest.mark.parametrize("name", ["diversity_mse", "best_of_n", "mean_of_samples", "calibration"])
def test_samples_that_do_not_fit_are_refused(name: str) -> None:
    hr, lr = PAIRS["chelsea"].hr, PAIRS["chelsea"].lr
    measure = get_metric(name).start("cpu")
    with pytest.raises(UsageError, match=f"{name} needs at least 2 samples of each image, got 1"):
        measure([hr], hr, lr)
    with pytest.raises(UsageError, match=f"{name} takes SR and HR of one shape"):
        measure([hr, hr[1:]], hr, lr)


def test_rank_correlation_is_spearmans() -> None:
    draws = np.random.default_rng(0)
    first = draws.integers(0, 30, (40, 50)).astype(float)
    second = first + draws.normal(0, 20, first.shape).round()
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic)
    assert rank_correlation(first, np.exp(first)) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert math.isnan(rank_correlation(first, np.ones_like(first)))


def test_a_model_whose_samples_are_as_likely_as_hr_is_calibrated() -> None:
    draws = np.random.default_rng(0)
    deviation = np.linspace(2, 20, 300)[None].repeat(300, axis=0)
    hr, *samples = (np.rint(draws.normal(128, deviation)).astype(np.uint8) for _ in range(6))
    found = get_metric("calibration").start("cpu")(samples, hr, hr[::4, ::4])
    assert found["calibration_ratio"] == pytest.approx(1, abs=0.01) and 0.2 < found["calibration"] < 0.6
    assert get_metric("calibration").start("cpu")([samples[0]] * 2, hr, hr)["calibration_ratio"] == 0
    predicted, true = predicted_and_true_error(samples, hr)
    columns = np.argsort(deviation, axis=None)
    curve = calibration_curve(predicted.ravel()[columns], true.ravel()[columns], bins=5)
    assert len(curve.predicted) == len(curve.true) == 5
    assert (np.diff(curve.predicted) > 0).all() and (np.diff(curve.true) > 0).all()
    exact = calibration_curve(deviation, true, bins=5)
    np.testing.assert_allclose(exact.true, exact.predicted * math.sqrt(1 + 1 / 5), rtol=0.03)
    with pytest.raises(UsageError, match="bins"):
        calibration_curve(predicted[:1, :3], true[:1, :3])
