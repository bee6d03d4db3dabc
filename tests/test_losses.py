"""Losses against independent formulas, on one process and on two."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shares
import torch
from parts import make, own
from shares import gaussians, logits
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F
from torchvision.models import alexnet, squeezenet1_0, squeezenet1_1, vgg16, vgg19

from srzoo.contracts import AdversarialLoss, Gaussian, ImageLoss, LatentLoss
from srzoo.data.pairs import sample_pairs
from srzoo.errors import FetchError, MissingLibraryError, OptionError
from srzoo.features import SqueezeFeatures, VGGFeatures
from srzoo.fetch import ALEXNET, SQUEEZENET_1_1, SQUEEZENET_TORCHVISION, VGG16, VGG19, PinnedFile
from srzoo.library import hub_of
from srzoo.metrics.ssim import ssim
from srzoo.resize import imresize
from srzoo.testing import check_part

Put = Callable[[str, PinnedFile, dict[str, Tensor]], None]
"""The fixture ``weights``."""


def photos(height: int = 40, width: int = 48) -> tuple[Tensor, Tensor, Tensor]:
    """Two crops of photos: SR by bicubic, HR and LR."""
    chosen = sample_pairs(4)[:2]
    hr = [pair.hr[80 : 80 + height, 100 : 100 + width] for pair in chosen]
    lr = [imresize(each, scale=0.25) for each in hr]
    sr = [imresize(each, scale=4) for each in lr]
    return tuple(torch.from_numpy(np.stack(each) / 255).float().permute(0, 3, 1, 2) for each in (sr, hr, lr))  # type: ignore[return-value]


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


def test_every_loss_extends_the_base_class_of_one_side() -> None:
    bases = {name: type(make("loss", name, 4)).__bases__ for name in own("loss") if name not in ("perceptual", "lpips")}
    for base, names in {
        ImageLoss: {"l1", "charbonnier", "mse", "frequency", "ssim", "consistency"},
        AdversarialLoss: {"bce", "hinge", "relativistic", "least-squares"},
        LatentLoss: {"kl"},
    }.items():
        assert {name for name, found in bases.items() if found == (base,)} == names


# Of images


def test_errors_of_pixels_are_torchs() -> None:
    sr, hr, lr = photos()
    assert make("loss", "l1", 4)(sr, hr, lr).equal(F.l1_loss(sr, hr))
    assert make("loss", "mse", 4)(sr, hr, lr).item() == pytest.approx(F.mse_loss(sr, hr).item(), rel=1e-6)
    wanted = np.mean(np.hypot((sr - hr).double().numpy(), 0.02))
    assert make("loss", "charbonnier", 4, eps=0.02)(sr, hr, lr).item() == pytest.approx(wanted, rel=1e-5)


def test_the_frequency_loss_is_the_formula_and_charges_noise_as_pixels_do() -> None:
    sr, hr, lr = photos(44, 60)
    loss = make("loss", "frequency", 4)
    first, second = (np.fft.fft2(each.double().numpy()) / np.sqrt(44 * 60) for each in (sr, hr))
    wanted = 0.5 * (np.abs((first - second).real).mean() + np.abs((first - second).imag).mean())
    assert loss(sr, hr, lr).item() == pytest.approx(wanted, rel=1e-5)
    for side in (32, 128):
        noise = 0.1 * torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(side))
        # Half the power is in each part: the mean of |N(0, s^2 / 2)|.
        assert loss(noise, torch.zeros_like(noise), lr).item() == pytest.approx(0.1 / np.pi**0.5, rel=0.02)


def test_the_ssim_loss_is_one_less_torchmetrics_and_our_own() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure as theirs

    sr, hr, lr = photos()
    loss = make("loss", "ssim", 4)

    def inside(image: Tensor) -> Tensor:
        """torchmetrics mirrors the border, and counts it; in single precision it is off by some 1e-4."""
        _, full = theirs(image.double(), hr.double(), data_range=1.0, return_full_image=True)
        return 1 - full[..., 5:-5, 5:-5].mean()

    assert loss(sr, hr, lr).item() == pytest.approx(inside(sr).item(), rel=1e-4)
    planes = zip(sr.flatten(0, 1).double().numpy(), hr.flatten(0, 1).double().numpy(), strict=True)
    wanted = 1 - np.mean([ssim(first, second, data_range=1.0) for first, second in planes])
    assert loss(sr, hr, lr).item() == pytest.approx(wanted, rel=1e-4)

    ours, reference = (sr.clone().requires_grad_() for _ in range(2))
    loss(ours, hr, lr).backward()
    inside(reference).backward()
    assert ours.grad is not None and reference.grad is not None
    torch.testing.assert_close(ours.grad, reference.grad, rtol=1e-3, atol=1e-6)


def test_the_ssim_loss_is_exact_where_images_are_almost_equal() -> None:
    _, hr, lr = photos()
    near = hr + 1e-4 * torch.randn(hr.shape, generator=torch.Generator().manual_seed(0))
    planes = zip(near.flatten(0, 1).double().numpy(), hr.flatten(0, 1).double().numpy(), strict=True)
    wanted = 1 - np.mean([ssim(first, second, data_range=1.0) for first, second in planes])
    assert 0 < wanted < 1e-4
    assert make("loss", "ssim", 4)(near, hr, lr).item() == pytest.approx(wanted, rel=1e-3)
    assert make("loss", "ssim", 4)(hr, hr, lr) == 0


def test_consistency_is_the_error_of_lr() -> None:
    sr, hr, lr = photos()
    small = np.stack([imresize(each, scale=0.25) for each in sr.permute(0, 2, 3, 1).double().numpy()])
    wanted = np.abs(small - lr.permute(0, 2, 3, 1).double().numpy()).mean()
    assert make("loss", "consistency", 4)(sr, hr, lr).item() == pytest.approx(wanted, rel=1e-5)
    assert make("loss", "consistency", 4)(sr, 1 - hr, lr).equal(make("loss", "consistency", 4)(sr, hr, lr))


# Of images, by networks


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


# Of logits


def over_maps(cost: Callable[..., Any], *sides: tuple[Tensor, ...]) -> float:
    """Mean of a cost over maps, in double precision."""
    return float(np.mean([cost(*(each.double() for each in maps)).mean().item() for maps in zip(*sides, strict=True)]))


def test_cross_entropy_is_torchs() -> None:
    real, fake, loss = logits(1), logits(2), make("loss", "bce", 4)

    def called(side: tuple[Tensor, ...], label: float) -> float:
        return over_maps(lambda x: F.binary_cross_entropy_with_logits(x, torch.full_like(x, label)), side)

    assert loss.discriminator(real, fake).item() == pytest.approx(called(real, 1) + called(fake, 0), rel=1e-6)
    assert loss.generator((), fake).item() == pytest.approx(called(fake, 1), rel=1e-6)


def test_least_squares_are_torchs_with_labels_of_both_signs() -> None:
    real, fake, loss = logits(1), logits(2), make("loss", "least-squares", 4)

    def called(side: tuple[Tensor, ...], label: float) -> float:
        return over_maps(lambda x: 0.5 * F.mse_loss(x, torch.full_like(x, label)), side)

    assert loss.discriminator(real, fake).item() == pytest.approx(called(real, 1) + called(fake, -1), rel=1e-6)
    assert loss.generator((), fake).item() == pytest.approx(called(fake, 1), rel=1e-6)


def test_hinge_is_the_margin_loss_of_torch() -> None:
    real, fake, loss = logits(1), logits(2), make("loss", "hinge", 4)

    def beyond(side: tuple[Tensor, ...], label: float) -> float:
        return over_maps(lambda x: F.margin_ranking_loss(x, 0 * x, torch.full_like(x, label), margin=1), side)

    assert loss.discriminator(real, fake).item() == pytest.approx(beyond(real, 1) + beyond(fake, -1), rel=1e-6)
    assert loss.generator((), fake).item() == pytest.approx(-over_maps(lambda x: x, fake), rel=1e-5)


def test_the_relativistic_loss_is_the_papers_formula() -> None:
    real, fake, loss = logits(1), logits(2), make("loss", "relativistic", 4)

    def more_real(x: Tensor, y: Tensor) -> Tensor:
        return torch.sigmoid(x - y.mean())

    def discriminator(r: Tensor, f: Tensor) -> Tensor:
        return -more_real(r, f).log().mean() - (1 - more_real(f, r)).log().mean()

    def generator(r: Tensor, f: Tensor) -> Tensor:
        return -(1 - more_real(r, f)).log().mean() - more_real(f, r).log().mean()

    assert loss.discriminator(real, fake).item() == pytest.approx(over_maps(discriminator, real, fake), rel=1e-6)
    assert loss.generator(real, fake).item() == pytest.approx(over_maps(generator, real, fake), rel=1e-6)
    assert loss.needs_real

    paired = make("loss", "relativistic", 4, paired=True)
    wanted = over_maps(lambda r, f: -torch.sigmoid(r - f).log().mean(), real, fake)
    assert paired.discriminator(real, fake).item() == pytest.approx(wanted, rel=1e-6)
    wanted = over_maps(lambda r, f: -torch.sigmoid(f - r).log().mean(), real, fake)
    assert paired.generator(real, fake).item() == pytest.approx(wanted, rel=1e-6)


# Of latents


def test_accuracy_is_that_of_what_the_loss_compares() -> None:
    real, fake = (torch.tensor([[1.0], [3.0]]),), (torch.tensor([[2.0], [2.5]]),)
    for name, options, right in (
        ("hinge", {}, (1.0, 0.0)),
        ("relativistic", {}, (0.5, 0.0)),
        ("relativistic", {"paired": True}, (0.5, 0.5)),
    ):
        found = make("loss", name, 4, **options).accuracy(real, fake)
        assert tuple(each.item() for each in found) == right, name


def nats(prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...]) -> list[Tensor]:
    """The divergence of each unit, by torch."""
    both = [
        [Normal(each.mean.double(), (0.5 * each.log_variance.double()).exp()) for each in side]
        for side in (posterior, prior)
    ]
    return [kl_divergence(q, p) for q, p in zip(*both, strict=True)]


def test_kl_is_torchs_mean_over_units() -> None:
    prior, posterior = gaussians(1), gaussians(2)
    wanted = torch.cat([each.flatten() for each in nats(prior, posterior)]).mean()
    assert make("loss", "kl", 4)(prior, posterior, 0).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert make("loss", "kl", 4)(prior, prior, 0).item() == pytest.approx(0, abs=1e-6)
    assert make("loss", "kl", 4)((), (), 0) == 0


def test_the_weight_of_kl_climbs() -> None:
    prior, posterior = gaussians(1), gaussians(2)
    loss = make("loss", "kl", 4, warm_up=20)
    whole = make("loss", "kl", 4)(prior, posterior, 0).item()
    for step, share in ((0, 0.0), (1, 0.05), (10, 0.5), (20, 1.0), (500, 1.0)):
        assert loss(prior, posterior, step).item() == pytest.approx(share * whole, rel=1e-6)


def test_free_bits_are_free_in_each_channel() -> None:
    prior, posterior = gaussians(1), gaussians(2)
    channels = [each.mean((0, 2, 3)) for each in nats(prior, posterior)]
    free = torch.cat(channels).median().item()
    sizes = [each.mean.numel() for each in prior]
    kept = [each.clamp(min=free).mean() * size for each, size in zip(channels, sizes, strict=True)]
    learning = [each.requires_grad_() for distribution in posterior for each in distribution]
    loss = make("loss", "kl", 4, free_bits=free)(prior, posterior, 0)
    assert loss.item() == pytest.approx(float(sum(kept)) / sum(sizes), rel=1e-5)
    loss.backward()
    moved = torch.cat([each.grad.abs().sum((0, 2, 3)) > 0 for each in learning[::2] if each.grad is not None])
    assert moved.tolist() == [each > free for each in torch.cat(channels).tolist()] and 0 < moved.sum() < len(moved)


@pytest.mark.parametrize("balance", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_balance_shares_the_gradient_and_keeps_the_value(balance: float) -> None:
    def taught(**options: float) -> tuple[Tensor, list[list[Tensor]]]:
        sides = gaussians(1), gaussians(2)
        tensors = [[each.requires_grad_() for distribution in side for each in distribution] for side in sides]
        loss = make("loss", "kl", 4, **options)(*sides, 0)
        loss.backward()
        return loss, [[each.grad for each in side if each.grad is not None] for side in tensors]

    plain, (prior, posterior) = taught()
    loss, (its_prior, its_posterior) = taught(balance=balance)
    assert loss.equal(plain)
    for share, whole, part in ((balance, prior, its_prior), (1 - balance, posterior, its_posterior)):
        for a, b in zip(whole, part, strict=True):
            torch.testing.assert_close(2 * share * a, b)


# Over processes


def test_two_processes_are_taught_what_one_is(tmp_path: Path) -> None:
    whole = shares.taught_by(slice(None))
    commands = [[sys.executable, shares.__file__, str(tmp_path), rank] for rank in "01"]
    running = [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in commands]
    told = [process.communicate(timeout=300)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in "01"]
    for name, (value, gradients) in whole.items():
        # Processes average their values and their gradients.
        assert sum(half[name][0] for half in halves).item() / 2 == pytest.approx(value.item(), rel=1e-6)
        for index, gradient in enumerate(gradients):
            parts = [half[name][1][index] / 2 for half in halves]
            torch.testing.assert_close(torch.stack(parts, dim=1).flatten(0, 1), gradient, rtol=1e-5, atol=1e-8)
