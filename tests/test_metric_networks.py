"""Metrics by networks against their formulas, with networks of the true form and made-up weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from enlarged import PAIRS, bicubic, gray, unit
from parts import make
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import alexnet, squeezenet1_0, vgg16

from srzoo import features
from srzoo.errors import UsageError
from srzoo.fetch import ALEXNET, INCEPTION, SQUEEZENET, SQUEEZENET_TORCHVISION, VGG16
from srzoo.metrics import get_metric, note_of


def only_features(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's state whose last layers, which nothing here looks at, take no room in the file."""
    return {name: v if name.startswith("features") else torch.zeros(1).expand(v.shape) for name, v in state.items()}


def seeded(network: Callable[..., torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(5)
    return network(weights=None).eval()


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
