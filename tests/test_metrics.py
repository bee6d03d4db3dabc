"""Metrics against independent implementations set to the same rules."""

import math

import numpy as np
import pytest
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srzoo.data.pairs import sample_pairs
from srzoo.errors import UsageError
from srzoo.metrics import lr_psnr, luma, psnr, ssim
from srzoo.resize import imresize


@pytest.fixture(scope="module", params=range(5), ids=lambda index: f"photo{index}")
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    sample = sample_pairs(4)[request.param]
    return imresize(sample.lr, scale=4), sample.hr


def test_luma_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(luma(pair[1]), rgb2ycbcr(pair[1])[..., 0], atol=1e-9)


def test_luma_of_black_and_white_is_studio_range() -> None:
    np.testing.assert_allclose(luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)), [[16, 235]], atol=1e-12)


def test_psnr_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = map(luma, pair)
    assert psnr(first, second) == pytest.approx(peak_signal_noise_ratio(second, first, data_range=255), abs=1e-9)
    assert psnr(*pair) == pytest.approx(peak_signal_noise_ratio(pair[1], pair[0], data_range=255), abs=1e-9)


def test_ssim_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = map(luma, pair)
    expected = structural_similarity(
        first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(first, second) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(11, 11), (11, 60), (43, 12), (44, 75)])
def test_ssim_of_small_and_odd_sizes(shape: tuple[int, int], pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (luma(image[: shape[0], : shape[1]]) for image in pair)
    expected = structural_similarity(
        first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(first, second) == pytest.approx(expected, abs=1e-9)


def test_equal_images_are_infinitely_good(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert psnr(pair[0], pair[0]) == math.inf
    assert ssim(luma(pair[0]), luma(pair[0])) == pytest.approx(1.0, abs=1e-12)


def test_psnr_of_uint8_does_not_wrap_around() -> None:
    black, white = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0.0


def test_lr_psnr_of_hr_against_its_own_lr_is_infinite() -> None:
    sample = sample_pairs(4)[0]
    assert lr_psnr(sample.hr, sample.lr) == math.inf
    assert 30 < lr_psnr(sample.hr, sample.lr, edge="clamp") < math.inf


def test_bad_arrays_are_named() -> None:
    with pytest.raises(UsageError, match="one shape"):
        psnr(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(UsageError, match="11x11"):
        ssim(np.zeros((10, 50)), np.zeros((10, 50)))
    with pytest.raises(UsageError, match="uint8"):
        luma(np.zeros((4, 4, 3)))
    with pytest.raises(UsageError, match="uint8"):
        lr_psnr(np.zeros((4, 4, 3)), np.zeros((1, 1, 3)))
