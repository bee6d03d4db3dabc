"""Metrics of the catalogue against independent implementations, with networks of the true form and made-up weights."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parts import make
from scipy.ndimage import convolve, correlate1d
from scipy.special import gamma
from scipy.stats import norm, spearmanr
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import alexnet, squeezenet1_0, vgg16

from srzoo import features
from srzoo.data.pairs import ImagePair, sample_pairs
from srzoo.errors import FetchError, UsageError
from srzoo.fetch import ALEXNET, INCEPTION, SQUEEZENET, SQUEEZENET_TORCHVISION, VGG16
from srzoo.metrics import METRICS, get_metric, luma, note_of
from srzoo.metrics.calibration import calibration_curve, predicted_and_true_error, rank_correlation
from srzoo.metrics.diversity import diversity
from srzoo.metrics.niqe import _PRISTINE, contrast_normalised, fit_asymmetric, image_features, niqe
from srzoo.metrics.samples import luma_psnr
from srzoo.metrics.spectrum import radial_spectrum, spectrum_distance
from srzoo.resize import imresize

PAIRS = {pair.name: pair for pair in sample_pairs(4)}
ODD = PAIRS["motorcycle_left"].hr[:299, :421]


def bicubic(pair: ImagePair) -> np.ndarray:
    return imresize(pair.lr, scale=4)


def gray(image: np.ndarray) -> np.ndarray:
    return np.rint(luma(image)).astype(np.uint8)


def noisy(image: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def unit(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]


def only_features(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's state whose last layers, which nothing here looks at, take no room in the file."""
    return {name: v if name.startswith("features") else torch.zeros(1).expand(v.shape) for name, v in state.items()}


def seeded(network: Callable[..., torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(5)
    return network(weights=None).eval()


# The catalogue itself


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = "import sys, srzoo.metrics.catalogue as c; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchmetrics", "torchvision", "scipy", "pydantic"} & set(loaded)


def test_names_and_levels() -> None:
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert {metric.level for metric in METRICS.values()} == {"image", "set", "samples"}
    assert [name for name, metric in METRICS.items() if not metric.needs_hr] == ["niqe"]
    assert all(metric.summary and not metric.summary.endswith(".") for metric in METRICS.values())


def test_a_mistyped_name_is_answered() -> None:
    assert get_metric("lpips") is METRICS["lpips"]
    with pytest.raises(UsageError, match="did you mean 'lpips'"):
        get_metric("lpisp")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(UsageError, match=r'ms_ssim needs torchmetrics.*pip install "srzoo\[metrics\]"'):
        get_metric("ms_ssim").start("cpu")


@pytest.mark.parametrize("name", ["lpips", "dists", "fid", "kid", "diversity"])
def test_missing_weights_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SRZOO_WEIGHTS", "SRZOO_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    wanted = {"dists": VGG16, "fid": INCEPTION, "kid": INCEPTION}.get(name, ALEXNET)
    with pytest.raises(FetchError, match=wanted.name):
        get_metric(name).start("cpu")


@pytest.mark.parametrize(("name", "smallest"), [("ms_ssim", 176), ("spectrum", 16)])
def test_what_is_too_small_or_does_not_fit_is_refused(name: str, smallest: int) -> None:
    measure = get_metric(name).start("cpu")
    fits = np.random.default_rng(0).integers(0, 256, (smallest, smallest + 5), np.uint8)
    assert math.isfinite(measure(fits, fits, None))
    with pytest.raises(UsageError, match=f"{name} needs at least {smallest}x{smallest} pixels, got {smallest + 5}x"):
        measure(fits[1:], fits[1:], None)
    with pytest.raises(UsageError, match="of one shape"):
        measure(fits, np.stack([fits] * 3, axis=2), None)
    with pytest.raises(UsageError, match="there is none"):
        measure(fits, None, None)
    with pytest.raises(UsageError, match="uint8"):
        measure(fits / 255, fits / 255, None)


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


# LPIPS, DISTS and features


def direct_lpips_maps(network: torch.nn.Module, first: Tensor, second: Tensor) -> list[Tensor]:
    """Zhang et al.'s formula for each of AlexNet's five layers."""
    import torchmetrics.functional.image.lpips as module

    heads = torch.load(Path(module.__file__).parent / "lpips_models" / "alex.pth", map_location="cpu")
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    x = torch.cat([(2 * image - 1 - shift) / scale for image in (first, second)])
    maps = []
    with torch.no_grad():
        for index, layer in enumerate(network.features[:12]):
            x = layer(x)
            if index in (1, 4, 7, 9, 11):
                features = F.normalize(x, dim=1)
                maps.append(F.conv2d((features[:1] - features[1:]) ** 2, heads[f"lin{len(maps)}.model.1.weight"]))
    return maps


def test_lpips_and_its_maps_are_the_formula_and_torchmetrics(weights: Any) -> None:
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as theirs

    from srzoo.library import hub_of

    network = seeded(alexnet)
    weights("srzoo.features.ALEXNET", ALEXNET, only_features(network.state_dict()))
    hr, sr = (image[40:111, 100:203] for image in (PAIRS["chelsea"].hr, bicubic(PAIRS["chelsea"])))
    measure = get_metric("lpips").start("cpu")
    maps = direct_lpips_maps(network, unit(sr), unit(hr))
    assert measure(sr, hr, None) == pytest.approx(float(sum(value.mean() for value in maps)), rel=1e-4)
    with hub_of(features.ALEXNET):
        expected = theirs(unit(sr), unit(hr), net_type="alex", normalize=True)
    assert measure(sr, hr, None) == pytest.approx(float(expected), rel=1e-6)
    assert measure(hr, hr, None) == 0
    assert measure(gray(sr), gray(hr), None) == pytest.approx(
        measure(np.stack([gray(sr)] * 3, axis=2), np.stack([gray(hr)] * 3, axis=2), None)
    )
    with pytest.raises(UsageError, match="lpips needs at least 31x31"):
        measure(sr[:30], hr[:30], None)

    samples = [np.concatenate(halves, axis=1) for halves in ((sr[:, :50], hr[:, 50:]), (hr[:, :50], sr[:, 50:]))]
    enlarged = [
        sum(F.interpolate(v, (64, 96), mode="bilinear") for v in direct_lpips_maps(network, unit(s), unit(truth)))
        for truth in [hr[:64, :96]]
        for s in (sample[:64, :96] for sample in samples)
    ]
    stack = torch.cat(enlarged)[:, 0]
    best = stack.mean(dim=(1, 2)).min()
    wanted = float(100 * (best - stack.amin(dim=0).mean()) / best)
    found = get_metric("diversity").start("cpu")(samples, hr, hr[::4, ::4])["diversity"]
    assert found == pytest.approx(wanted, rel=1e-3) and found > 1


@pytest.mark.slow
def test_dists_is_the_formula(weights: Any) -> None:
    from torchmetrics.functional.image import dists as module

    network = seeded(vgg16)
    weights("srzoo.metrics.dists.VGG16", VGG16, only_features(network.state_dict()))
    hr, sr = (image[:97, :120] for image in (PAIRS["chelsea"].hr, bicubic(PAIRS["chelsea"])))
    heads = torch.load(module._PATH_WEIGHT_DISTS, map_location="cpu")
    window = torch.from_numpy(np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])).float()
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    images = torch.cat([unit(sr), unit(hr)])
    levels, x = [images], (images - mean) / deviation
    with torch.no_grad():
        for index, layer in enumerate(network.features[:30]):
            if isinstance(layer, torch.nn.MaxPool2d):
                kernel = window.expand(x.shape[1], 1, 3, 3)
                x = (F.conv2d(x**2, kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()
            else:
                x = layer(x)
            if index in (3, 8, 15, 22, 29):
                levels.append(x)
    total, start = 0.0, 0
    for level in levels:
        channels = slice(start, start := start + level.shape[1])
        alpha, beta = (heads[name].double()[0, channels, 0, 0] for name in ("alpha", "beta"))
        (a, b), count = level.double().flatten(2), level[0, 0].numel()
        covariance = (a * b).mean(1) - a.mean(1) * b.mean(1)
        texture = (2 * a.mean(1) * b.mean(1) + 1e-6) / (a.mean(1) ** 2 + b.mean(1) ** 2 + 1e-6)
        structure = (2 * covariance + 1e-6) / ((a.var(1) + b.var(1)) * (count - 1) / count + 1e-6)
        total += float(alpha @ texture + beta @ structure)
    wanted = 1 - total / float(heads["alpha"].double().sum() + heads["beta"].double().sum())
    measure = get_metric("dists").start("cpu")
    assert measure(sr, hr, None) == pytest.approx(wanted, abs=2e-6) and wanted > 1e-3
    assert measure(hr, hr, None) == pytest.approx(0, abs=1e-6)
    with pytest.raises(UsageError, match="dists needs at least 16x16"):
        measure(sr[:15], hr[:15], None)


def test_feature_distance_is_the_formula_and_says_whose_network_it_is(weights: Any) -> None:
    network = seeded(squeezenet1_0)
    weights("srzoo.features.SQUEEZENET_TORCHVISION", SQUEEZENET_TORCHVISION, network.state_dict())
    hr, sr = PAIRS["chelsea"].hr[:61, :80], bicubic(PAIRS["chelsea"])[:61, :80]
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x, distances = (torch.cat([unit(sr), unit(hr)]) - mean) / deviation, []
    with torch.no_grad():
        for index, layer in enumerate(network.features[:10]):
            x = layer(x)
            if index in (1, 4, 7, 9):
                first, second = F.normalize(x.double(), dim=1)
                distances.append(float(((first - second) ** 2).sum(0).mean()))
    measure = get_metric("feature_distance").start("cpu")
    assert measure(sr, hr, None) == pytest.approx(np.mean(distances), rel=1e-5)
    assert measure(sr, hr, None) == pytest.approx(float(make("loss", "perceptual", 4)(unit(sr), unit(hr), unit(sr))))
    assert measure(hr, hr, None) == 0
    assert "torchvision" in note_of(measure) and SQUEEZENET.name in note_of(measure)
    assert math.isfinite(measure(gray(sr)[:13, :13], gray(hr)[:13, :13], None))
    with pytest.raises(UsageError, match="feature_distance needs at least 13x13"):
        measure(sr[:12], hr[:12], None)


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


# FID and KID


@pytest.fixture
def inception(weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Inception network with weights from a seed, wide enough that features differ between images."""
    from torch_fidelity import feature_extractor_inceptionv3 as module

    class Bare(module.FeatureExtractorInceptionV3):  # type: ignore[misc,name-defined]
        def load_state_dict(self, *arguments: Any, **options: Any) -> None:
            pass

    with monkeypatch.context() as context, torch.device("meta"):
        context.setattr(module, "load_state_dict_from_url", lambda *arguments, **options: {})
        shapes = {name: value.shape for name, value in Bare("inception-v3-compat", ["2048"]).state_dict().items()}
    torch.manual_seed(2)
    state = {}
    for name, shape in shapes.items():
        if "conv.weight" in name:
            state[name] = torch.randn(shape) * math.sqrt(2 / math.prod(shape[1:]))
        elif name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
        else:
            state[name] = torch.ones(shape) if name.endswith(("bn.weight", "running_var")) else torch.zeros(shape)
    weights("srzoo.metrics.inception.INCEPTION", INCEPTION, state)


@pytest.mark.slow
@pytest.mark.usefixtures("inception")
def test_fid_and_kid_are_the_formulas() -> None:
    pairs = [pair for pair in PAIRS.values()]
    images = [(bicubic(pair), pair.hr) for pair in pairs] + [(gray(bicubic(pairs[0])), gray(pairs[0].hr))]
    fid, kid = (get_metric(name).start("cpu") for name in ("fid", "kid"))
    for sr, hr in images:
        fid.add(sr, hr)
        kid.add(sr, hr)
    shown, true = (torch.cat(values).double() for values in (kid._metric.fake_features, kid._metric.real_features))
    assert shown.shape == (6, 2048) and float(true.std(0).mean()) > 1e-3
    a, b = ((values - values.mean(0)) / math.sqrt(5) for values in (shown, true))
    # The trace of the root of a product of covariances is the nuclear norm of the product of the centred features.
    wanted = (shown.mean(0) - true.mean(0)).square().sum() + a.square().sum() + b.square().sum()
    wanted = wanted - 2 * torch.linalg.svdvals(a @ b.T).sum()
    assert fid.result() == pytest.approx(float(wanted), rel=1e-3)
    kernel = (torch.cat([shown, true]) @ torch.cat([shown, true]).T / 2048 + 1) ** 3
    within = sum((part.sum() - part.trace()) / 30 for part in (kernel[:6, :6], kernel[6:, 6:]))
    assert kid.result() == pytest.approx(float(within - 2 * kernel[:6, 6:].mean()), rel=1e-3)
    assert note_of(fid) == "fid over 6 images: below 1,000 its bias is larger than most differences"


@pytest.mark.slow
@pytest.mark.usefixtures("inception")
def test_kid_of_many_images_is_drawn_alike_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srzoo.metrics.inception._SUBSET_SIZE", 3)
    kid = get_metric("kid").start("cpu")
    with pytest.raises(UsageError, match="kid is a distance of sets: it needs at least 2 images, got 0"):
        kid.result()
    for pair in PAIRS.values():
        kid.add(bicubic(pair)[:64, :64], pair.hr[:64, :64])
    state = torch.get_rng_state()
    first = kid.result()
    torch.manual_seed(1234)
    assert kid.result() == first
    torch.set_rng_state(state)


# Samples


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
