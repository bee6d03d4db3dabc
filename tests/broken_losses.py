"""Losses that are each broken in one way."""

from __future__ import annotations

import torch
from sound_parts import Absolute, Apart, Differing, Wasserstein
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import Gaussian, Loss
from srzoo.errors import FetchError


class OnlyLoss(Loss):
    """Neither of images, of logits nor of a latent."""

    def __init__(self, scale: int) -> None:
        super().__init__()


class LacksWeights(Absolute):
    """Says so, on more lines than one."""

    def __init__(self, scale: int) -> None:
        raise FetchError("weights are missing\nsorry")


class PerImage(Absolute):
    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr.float() - hr.float()).abs().mean((1, 2, 3))


class Reward(Absolute):
    """Below zero, the better the lower."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr, hr, lr) - 1


class Saturates(Wasserstein):
    """The logarithm of a sigmoid that has become 0."""

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return -torch.stack([each.float().sigmoid().log().mean() for each in fake]).mean()


class DividesBySteps(Apart):
    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        return super().forward(prior, posterior, step) / torch.tensor(step)


class WantsChange(Absolute):
    """Least where SR is one tenth brighter than HR."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr, hr + 0.1, lr)


class PrefersFirst(Differing):
    """Lets the second sample pay for both."""

    def forward(self, first: Tensor, second: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(first.detach(), second, hr, lr) + (second.float() - hr.float()).abs().mean()


class RewardsAll(Differing):
    """Pays more for a difference than the errors that it takes."""

    def forward(self, first: Tensor, second: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(first, second, hr, lr) - (first.float() - second.float()).abs().mean()


class NeedsWindow(Absolute):
    """Looks through a window of 16 pixels, which it does not declare."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return F.avg_pool2d(sr.float() - hr.float(), 16, 1).abs().mean()


class Centres(Absolute):
    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr.sub_(0.1), hr - 0.1, lr)


class GrowsTired(Absolute):
    calls = 1

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(sr, hr, lr) / self.calls


class NotWarmYet(Apart):
    """Climbs for ten steps, and has a GPU repeat the first."""

    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        return super().forward(prior, posterior, step) * min(1.0, step / 10)

    def steady(self, step: int) -> bool:
        return True


class Adds(Absolute):
    """Over images, where it should average."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr, hr, lr) * len(sr)


class RootOfAll(Absolute):
    """The square root of a mean over the batch, which equal shares of it cannot be averaged to."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr.float() - hr.float()).square().mean().sqrt()


class AddsNats(Apart):
    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        return super().forward(prior, posterior, step) * len(prior[0].mean)


class TwoFriends(Wasserstein):
    """The discriminator helps the generator."""

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return -super().discriminator(real, fake)


class LooksAway(Wasserstein):
    needs_real = True


class Backwards(Wasserstein):
    """Takes real images for generated ones when it counts."""

    def accuracy(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return super().accuracy(fake, real)


class Cut(Absolute):
    """Lets nothing through to SR."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr.detach(), hr, lr)


class OnlyFake(Wasserstein):
    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return super().discriminator(tuple(each.detach() for each in real), fake)


class OnlyMeans(Apart):
    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        means = tuple(Gaussian(each.mean, each.log_variance.detach()) for each in posterior)
        return super().forward(prior, means, step)


class SteepAtZero(Absolute):
    """A root whose slope has no end where SR is HR in one pixel."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        difference = sr.float() - hr.float()
        return (difference * (difference > 0)).sqrt().mean()


class Learns(Absolute):
    def __init__(self, scale: int) -> None:
        super().__init__(scale)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr, hr, lr) * self.weight


class Flattens(Absolute):
    """Takes for granted that an image lies in memory as one piece."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return super().forward(sr.view(len(sr), -1), hr.view(len(hr), -1), lr)


class CountsSteps(Absolute):
    """For a schedule to come."""

    steps = 0

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        self.steps += 1
        return super().forward(sr, hr, lr)


class Coarse(Absolute):
    """Averages in whatever precision it is given."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr - hr).abs().mean()


class DrawsWeights(Absolute):
    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        torch.rand(3)
        return super().forward(sr, hr, lr)


BROKEN: list[tuple[str, type, str]] = [
    ("loss", OnlyLoss, "default_constructible"),
    ("loss", LacksWeights, "default_constructible"),
    ("loss", PerImage, "scalars"),
    ("loss", Reward, "scalars"),
    ("loss", Saturates, "scalars"),
    ("loss", DividesBySteps, "scalars"),
    ("loss", RewardsAll, "scalars"),
    ("loss", WantsChange, "least"),
    ("loss", PrefersFirst, "exchange"),
    ("loss", NeedsWindow, "sizes"),
    ("loss", Centres, "inputs_untouched"),
    ("loss", GrowsTired, "deterministic"),
    ("loss", NotWarmYet, "steady"),
    ("loss", Adds, "batch"),
    ("loss", RootOfAll, "batch"),
    ("loss", AddsNats, "batch"),
    ("loss", TwoFriends, "opponents"),
    ("loss", LooksAway, "opponents"),
    ("loss", Backwards, "opponents"),
    ("loss", Cut, "gradients"),
    ("loss", OnlyFake, "gradients"),
    ("loss", OnlyMeans, "gradients"),
    ("loss", SteepAtZero, "gradients"),
    ("loss", Learns, "gradients"),
    ("loss", CountsSteps, "counters"),
    ("loss", Flattens, "channels_last"),
    ("loss", Coarse, "bfloat16"),
    ("loss", DrawsWeights, "chance"),
]
"""A part that is broken in one way, and the check that is to find it before any other does."""
