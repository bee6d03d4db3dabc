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
from enlarged import photos
from parts import make, own
from shares import gaussians, logits
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from srzoo.contracts import AdversarialLoss, Gaussian, ImageLoss, LatentLoss
from srzoo.errors import OptionError
from srzoo.metrics.ssim import ssim
from srzoo.resize import imresize


def test_every_loss_extends_the_base_class_of_one_side() -> None:
    networks = ("perceptual", "lpips", "energy")
    bases = {name: type(make("loss", name, 4)).__bases__ for name in own("loss") if name not in networks}
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


def test_the_energy_score_of_pixels_is_the_formula_and_asks_for_the_spread_of_the_truth() -> None:
    sr, hr, lr = photos()
    other = sr.flip(0)
    loss = make("loss", "energy", 4, network="pixels", spread=0.4)
    errors = [F.l1_loss(each, hr).item() for each in (sr, other)]
    assert loss(sr, other, hr, lr).item() == pytest.approx(np.mean(errors) - 0.2 * F.l1_loss(sr, other).item())
    assert loss(sr, sr, hr, lr).item() == pytest.approx(errors[0])

    generator = torch.Generator().manual_seed(0)
    truth, first, second = (torch.randn(1, 3, 300, 300, generator=generator) for _ in range(3))

    def cheapest(spread: float) -> float:
        score = make("loss", "energy", 4, network="pixels", spread=spread)
        costs = {wide / 10: score(first * wide / 10, second * wide / 10, truth, lr).item() for wide in range(0, 21)}
        return min(costs, key=costs.__getitem__)

    assert cheapest(1.0) == pytest.approx(1.0, abs=0.1) and cheapest(0.0) == 0
    assert 0 < cheapest(0.8) < 0.9
    with pytest.raises(OptionError, match="pixels have no maps"):
        make("loss", "energy", 4, network="pixels", taps=["relu1"])


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


def test_accuracy_is_that_of_what_the_loss_compares() -> None:
    real, fake = (torch.tensor([[1.0], [3.0]]),), (torch.tensor([[2.0], [2.5]]),)
    for name, options, right in (
        ("hinge", {}, (1.0, 0.0)),
        ("relativistic", {}, (0.5, 0.0)),
        ("relativistic", {"paired": True}, (0.5, 0.5)),
    ):
        found = make("loss", name, 4, **options).accuracy(real, fake)
        assert tuple(each.item() for each in found) == right, name


# Of latents


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


@pytest.mark.parametrize("balance", [0.5, 0.8, 1.0])
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


def test_balance_draws_the_prior_of_which_the_posterior_is_a_shift() -> None:
    def pulls(balance: float) -> tuple[float, float]:
        mean, shift = torch.zeros(1, 1, 1, 1, requires_grad=True), torch.ones(1, 1, 1, 1, requires_grad=True)
        level = torch.zeros(1, 1, 1, 1)
        prior, posterior = Gaussian(mean, level), Gaussian(mean + shift, level)
        make("loss", "kl", 4, balance=balance)((prior,), (posterior,), 0).backward()
        assert mean.grad is not None and shift.grad is not None
        return mean.grad.item(), shift.grad.item()

    assert pulls(0.5) == pytest.approx((0, 1)) and pulls(0.8) == pytest.approx((-1.2, 0.4))
    with pytest.raises(OptionError, match="balance"):
        make("loss", "kl", 4, balance=0.2)


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
