"""Degradations do what they are said to do, by draws that are the same everywhere."""

from __future__ import annotations

import math
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, special, stats
from skimage import data
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.data.chain import Chain
from srzoo.degrade import build_chain
from srzoo.effects import Blur, bell_kernel, filter_image, gaussian_noise, poisson_noise, sinc_kernel
from srzoo.errors import BrokenPluginError, ConfigError, OptionError, PartNotFoundError, UsageError
from srzoo.registry import REGISTRY
from srzoo.resize import imresize

NAMES = [ref.name for ref in REGISTRY.parts("degradation") if ref.distribution == "srzoo"]


def photo(height: int = 96, width: int = 120) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(data.astronaut()[100 : 100 + height, 150 : 150 + width])


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def steps(name: str) -> list[str]:
    """A chain that holds the degradation: bicubic stands behind those that do not shrink."""
    shrinks = REGISTRY.resolve("degradation", name).ref.load().shrinks
    return [name] if shrinks else [name, "bicubic"]


def tensor(pixels: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_is_exactly_one_scale_th_and_a_function_of_the_seed(name: str, scale: int) -> None:
    hr = photo(36, 60)
    chain = build_chain(scale, steps(name))
    lr = chain.apply(hr, 5)
    assert lr.dtype == np.uint8 and lr.shape == (36 // scale, 60 // scale, 3)
    assert np.array_equal(lr, build_chain(scale, steps(name)).apply(hr, 5))
    assert np.array_equal(lr, chain.apply(hr, np.random.default_rng(5)))
    assert np.array_equal(lr, chain.apply(hr, 6)) == (not chain.random)
    gray = chain.apply(hr[..., 0], 5)
    assert gray.shape == lr.shape[:2]
    assert chain.apply(photo(scale, scale), 5).shape == (1, 1, 3)


@pytest.mark.parametrize("name", NAMES)
def test_lr_resembles_hr(name: str) -> None:
    """Half the distance to a plain gray image, and nearer to its own photo than to that photo moved."""
    hr = photo()
    plain = imresize(hr, size=(24, 30)).astype(float)
    distances = np.array([np.abs(build_chain(4, steps(name)).apply(hr, seed) - plain).mean() for seed in range(8)])
    assert np.median(distances) < 0.5 * np.abs(plain - plain.mean()).mean()
    moved = np.abs(build_chain(4, steps(name)).apply(np.roll(hr, 16, axis=1), 0) - plain).mean()
    assert distances[0] < moved


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_does_not_depend_on_the_pixels(name: str) -> None:
    """The generator stands at the same place afterwards, so that rounding on a device shifts nothing."""
    ends = []
    for image in (torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 3, 32, 32)):
        states = []
        for seed in range(6):
            generator = draw(seed)
            build_chain(4, steps(name)).forward(image, generator)
            states.append(generator.bit_generator.state)
        ends.append(states)
    assert ends[0] == ends[1]


def test_bicubic_is_matlab_s_rounded_after_each_pass() -> None:
    hr = photo()
    for edge in ("symmetric", "clamp"):
        chain = build_chain(4, [{"name": "bicubic", "edge": edge}])
        assert np.array_equal(chain.apply(hr), imresize(hr, size=(24, 30), edge=edge))
        assert not chain.random


def test_parts_with_a_margin_are_parts_of_the_whole() -> None:
    hr = photo(160, 160)
    for step in ("bicubic", "blur-down", {"name": "blur-down", "down": "bicubic", "size": 9}):
        chain = build_chain(4, [{"name": "blur", "sigma": [0.8, 0.8], "size": 5}, step])
        assert chain.local
        whole, margin = chain.apply(hr), chain.margin
        first, last = 15 - margin, 25 + margin
        part = chain.apply(np.ascontiguousarray(hr[first * 4 : last * 4, first * 4 : last * 4]))
        assert np.array_equal(part[margin:-margin, margin:-margin], whole[15:25, 15:25])
    assert not build_chain(4, ["jpeg", "bicubic"]).local
    assert not build_chain(4, [{"name": "jpeg", "quality": [50, 50]}, "bicubic"]).local


def test_bd_is_blur_by_7x7_of_1_6_and_the_middle_of_three() -> None:
    hr = photo(30, 45)
    offsets = np.arange(7) - 3
    row = np.exp(-(offsets**2) / (2 * 1.6**2))
    kernel = np.outer(row, row) / np.outer(row, row).sum()
    for channel in range(3):
        blurred = ndimage.correlate(hr[..., channel] / 255.0, kernel, mode="nearest")
        wanted = blurred[1::3, 1::3] * 255
        found = build_chain(3, ["blur-down"]).apply(hr)[..., channel]
        assert np.abs(found - wanted).max() <= 0.5 + 1e-3
    assert not build_chain(3, ["blur-down"]).random


def test_any_kernel_blurs_as_scipy_does() -> None:
    kernel = [[0, 1, 0, 0, 0], [2, 5, 2, 0, 1], [0, 1, 0, 3, 0]]
    hr = photo(24, 32)
    chain = build_chain(2, [{"name": "blur", "kernel": kernel}, {"name": "blur-down", "kernel": [[1]]}])
    lr = chain.apply(hr)
    weights = np.array(kernel) / np.sum(kernel)
    blurred = np.stack([ndimage.correlate(hr[..., c] / 255.0, weights, mode="nearest") for c in range(3)], axis=-1)
    picked = imresize(blurred, size=(12, 16), kernel="nearest") * 255
    assert np.abs(lr - picked).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(("sigma", "angle"), [((1.5, 1.5), 0.0), ((3.0, 1.0), 0.6)])
def test_a_gaussian_kernel_has_the_covariance_asked_for(sigma: tuple[float, float], angle: float) -> None:
    kernel = bell_kernel(41, sigma, angle).double()
    steps = torch.arange(41, dtype=torch.float64) - 20
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    moments = [float((kernel * a * b).sum()) for a, b in ((x, x), (x, y), (y, y))]
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    covariance = turn @ np.diag(np.square(sigma)) @ turn.T
    assert moments == pytest.approx([covariance[0, 0], covariance[0, 1], covariance[1, 1]], abs=1e-3)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)


def test_other_shapes_fall_off_as_written() -> None:
    for shape, profile in (("generalized", lambda q: np.exp(-(q**1.7) / 2)), ("plateau", lambda q: 1 / (1 + q**1.7))):
        kernel = bell_kernel(9, (2.0, 2.0), 0.0, shape, 1.7)  # type: ignore[arg-type]
        ratio = kernel[4, 4 + 3] / kernel[4, 4]
        assert float(ratio) == pytest.approx(profile((3 / 2.0) ** 2) / profile(0.0), rel=1e-5)
    assert torch.equal(bell_kernel(9, (2, 2), 0, "generalized", 1.0), bell_kernel(9, (2, 2)))
    narrow = bell_kernel(21, (0.2, 0.2), 0.0, "plateau", 4.0)
    assert torch.isfinite(narrow).all() and float(narrow[10, 10]) == pytest.approx(1, abs=1e-4)


def test_a_sinc_kernel_is_the_disk_s_transform_and_passes_what_lies_below_its_cutoff() -> None:
    kernel = sinc_kernel(21, 2.0)
    radius = math.hypot(3, 5)
    wanted = 2.0 * special.j1(2.0 * radius) / (2 * math.pi * radius) / (2.0**2 / (4 * math.pi))
    assert float(kernel[13, 15] / kernel[10, 10]) == pytest.approx(wanted, rel=1e-5)
    x = torch.arange(96.0).expand(1, 1, 96, 96)
    for frequency, gain in ((0.5, 1.0), (2.9, 0.0)):
        wave = 0.5 + 0.4 * torch.sin(frequency * x)
        left = (filter_image(wave, kernel) - 0.5)[..., 20:-20, 20:-20]
        assert float(left.std() / 0.4 * math.sqrt(2)) == pytest.approx(gain, abs=0.12)


def test_gaussian_noise_has_its_deviation_and_gray_noise_one_value_for_all_channels() -> None:
    image = torch.full((2, 3, 128, 128), 0.5)
    noise = gaussian_noise(image, draw(), 12.0, gray=False) * 255
    assert float(noise.std()) == pytest.approx(12, rel=0.01) and abs(float(noise.mean())) < 0.1
    assert abs(np.corrcoef(noise[0, 0].ravel(), noise[0, 1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(noise[0, 0].ravel(), noise[1, 0].ravel())[0, 1]) < 0.02
    for gray in (gaussian_noise(image, draw(), 12.0, gray=True), poisson_noise(image, draw(), 1.0, gray=True)):
        assert torch.equal(gray[:, 0], gray[:, 1]) and torch.equal(gray[:, 0], gray[:, 2])


@pytest.mark.parametrize("level", [0, 1, 7, 100, 255])
def test_poisson_noise_counts_photons(level: int) -> None:
    image = torch.full((1, 1, 200, 200), level / 255)
    counts = (poisson_noise(image, draw(level), 1.0, gray=False) * 255 + level).round().numpy().ravel()
    assert counts.min() >= 0
    for quantile in (0.05, 0.5, 0.95):
        edge = stats.poisson.ppf(quantile, level) if level else 0
        assert (counts <= edge).mean() == pytest.approx(stats.poisson.cdf(edge, level), abs=0.012)
    halved = poisson_noise(image, draw(level), 0.5, gray=False) * 255
    assert np.allclose(halved.numpy().ravel(), (counts - level) / 2, atol=1e-4)


def test_jpeg_is_pillow_s_file_read_again() -> None:
    hr = photo(48, 64)
    stream = BytesIO()
    Image.fromarray(hr).save(stream, "JPEG", quality=30, subsampling="4:2:0")
    wanted = np.asarray(Image.open(stream))
    chain = build_chain(1, [{"name": "jpeg", "quality": [30, 30]}, "bicubic"])
    assert np.array_equal(chain.apply(hr), wanted) and not chain.random
    chains = [build_chain(1, [{"name": "jpeg", "quality": [q, q]}, "bicubic"]) for q in (10, 95)]
    worse, better = (np.abs(each.apply(hr).astype(float) - hr).mean() for each in chains)
    assert worse > 2 * better


def test_real_esrgan_uses_all_it_may_draw() -> None:
    """Every part of the pipeline can be switched off alone, and each changes the image."""
    still = {
        "sigma": [0.2, 0.2], "resize_chances": [0, 0, 1], "noise_sigma": [0, 0], "poisson": 0, "jpeg": [95, 95],
        "second_blur": 0, "second_resize_chances": [0, 0, 1], "second_noise_sigma": [0, 0], "final_sinc": 0,
        "kernels": [1, 0, 0, 0, 0, 0], "sinc": 0,
    }  # fmt: skip
    hr = photo()

    def distance(**changes: Any) -> float:
        chain = build_chain(4, [{"name": "real-esrgan", **still, **changes}])
        found = [np.abs(chain.apply(hr, seed) - imresize(hr, size=(24, 30)).astype(float)).mean() for seed in range(6)]
        return float(np.mean(found))

    calm = distance()
    for change in (
        {"sigma": [6.0, 6.0]},
        {"resize_chances": [0, 1, 0]},
        {"noise_sigma": [25, 25]},
        {"poisson": 1, "poisson_scale": [3, 3]},
        {"jpeg": [30, 30]},
        {"second_blur": 1, "second_sigma": [1.5, 1.5]},
        {"second_resize_chances": [0, 1, 0]},
        {"second_noise_sigma": [25, 25]},
        {"final_sinc": 1},
        {"sinc": 1},
    ):
        assert abs(distance(**change) - calm) > 0.05, change


def test_a_chain_runs_its_steps_in_order() -> None:
    hr = photo(64, 64)
    sharp = build_chain(4, ["bicubic", {"name": "jpeg", "quality": [10, 10]}]).apply(hr)
    other = build_chain(4, [{"name": "jpeg", "quality": [10, 10]}, "bicubic"]).apply(hr)
    assert not np.array_equal(sharp, other)


@pytest.mark.parametrize(
    ("steps", "error", "says"),
    [
        (["noise", "jpeg"], ConfigError, "none of noise, jpeg"),
        (["bicubic", "blur-down"], ConfigError, "bicubic, blur-down"),
        ([], ConfigError, "no steps"),
        (["bicubik"], PartNotFoundError, "did you mean 'bicubic'"),
        ([{"name": "jpeg", "quality": [90, 30]}, "bicubic"], OptionError, "must not exceed"),
        ([{"name": "jpeg", "quality": 90}, "bicubic"], OptionError, "quality"),
        ([{"name": "blur", "size": 8}, "bicubic"], OptionError, "odd"),
        ([{"name": "blur", "kernel": [[1, 1]]}, "bicubic"], OptionError, "odd number"),
        ([{"name": "blur", "sigma": [0, 1]}, "bicubic"], OptionError, "> 0"),
        ([{"name": "real-esrgan", "kernels": [0, 0, 0, 0, 0, 0]}], OptionError, "above 0"),
    ],
)
def test_a_wrong_chain_is_refused_in_one_line(steps: list[Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as refused:
        build_chain(4, steps)
    assert "\n" not in str(refused.value)


def test_hr_of_another_size_and_steps_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match="30x30 is no multiple of 4"):
        build_chain(4).apply(photo(30, 30))

    class Crooked(Degradation):
        shrinks = True

        def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
            return image[..., ::2, ::2]

    with pytest.raises(
        BrokenPluginError,
        match=r"degradation theirs:crooked made an image of 1x3x16x16 where 1x3x8x8 was due: see: srzoo check",
    ):
        Chain(4, [Crooked()], ["theirs:crooked"]).apply(photo(32, 32))

    class Failing(Crooked):
        def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
            raise OSError("no jpeg")

    with pytest.raises(BrokenPluginError, match=r"degradation theirs:failing failed in use \(OSError: no jpeg at"):
        Chain(4, [Failing()], ["theirs:failing"]).apply(photo(32, 32))


def test_a_kernel_that_cannot_vary_is_not_random() -> None:
    assert not Blur(sigma=(1.0, 1.0)).random
    assert Blur(sigma=(1.0, 1.0), anisotropic=True).random
    assert Blur(sigma=(1.0, 1.0), shape="plateau", beta=(1.0, 2.0)).random


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_what_the_cpu_gives(name: str) -> None:
    image = tensor(photo())
    for seed in range(4):
        chain = build_chain(4, steps(name))
        there = chain.forward(image.cuda(), draw(seed)).cpu()
        here = chain.forward(image, draw(seed))
        # Rounding may tip a pixel of 8 bits, or a coefficient of JPEG, over.
        assert float((there - here).abs().mean()) < 1e-3


@pytest.mark.skipif("SRZOO_DATA" not in os.environ, reason="SRZOO_DATA names no images of the literature")
def test_lr_of_the_literature_is_reproduced() -> None:
    root = Path(os.environ["SRZOO_DATA"]) / "test" / "Set5" / "X3"
    chain = build_chain(3, [{"name": "bicubic", "edge": "clamp"}])
    for hr, lr in zip(sorted((root / "HR").iterdir()), sorted((root / "LR").iterdir()), strict=True):
        assert np.array_equal(chain.apply(np.asarray(Image.open(hr))), np.asarray(Image.open(lr)))
