"""Metrics against independent implementations set to the same rules."""

import math

import numpy as np
import pytest
from skimage.color import rgb2ycbcr, rgb2yiq
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srzoo.data.pairs import sample_pairs
from srzoo.errors import UsageError
from srzoo.metrics import lr_psnr, luma, psnr, ssim
from srzoo.metrics.luma import luma_of_levels
from srzoo.resize import imresize


@pytest.fixture(scope="module", params=range(5), ids=lambda index: f"photo{index}")
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    sample = sample_pairs(4)[request.param]
    return imresize(sample.lr, scale=4), sample.hr


def test_luma_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(luma(pair[1]), rgb2ycbcr(pair[1])[..., 0], atol=1e-9)


def test_full_range_luma_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(luma_of_levels(pair[1], "bt601-full"), rgb2yiq(pair[1])[..., 0] * 255, atol=1e-9)
    np.testing.assert_allclose(luma_of_levels(pair[1].astype(float)), luma(pair[1]), atol=1e-9)


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


def test_ssim_with_a_uniform_window_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = map(luma, pair)
    ours = ssim(first, second, weights="uniform", window=7, covariance="sample")
    assert ours == pytest.approx(structural_similarity(first, second, data_range=255), abs=1e-9)


@pytest.mark.slow  # torchmetrics takes ten seconds to import
@pytest.mark.parametrize("data_range", [255.0, None])
def test_ssim_of_the_mirrored_image_is_that_of_torchmetrics(
    data_range: float | None, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("torchmetrics.functional.image").structural_similarity_index_measure
    first, second = (luma(image[100:196, 200:330]) for image in pair)
    expected = peer(*(torch.from_numpy(image)[None, None] for image in (first, second)), data_range=data_range)
    measured = data_range or float(max(np.ptp(first), np.ptp(second)))
    assert ssim(first, second, data_range=measured, edge="mirrored") == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.slow
def test_psnr_is_that_of_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("torchmetrics.functional.image").peak_signal_noise_ratio
    first, second = map(luma, pair)
    torch.set_default_dtype(torch.float64)  # else its logarithm of the base is rounded to 1e-6 dB
    try:
        expected = peer(torch.from_numpy(first), torch.from_numpy(second), data_range=255.0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert psnr(first, second) == pytest.approx(float(expected), abs=1e-9)


def test_clipped_ssim_counts_no_position_below_zero() -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 24)).astype(float)
    inverted = 255 - image
    assert ssim(image, inverted) < -0.5
    assert ssim(image, inverted, structure="clipped") == 0


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
