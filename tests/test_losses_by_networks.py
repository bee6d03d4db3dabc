"""Losses of images by networks of the true form, with made-up weights, against independent formulas."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from enlarged import photos
from parts import make
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import alexnet, squeezenet1_0, squeezenet1_1, vgg16, vgg19

from srzoo.errors import FetchError, MissingLibraryError, OptionError
from srzoo.features import SqueezeFeatures, VGGFeatures
from srzoo.fetch import ALEXNET, SQUEEZENET_1_1, SQUEEZENET_TORCHVISION, VGG16, VGG19, PinnedFile
from srzoo.library import hub_of
from srzoo.testing import check_part

Put = Callable[[str, PinnedFile, dict[str, Tensor]], None]
"""The fixture ``weights``."""


def features_only(build: Callable[..., Any]) -> dict[str, Tensor]:
    """A made-up state of a classifier of torchvision's; layers behind the features take no room in the file."""
    with torch.device("meta"):
        network = build(weights=None)
    features = network.features.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(5)
    for parameter in features.parameters():
        spread = (2 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.05
        nn.init.normal_(parameter, 0, spread, generator=generator)
    rest = {name: torch.zeros(1).expand(each.shape) for name, each in network.state_dict().items()}
    return {**rest, **{f"features.{name}": each for name, each in features.state_dict().items()}}


def through(features: nn.Module, image: Tensor, indices: tuple[int, ...]) -> list[Tensor]:
    """Outputs of some layers, none of which writes over another's."""
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x, maps = (image - mean) / deviation, {}
    for index, layer in enumerate(features.children()):
        x = layer(x.clone())
        maps[index] = x
    return [maps[index] for index in indices]


def test_the_perceptual_loss_by_vgg19_is_the_formula(weights: Put) -> None:
    state = features_only(vgg19)
    weights("srzoo.features.VGG19", VGG19, state)
    with torch.device("meta"):
        features = vgg19(weights=None).features
    features.load_state_dict({k.removeprefix("features."): v for k, v in state.items() if "features" in k}, assign=True)
    sr, hr, lr = photos()
    # Where they are in torchvision's list, which has a pooling behind each block.
    taps = {"conv1_2": 2, "relu3_4": 17, "conv5_4": 34}
    with torch.no_grad():
        maps = zip(*(through(features, each, tuple(taps.values())) for each in (sr, hr)), strict=True)
        wanted = [F.l1_loss(first, second).item() for first, second in maps]
    found = make("loss", "perceptual", 4, network="vgg19")(sr, hr, lr).item()
    assert found == pytest.approx(wanted[2], rel=1e-5) and found > 0
    several = make("loss", "perceptual", 4, network="vgg19", taps=list(taps))
    assert several(sr, hr, lr).item() == pytest.approx(np.mean(wanted), rel=1e-5)
    assert several.min_size == 16 and several(hr, hr, lr) == 0
    first = make("loss", "perceptual", 4, network="vgg19", taps=["conv1_2"])
    assert first.min_size == 1 and len(first.features.features) == 3


def test_maps_of_the_perceptual_loss_can_be_chosen(weights: Put) -> None:
    weights("srzoo.features.SQUEEZENET_TORCHVISION", SQUEEZENET_TORCHVISION, features_only(squeezenet1_0))
    sr, hr, lr = photos()
    usual = ["relu1", "fire3", "fire5", "fire7"]
    alone = [make("loss", "perceptual", 4, taps=[name])(sr, hr, lr).item() for name in usual]
    assert make("loss", "perceptual", 4)(sr, hr, lr).item() == pytest.approx(np.mean(alone), rel=1e-5)
    some = make("loss", "perceptual", 4, taps=["fire7", "relu1", "fire7"])(sr, hr, lr).item()
    assert some == pytest.approx((alone[0] + alone[3]) / 2, rel=1e-5)
    others = make("loss", "perceptual", 4, taps=["fire2", "fire9"])
    assert others(sr, hr, lr) > 0 and others.min_size == 21
    with pytest.raises(OptionError, match=r"has no map 'fire1' \(did you mean 'fire.'\?\): its maps are relu1, fire2"):
        make("loss", "perceptual", 4, taps=["fire1"])
    with pytest.raises(OptionError, match="SqueezeFeatures has no map 'conv5_4'"):
        make("loss", "perceptual", 4, taps=["conv5_4"])


def test_the_energy_score_of_features_is_the_formula(weights: Put) -> None:
    weights("srzoo.features.SQUEEZENET_TORCHVISION", SQUEEZENET_TORCHVISION, features_only(squeezenet1_0))
    sr, hr, lr = photos()
    other = sr.flip(0)
    taps = ["relu1", "fire2"]
    distance = make("loss", "perceptual", 4, taps=taps, comparison="absolute")
    errors = distance(sr, hr, lr).item() + distance(other, hr, lr).item()
    apart = distance(sr, other, lr).item()
    for spread in (0.0, 0.4, 1.0):
        loss = make("loss", "energy", 4, taps=taps, spread=spread)
        assert loss(sr, other, hr, lr).item() == pytest.approx((errors - spread * apart) / 2, rel=1e-5)
        assert loss.min_size == distance.min_size == 9


def test_features_are_compared_at_unit_length_or_as_they_are(weights: Put) -> None:
    weights("srzoo.features.SQUEEZENET_TORCHVISION", SQUEEZENET_TORCHVISION, features_only(squeezenet1_0))
    weights("srzoo.features.VGG19", VGG19, features_only(vgg19))
    sr, hr, lr = photos()

    def loss(network: str, tap: str, comparison: str) -> tuple[float, list[Tensor]]:
        made = make("loss", "perceptual", 4, network=network, taps=[tap], comparison=comparison)
        layers = nn.Sequential(*made.features.features)
        with torch.no_grad():
            maps = [through(layers, each, (len(layers) - 1,))[0] for each in (sr, hr)]
        return made(sr, hr, lr).item(), maps

    def unit(maps: list[Tensor]) -> float:
        first, second = (each / each.norm(dim=1, keepdim=True) for each in maps)
        return (first - second).square().sum(dim=1).mean().item()

    for network, tap, usually in (("squeezenet", "fire2", 75), ("vgg19", "conv2_1", 1)):
        found, maps = loss(network, tap, "absolute")
        assert found == pytest.approx(F.l1_loss(*maps).item() / usually, rel=1e-5) and found > 0
        found, maps = loss(network, tap, "unit")
        assert found == pytest.approx(unit(maps), rel=1e-5)


@pytest.mark.parametrize(
    ("network", "name", "pinned", "build"),
    [
        (SqueezeFeatures, "SQUEEZENET_TORCHVISION", SQUEEZENET_TORCHVISION, squeezenet1_0),
        (VGGFeatures, "VGG19", VGG19, vgg19),
    ],
)
def test_the_smallest_size_of_every_map_is_exact(
    network: Any, name: str, pinned: PinnedFile, build: Callable[..., Any], weights: Put
) -> None:
    weights(f"srzoo.features.{name}", pinned, features_only(build))
    whole = network(tuple(network.TAPS)).to("meta")
    assert whole.min_size == max(smallest for _, smallest, _ in network.TAPS.values())
    for layer, smallest, _ in network.TAPS.values():
        features = whole.features[: layer + 1]
        assert features(torch.empty(1, 3, smallest, smallest, device="meta")).numel()
        if smallest > 1:
            with pytest.raises(RuntimeError, match=r"too small|greater than"):
                features(torch.empty(1, 3, smallest - 1, smallest, device="meta"))


@pytest.mark.parametrize(
    ("network", "pinned", "build"),
    [
        ("alex", ALEXNET, alexnet),
        ("squeeze", SQUEEZENET_1_1, squeezenet1_1),
        pytest.param("vgg", VGG16, vgg16, marks=pytest.mark.slow),
    ],
)
def test_lpips_is_torchmetrics(network: str, pinned: PinnedFile, build: Callable[..., Any], weights: Put) -> None:
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as theirs

    from srzoo import features

    name = {"alex": "ALEXNET", "squeeze": "SQUEEZENET_1_1", "vgg": "VGG16"}[network]
    weights(f"srzoo.features.{name}", pinned, features_only(build))
    sr, hr, lr = photos()
    before = torch.get_rng_state()
    loss = make("loss", "lpips", 4, network=network)
    assert torch.equal(torch.get_rng_state(), before)
    with hub_of(getattr(features, name)):
        wanted = theirs(sr, hr, net_type=network, normalize=True)
    assert loss(sr, hr, lr).item() == pytest.approx(wanted.item(), rel=1e-5) and wanted > 0
    least = torch.rand(1, 3, loss.min_size, loss.min_size)
    assert loss(least, 1 - least, lr).isfinite()
    with pytest.raises(RuntimeError):
        loss(least[..., 1:, :], least[..., 1:, :], lr)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(sr, hr, lr).item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.train()
    assert loss(sr, hr, lr).item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "where", "pinned", "build"),
    [
        ("perceptual", {}, "SQUEEZENET_TORCHVISION", SQUEEZENET_TORCHVISION, squeezenet1_0),
        pytest.param(
            "lpips", {"network": "squeeze"}, "SQUEEZENET_1_1", SQUEEZENET_1_1, squeezenet1_1, marks=pytest.mark.slow
        ),
        pytest.param("lpips", {"network": "alex"}, "ALEXNET", ALEXNET, alexnet, marks=pytest.mark.slow),
        pytest.param("perceptual", {"network": "vgg19"}, "VGG19", VGG19, vgg19, marks=pytest.mark.slow),
    ],
)
def test_losses_by_networks_keep_what_losses_promise(
    name: str, options: dict[str, str], where: str, pinned: PinnedFile, build: Callable[..., Any], weights: Put
) -> None:
    weights(f"srzoo.features.{where}", pinned, features_only(build))
    report = check_part("loss", name, options=options)
    assert {each.state for each in report.outcomes} == {"passed"}, str(report)


@pytest.mark.parametrize(
    ("name", "options", "file"),
    [
        ("perceptual", {}, "squeezenet1_0-b66bff10.pth"),
        ("perceptual", {"network": "vgg19"}, "vgg19-dcbb9e9d.pth"),
        ("lpips", {}, "vgg16-397923af.pth"),
        ("lpips", {"network": "squeeze"}, "squeezenet1_1-b8a52dc0.pth"),
    ],
)
def test_missing_weights_are_named_when_the_loss_is_made(
    name: str, options: dict[str, str], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SRZOO_WEIGHTS", "SRZOO_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    with pytest.raises(FetchError, match=file) as caught:
        make("loss", name, 4, **options)
    assert "\n" not in str(caught.value)


def test_a_file_with_other_bytes_than_vgg19s_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    torch.save(features_only(vgg19), tmp_path / VGG19.name)
    with pytest.raises(FetchError, match="is not torchvision's VGG-19"):
        make("loss", "perceptual", 4, network="vgg19")


def test_lpips_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image.lpips", None)
    with pytest.raises(MissingLibraryError, match=r'^loss lpips needs torchmetrics.*pip install "srzoo\[metrics\]"$'):
        make("loss", "lpips", 4)
