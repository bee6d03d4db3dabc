"""MS-SSIM, the power spectrum and NIQE against their formulas."""

from __future__ import annotations

import math
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from enlarged import PAIRS, bicubic, gray, noisy
from scipy.ndimage import convolve, correlate1d
from scipy.special import gamma
from scipy.stats import norm

from srzoo.errors import UsageError
from srzoo.metrics import get_metric, luma, note_of
from srzoo.metrics.niqe import _PRISTINE, contrast_normalised, fit_asymmetric, image_features, niqe
from srzoo.metrics.spectrum import radial_spectrum, spectrum_distance
from srzoo.resize import imresize

ODD = PAIRS["motorcycle_left"].hr[:299, :421]


# MS-SSIM


def direct_ms_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Wang, Simoncelli and Bovik's formula, with their own way of halving."""
    window = norm.pdf(np.arange(-5, 6) / 1.5)
    window /= window.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(image, window, 0), window, 1)[5:-5, 5:-5]

    result = 1.0
    for level, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if level:
            halved = (convolve(image, np.full((2, 2), 0.25), mode="reflect") for image in (first, second))
            first, second = (image[::2, ::2] for image in halved)
        a, b = mean(first), mean(second)
        covariance = mean(first * second) - a * b
        structure = (2 * covariance + 7.65**2) / (mean(first**2) - a**2 + mean(second**2) - b**2 + 7.65**2)
        brightness = (2 * a * b + 2.55**2) / (a**2 + b**2 + 2.55**2) if level == 4 else 1
        result *= float(np.mean(structure * brightness)) ** weight
    return result


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_ms_ssim_is_the_formula(name: str) -> None:
    measure, pair = get_metric("ms_ssim").start("cpu"), PAIRS[name]
    sr = bicubic(pair)
    assert measure(sr, pair.hr, None) == pytest.approx(direct_ms_ssim(luma(sr), luma(pair.hr)), abs=2e-5)
    assert measure(gray(sr), gray(pair.hr), None) == pytest.approx(
        direct_ms_ssim(gray(sr).astype(float), gray(pair.hr).astype(float)), abs=2e-5
    )
    assert measure(pair.hr, pair.hr, None) == pytest.approx(1, abs=1e-6)


# The power spectrum


def direct_spectrum(image: np.ndarray) -> np.ndarray:
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, n + 1) / (n + 1)) for n in image.shape))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None])
    edges = np.linspace(0, 0.5, min(image.shape) // 2 + 1)
    rings = [power[(radius > low) & (radius <= high)].mean() for low, high in pairwise(edges)]
    return 10 * np.log10(np.array(rings) + 1 / 12)


@pytest.mark.parametrize("shape", [(64, 64), (63, 64), (64, 81), (37, 53)])
def test_the_spectrum_is_the_formula(shape: tuple[int, int]) -> None:
    image = luma(ODD)[: shape[0], : shape[1]]
    frequencies, decibels = radial_spectrum(image)
    # A coefficient on the very edge of a ring may fall on either side.
    close = np.abs(decibels - direct_spectrum(image)) < 1e-9
    assert close.mean() > 0.9 and np.abs(decibels - direct_spectrum(image)).max() < 1.5
    assert frequencies[0] > 0 and frequencies[-1] < 0.5 and len(frequencies) == min(shape) // 2


def test_the_spectrum_of_white_noise_is_flat_and_as_high_as_its_variance() -> None:
    noise = np.random.default_rng(0).normal(128, 10, (256, 256))
    _, decibels = radial_spectrum(noise)
    assert decibels.mean() == pytest.approx(20, abs=0.2) and decibels[20:].std() < 0.6


def test_a_wave_stands_at_its_own_frequency() -> None:
    wave = 128 + 50 * np.sin(2 * np.pi * 0.3 * np.arange(200))[None] * np.ones((200, 1))
    frequencies, decibels = radial_spectrum(wave)
    assert frequencies[np.argmax(decibels)] == pytest.approx(0.3, abs=0.005)


def test_the_spectrum_sees_missing_and_excess_detail() -> None:
    measure, pair = get_metric("spectrum").start("cpu"), PAIRS["chelsea"]
    sr = bicubic(pair)
    assert measure(pair.hr, pair.hr, None) == 0 and not note_of(measure)
    assert measure(noisy(pair.hr, 2, seed=0), pair.hr, None) < measure(sr, pair.hr, None)
    assert measure(noisy(pair.hr, 40, seed=0), pair.hr, None) > measure(noisy(pair.hr, 10, seed=0), pair.hr, None)
    assert measure(sr, pair.hr, None) == pytest.approx(spectrum_distance(luma(pair.hr), luma(sr)))
    assert measure(gray(sr), gray(pair.hr), None) == spectrum_distance(*(gray(v).astype(float) for v in (sr, pair.hr)))


# NIQE


def direct_asymmetric_fit(values: np.ndarray) -> tuple[float, float, float]:
    shapes = np.arange(0.2, 10.001, 0.001)
    table = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    left, right = np.sqrt(np.mean(values[values < 0] ** 2)), np.sqrt(np.mean(values[values > 0] ** 2))
    skew = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = shapes[np.argmin((table - ratio) ** 2)]
    width = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * width, right * width


def direct_niqe_features(image: np.ndarray) -> np.ndarray:
    """Mittal, Soundararajan and Bovik's 36 features of each block of 96x96, block by block."""
    window = np.outer(*[norm.pdf(np.arange(-3, 4) / (7 / 6))] * 2)
    window /= window.sum()
    rows, columns = (length // 96 for length in image.shape)
    image = image[: 96 * rows, : 96 * columns]
    found: list[list[float]] = [[] for _ in range(rows * columns)]
    for side in (96, 48):
        mean = convolve(image, window, mode="nearest")
        field = (image - mean) / (np.sqrt(np.abs(convolve(image**2, window, mode="nearest") - mean**2)) + 1)
        for index in range(rows * columns):
            row, column = (side * value for value in divmod(index, columns))
            block = field[row : row + side, column : column + side]
            shape, left, right = direct_asymmetric_fit(block)
            found[index] += [shape, (left + right) / 2]
            for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                shape, left, right = direct_asymmetric_fit(block * np.roll(block, shift, (0, 1)))
                found[index] += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
        image = imresize(image, scale=0.5)
    return np.array(found)


def test_niqe_is_the_formula() -> None:
    from safetensors.numpy import load_file

    model, image = load_file(_PRISTINE), np.rint(luma(PAIRS["chelsea"].hr))
    expected = direct_niqe_features(image)
    np.testing.assert_allclose(image_features(image), expected, atol=2e-3)
    difference = model["mean"] - expected.mean(axis=0)
    inverse = np.linalg.pinv((model["covariance"] + np.cov(expected.T)) / 2)
    measure = get_metric("niqe").start("cpu")
    found = measure(PAIRS["chelsea"].hr, None, None)
    assert found == pytest.approx(math.sqrt(difference @ inverse @ difference), rel=1e-3)
    # BasicSR 1.4.2, which its authors hold equal to the MATLAB original, gives 2.625524.
    assert found == pytest.approx(2.625524, rel=1e-4)
    assert measure(gray(PAIRS["chelsea"].hr), None, None) == pytest.approx(found)


def test_the_pristine_model_is_the_authors() -> None:
    assert sha256(_PRISTINE.read_bytes()).hexdigest() == (
        "3482f3862ea73b1a5e3c68c28a21e15f1c19ca015051adb6b55f794f1e65476a"
    )
    assert "Copyright (c) 2011 The University of Texas at Austin" in _PRISTINE.with_name("niqe.LICENSE.txt").read_text()


@pytest.mark.parametrize("name", PAIRS)
def test_niqe_prefers_photos_to_bicubic(name: str) -> None:
    measure = get_metric("niqe").start("cpu")
    assert measure(PAIRS[name].hr, None, None) < measure(bicubic(PAIRS[name]), None, None)


def test_niqe_is_not_moved_by_rounding_where_an_image_is_flat() -> None:
    image = np.rint(luma(PAIRS["astronaut"].hr))
    image[:100, :200] = 235
    field = contrast_normalised(image)
    assert not field[4:96, 4:196].any() and field[200:].all(axis=1).any()
    assert niqe(image) == niqe(image + 0.0) != niqe(np.rint(luma(PAIRS["astronaut"].hr)))


def test_niqe_refuses_what_it_cannot_judge() -> None:
    measure, hr = get_metric("niqe").start("cpu"), PAIRS["chelsea"].hr
    assert math.isfinite(measure(hr[:192, :96], None, None))
    for small in (hr[:191, :191], hr[:95, :300]):
        with pytest.raises(UsageError, match="niqe needs at least"):
            measure(small, None, None)
    with pytest.raises(UsageError, match="not flat"):
        measure(np.full((300, 300), 7, np.uint8), None, None)


def test_the_fit_finds_the_distribution_that_values_were_drawn_from() -> None:
    draws = np.random.default_rng(3)
    sizes = draws.exponential(size=(2, 400_000))
    # Scales 2 and 3 on a continuous density put a share of 2/5 on the left.
    values = np.where(draws.random(sizes.shape) < 0.4, -2 * sizes, 3 * sizes)
    shape, left, right = fit_asymmetric(values)
    np.testing.assert_allclose(shape, 1, atol=0.02)
    np.testing.assert_allclose(left, 2, rtol=0.03)
    np.testing.assert_allclose(right, 3, rtol=0.03)
