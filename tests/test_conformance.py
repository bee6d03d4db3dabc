"""The conformance kit: srzoo's own parts pass it, and every check catches a part that breaks what it is about."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import (
    AdversarialLoss,
    Decoder,
    Degradation,
    Discriminator,
    Encoder,
    Gaussian,
    ImageLoss,
    Latent,
    LatentLoss,
    LatentOutput,
    Loss,
    PreEncoder,
    Upscaler,
)
from srzoo.dataset import About, Dataset, Picture, Record
from srzoo.errors import AssemblyError, DataError, FetchError, UsageError
from srzoo.images import Image
from srzoo.layers import Ladder, LadderDecoder, PixelShuffle
from srzoo.registry import KINDS, REGISTRY
from srzoo.spec import Spec
from srzoo.testing import CHECKS, check_part, conformance
from srzoo.testing.checks import run
from srzoo.testing.subject import Subject
from srzoo.testing.watch import watched

pytest_plugins = ["pytester"]

SLOW = ("meta", "exports")
"""Checks that load much of torch."""

Width = Annotated[int, Field(ge=1, description="channels")]


# Parts that keep their promises, and one broken in one way for each check.


class Plain(PreEncoder):
    """One convolution."""

    def __init__(self, spec: Spec, *, width: Width = 4) -> None:
        super().__init__()
        self.out_spec = Spec(width, spec.stride)
        self.layer = nn.Conv2d(spec.channels, width, 3, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


class PlainLatent(Latent):
    """A latent with one level of noise and one loss."""

    def __init__(self, spec: Spec, target: Spec) -> None:
        super().__init__()
        self.out_spec = spec
        self.noise_specs = (spec,)
        self.layer = nn.Conv2d(spec.channels, spec.channels, 1)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        mean = self.layer(features)
        z = mean + noise[0] if noise else mean
        return LatentOutput(z, (Gaussian(mean, torch.zeros_like(mean)),), losses=self.losses(mean))

    def losses(self, mean: Tensor) -> dict[str, Tensor]:
        return {"energy": mean.square().mean()}


class Fade(Degradation):
    """Paler by a share that is drawn."""

    def __init__(self, scale: int, *, least: Annotated[float, Field(description="smallest share")] = 0.5) -> None:
        self.least = least

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image * draw.uniform(self.least, 1.0)


class Gray(Picture):
    """A gray image of 8x6 pixels."""

    size = (8, 6)

    def __call__(self) -> Image:
        return Image(np.full((8, 6, 3), 127, np.uint8))


ABOUT = About("Grays", "made up", "public domain", "", "nothing", ("nothing",), {})


class Grays(Dataset):
    """Two gray photos that need no folder."""

    about = ABOUT

    def __init__(self, root: Path) -> None:
        self.root = root

    def records(self, scale: int | None = None) -> list[Record]:
        return [Record(name, "memory", Gray()) for name in ("one", "two")]


class Absolute(ImageLoss):
    """Mean absolute error."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr.float() - hr.float()).abs().mean()


class Wasserstein(AdversarialLoss):
    """Mean logits."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return -torch.stack([each.float().mean() for each in fake]).mean()

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return self.generator((), real) - self.generator((), fake)


class Apart(LatentLoss):
    """Squared distance of means."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        moments = zip(sum(prior, ()), sum(posterior, ()), strict=True)
        return torch.stack([(a.float() - b.float()).square().mean() for a, b in moments]).mean()


class NoPart(nn.Module):
    """Extends nothing of srzoo's."""


class WithoutForward(Encoder):
    """Does not say how."""


class NeedsWidth(Plain):
    def __init__(self, spec: Spec, *, width: Width) -> None:
        super().__init__(spec, width=width)


class SwallowsOptions(Plain):
    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec)


class ListForTuple(Plain):
    """A default that comes back from JSON as something else."""

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[list[int], Field(description="channels")] = (4,),  # type: ignore[assignment]
    ) -> None:
        super().__init__(spec)


class OneTooMany(Plain):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.out_spec = Spec(5)


class NeedsTwo(Plain):
    """Works where height and width are even, which it does not declare."""

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(F.avg_pool2d(self.layer(image), 2), scale_factor=2)


class WritesIntoInput(Plain):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image.sub_(0.5))


class Counts(Plain):
    calls = 0

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(image) + self.calls


class LooksAtNeighbours(Plain):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image - image.mean(0, keepdim=True))


class DeafToNoise(PlainLatent):
    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return super().forward(features, hr)


class LossPerPixel(PlainLatent):
    def losses(self, mean: Tensor) -> dict[str, Tensor]:
        return {"energy": mean.square()}


class LossOfInfinity(PlainLatent):
    def losses(self, mean: Tensor) -> dict[str, Tensor]:
        return {"energy": mean.mean() / 0}


class Unused(Plain):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.spare = nn.Linear(3, 3)


class Detaches(PlainLatent):
    """Trains itself, and nothing before it."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return super().forward(features.detach(), hr, noise)


class NoSuchCodebook(Plain):
    without_gradient = ("codebook",)


class Forgets(Plain):
    """Keeps a drawn tensor where no state sees it."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.shift = torch.rand(1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) + self.shift.to(image.device)


class LeavesTooMuchOut(Plain):
    """Says that only training needs what use needs as well."""

    training_only = ("layer",)


class DrawsGlobally(Plain):
    def forward(self, image: Tensor) -> Tensor:
        np.random.rand()
        return self.layer(image)


class DrawsItsOwnNoise(PlainLatent):
    """Samples in training by itself, and so ignores where a position is."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return super().forward(features, hr, (torch.randn_like(features),) if self.training else noise)


class WritesFiles(Plain):
    def forward(self, image: Tensor) -> Tensor:
        Path("log.txt").write_text("called")
        return self.layer(image)


class SavesPastPython(Plain):
    """Writes by a compiled module, which Python knows nothing of."""

    def forward(self, image: Tensor) -> Tensor:
        save_file({"image": image.contiguous()}, "cache.safetensors")
        return self.layer(image)


class Prints(Plain):
    def forward(self, image: Tensor) -> Tensor:
        print("called")
        return self.layer(image)


class PhonesHome(Plain):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        with suppress(OSError), socket.socket() as line:
            line.connect(("127.0.0.1", 9))


class NeedsRows(Plain):
    """Takes for granted that a row lies in memory as one piece."""

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image.view(image.shape[0], -1).view(image.shape))


class NeedsFloat32(Plain):
    def forward(self, image: Tensor) -> Tensor:
        result = self.layer(image)
        return (
            torch.zeros_like(image[:, :1])
            .repeat(1, 4, 1, 1)
            .index_copy_(1, torch.arange(4, device=image.device), result)
        )


class LooksAtValues(Plain):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) if image.max().item() < 9 else image


class Branches(Plain):
    """Does what its values say, except where there are none."""

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) if image.is_meta or image.max() < 9 else image


class DeepFirst(Encoder):
    """Hands its maps on in the wrong order."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.multiple_of = 2
        self.out_specs = (Spec(spec.channels, spec.stride * 2), spec)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return F.avg_pool2d(features, 2), features


class WrongPosterior(PlainLatent):
    """Its posterior is at another size than its noise."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        result = super().forward(features, hr, noise)
        half = F.avg_pool2d(result.z, 2)
        return result if hr is None else result._replace(posterior=(Gaussian(half, half),))


class HalfWay(Decoder):
    """Enlarges to LR resolution whatever the target."""

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(specs[-1].channels, 3, 1)
        self.factor = int(specs[-1].stride)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return F.interpolate(self.layer(features[-1]), scale_factor=self.factor)


class OneScaleOnly(LadderDecoder):
    """Says that it serves any scale, but has weights for each."""

    any_scale = True

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        last = PixelShuffle
        ladder = Ladder(specs, target, widths=(4,), fine_width=4, upsampler=last, block=lambda w, s: nn.Identity())
        super().__init__(ladder)


class WidthOfScale(HalfWay):
    """Serves any scale, each with weights of its own."""

    any_scale = True

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        super().__init__(specs, target)
        self.scale = float(1 / target.stride)
        self.inner = nn.Conv2d(3, 3, (1, 2 * int(self.scale) + 1), padding=(0, int(self.scale)))

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return F.interpolate(self.inner(super().forward(features)), scale_factor=self.scale)


class WholeStepsOnly(Decoder):
    """Refuses every target there is."""

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        raise AssemblyError("enlarges by 1 only")

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return features[-1]


class NeedsMore(Discriminator):
    """Judges patches of 8 pixels, which it does not declare."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(spec.channels, 1, 8)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.layer(image),)


class TwiceOnly(Upscaler):
    """Enlarges by 2 and says 4."""

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = 4

    def forward(self, lr: Tensor) -> Tensor:
        return F.interpolate(lr, scale_factor=2)


class NeedsFour(Upscaler):
    """Mirrors four pixels, and so needs more of them."""

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = scale or 2

    def forward(self, lr: Tensor) -> Tensor:
        padded = F.pad(lr, (4, 4, 4, 4), mode="reflect")
        return F.interpolate(padded[..., 4:-4, 4:-4], scale_factor=self.scale)


class Halves(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return super().forward(image, draw)[..., ::2, ::2]


class TooBright(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image + draw.uniform()


class FadesInput(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image.mul_(draw.uniform(self.least, 1.0))


class OwnChance(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return super().forward(image, np.random.default_rng())


class DrawsWhereBright(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        draw.uniform(size=int((image > 0.5).sum()))
        return super().forward(image, draw)


class SaysFixed(Fade):
    random = False


class SaysRandom(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image * self.least


class LooksFurther(Fade):
    random = False
    margin = 1

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return F.avg_pool2d(image, 5, 1, 2)


class NoLicence(Grays):
    about = About("Grays", "made up", "", "", "nothing", ("nothing",), {})


class Twins(Grays):
    def records(self, scale: int | None = None) -> list[Record]:
        return [Record("one", "memory", Gray()) for _ in range(2)]


class WrongSize(Grays):
    class Small(Gray):
        size = (4, 3)

    def records(self, scale: int | None = None) -> list[Record]:
        return [Record("one", "memory", self.Small())]


class FailsWithoutWords(Grays):
    def __init__(self, root: Path) -> None:
        if not (root / "photos").is_dir():
            raise DataError("photos are missing")


class PrintsPhotos(Grays):
    def records(self, scale: int | None = None) -> list[Record]:
        print("two photos")
        return super().records(scale)


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


class Coarse(Absolute):
    """Averages in whatever precision it is given."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr - hr).abs().mean()


class DrawsWeights(Absolute):
    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        torch.rand(3)
        return super().forward(sr, hr, lr)


BROKEN: list[tuple[str, type, str]] = [
    ("pre_encoder", NoPart, "imports"),
    ("encoder", WithoutForward, "imports"),
    ("pre_encoder", NeedsWidth, "default_constructible"),
    ("pre_encoder", SwallowsOptions, "options"),
    ("pre_encoder", ListForTuple, "options"),
    ("pre_encoder", OneTooMany, "specs"),
    ("encoder", DeepFirst, "specs"),
    ("latent", WrongPosterior, "specs"),
    ("decoder", HalfWay, "specs"),
    ("decoder", WholeStepsOnly, "default_constructible"),
    ("upscaler", TwiceOnly, "specs"),
    ("pre_encoder", NeedsTwo, "sizes"),
    ("discriminator", NeedsMore, "sizes"),
    ("upscaler", NeedsFour, "sizes"),
    ("decoder", OneScaleOnly, "any_scale"),
    ("decoder", WidthOfScale, "any_scale"),
    ("pre_encoder", WritesIntoInput, "inputs_untouched"),
    ("pre_encoder", Counts, "deterministic"),
    ("pre_encoder", LooksAtNeighbours, "batch_independent"),
    ("latent", DeafToNoise, "noise"),
    ("latent", LossPerPixel, "losses"),
    ("latent", LossOfInfinity, "specs"),
    ("pre_encoder", Unused, "gradients"),
    ("latent", Detaches, "gradients"),
    ("pre_encoder", NoSuchCodebook, "gradients"),
    ("pre_encoder", Forgets, "state"),
    ("pre_encoder", LeavesTooMuchOut, "state"),
    ("pre_encoder", DrawsGlobally, "chance"),
    ("latent", DrawsItsOwnNoise, "chance"),
    ("pre_encoder", WritesFiles, "files"),
    ("pre_encoder", SavesPastPython, "files"),
    ("pre_encoder", Prints, "prints"),
    ("pre_encoder", PhonesHome, "network"),
    ("pre_encoder", NeedsRows, "channels_last"),
    ("pre_encoder", NeedsFloat32, "bfloat16"),
    ("pre_encoder", LooksAtValues, "meta"),
    ("pre_encoder", Branches, "exports"),
    ("degradation", Halves, "shrinks"),
    ("degradation", TooBright, "shrinks"),
    ("degradation", FadesInput, "inputs_untouched"),
    ("degradation", OwnChance, "draws"),
    ("degradation", DrawsWhereBright, "draws"),
    ("degradation", SaysFixed, "random"),
    ("degradation", SaysRandom, "random"),
    ("degradation", LooksFurther, "margin"),
    ("dataset", FailsWithoutWords, "default_constructible"),
    ("dataset", NoLicence, "about"),
    ("dataset", Twins, "records"),
    ("dataset", WrongSize, "records"),
    ("dataset", PrintsPhotos, "prints"),
    ("loss", OnlyLoss, "default_constructible"),
    ("loss", LacksWeights, "default_constructible"),
    ("loss", PerImage, "scalars"),
    ("loss", Reward, "scalars"),
    ("loss", Saturates, "scalars"),
    ("loss", DividesBySteps, "scalars"),
    ("loss", WantsChange, "least"),
    ("loss", NeedsWindow, "sizes"),
    ("loss", Centres, "inputs_untouched"),
    ("loss", GrowsTired, "deterministic"),
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
    ("loss", Flattens, "channels_last"),
    ("loss", Coarse, "bfloat16"),
    ("loss", DrawsWeights, "chance"),
]
"""A part that is broken in one way, and the check that is to find it before any other does."""


@pytest.mark.parametrize(
    ("kind", "part", "check"),
    [
        pytest.param(*row, id=f"{row[1].__name__}-{row[2]}", marks=[pytest.mark.slow] if row[2] in SLOW else [])
        for row in BROKEN
    ],
)
def test_what_is_broken_is_found_and_named_first(
    kind: str, part: type, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = next(outcome for outcome in run(Subject(kind, part), {}) if outcome.state == "failed")
    assert first.check == check, first.reason
    assert first.reason and "\n" not in first.reason


def test_every_check_has_a_part_that_it_catches() -> None:
    def family(kind: str) -> str:
        return kind if kind in ("dataset", "degradation", "loss") else "network"

    everywhere = {check.name for check in CHECKS["dataset"]} & {check.name for check in CHECKS["degradation"]}
    caught = {(family(kind), check) for kind, _, check in BROKEN}
    assert everywhere <= {check for _, check in caught}
    wanted = {(family(kind), check.name) for kind in CHECKS for check in CHECKS[kind] if check.name not in everywhere}
    assert wanted <= caught


WHOLE = [
    ("pre_encoder", Plain),
    ("latent", PlainLatent),
    ("degradation", Fade),
    ("dataset", Grays),
    ("loss", Absolute),
    ("loss", Wasserstein),
    ("loss", Apart),
]


@pytest.mark.parametrize(("kind", "part"), WHOLE)
def test_what_is_whole_passes(kind: str, part: type) -> None:
    assert quick(kind, part) == []


def quick(kind: str, part: str | type) -> list[str]:
    """What the quick checks find, one line each."""
    subject = Subject(kind, part)
    found = [(check.name, check.reason(subject)) for check in CHECKS[subject.kind.name] if check.name not in SLOW]
    return [f"{name}: {reason}" for name, reason in found if reason]


# srzoo's own parts.

OWN = [(kind, ref.name) for kind in KINDS for ref in REGISTRY.parts(kind) if ref.distribution == "srzoo"]

FEW = [
    ("pre_encoder", "conv"),
    ("encoder", "strided"),
    ("latent", "conditional"),
    ("decoder", "shuffle"),
    ("decoder", "implicit"),
    ("discriminator", "unet"),
    ("upscaler", "bicubic"),
    ("degradation", "jpeg"),
    ("dataset", "sample"),
    ("loss", "charbonnier"),
    ("loss", "relativistic"),
    ("loss", "kl"),
]
"""One part of each kind or more, for the default run."""


@pytest.mark.parametrize(("kind", "name"), FEW)
def test_a_part_of_each_kind_passes_the_quick_checks(kind: str, name: str) -> None:
    assert quick(kind, name) == []


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), OWN)
def test_own_parts_pass_with_no_exceptions(kind: str, name: str) -> None:
    report = check_part(kind, f"srzoo:{name}")
    assert not report.failed, str(report)
    lacking = {outcome.reason for outcome in report.outcomes if outcome.state == "not run"}
    assert all(kind == "loss" and "is not at hand" in reason for reason in lacking)
    assert {outcome.state for outcome in report.outcomes} <= {"passed", "not run"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_checks(kind: str) -> None:
    assert CHECKS[kind][0].name == "imports" and all(check.what.endswith(".") for check in CHECKS[kind])


# How it is used.


def test_a_report_says_how_many_checks_ran() -> None:
    whole = check_part("dataset", Grays)
    assert not whole.failed and str(whole) == "dataset Grays: 9 checks ran, 9 passed"
    broken = check_part("dataset", NoPart)
    assert str(broken).splitlines()[0] == "imports: failed: is not a subclass of srzoo.dataset.Dataset"
    assert str(broken).splitlines()[-1] == "dataset NoPart: 1 check ran, 1 failed, 8 not run"


def test_expected_failures_have_reasons_and_must_fail() -> None:
    expected = {"records": "they are twins", "about": "nobody knows"}
    states = {each.check: each for each in check_part("dataset", Twins, expected=expected).outcomes}
    assert (states["records"].state, states["records"].reason) == ("expected", "they are twins")
    assert states["about"].state == "failed"
    assert states["about"].reason == "passes, but was expected to fail (nobody knows): expect it no longer"
    with pytest.raises(UsageError, match=r"datasets have no check 'record' \(did you mean 'records'\?\)"):
        check_part("dataset", Twins, expected={"record": "they are twins"})
    with pytest.raises(UsageError, match="say why check records is expected to fail"):
        conformance("dataset", Twins, expected={"records": " "})


def test_a_part_is_tested_in_the_situations_that_it_takes() -> None:
    class ThreefoldOnly(Fade):
        def __init__(self, scale: int) -> None:
            if scale != 3:
                raise AssemblyError("shrinks by 3 only")
            super().__init__(scale)

    assert check_part("degradation", ThreefoldOnly).failed == ()
    (first, *_) = check_part("degradation", ThreefoldOnly, given=[(2,), (4,)]).failed
    assert first.check == "default_constructible" and "shrinks by 3 only" in first.reason


class NotAtHand(Absolute):
    """Needs a file that nobody has."""

    def __init__(self, scale: int) -> None:
        raise FetchError(f"weights.pth is not at hand, offline={os.environ['SRZOO_OFFLINE']}")


def test_what_lacks_weights_is_not_checked_and_fetches_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SRZOO_OFFLINE", raising=False)
    report = check_part("loss", NotAtHand)
    states = {each.check: (each.state, each.reason) for each in report.outcomes}
    passed = [name for name, (state, _) in states.items() if state == "passed"]
    assert passed == ["imports", "default_constructible", "options"]
    assert states["scalars"] == states["network"] == ("not run", "weights.pth is not at hand, offline=1")
    assert not report.failed and "SRZOO_OFFLINE" not in os.environ
    assert str(report).endswith("loss NotAtHand: 3 checks ran, 3 passed, 14 not run")
    (scalars,) = (check for check in CHECKS["loss"] if check.name == "scalars")
    with pytest.raises(pytest.skip.Exception, match=r"weights\.pth is not at hand"):
        conformance("loss", NotAtHand)(scalars)


def test_options_are_those_of_the_test() -> None:
    (found,) = check_part("degradation", Fade, options={"least": 1.0}).failed
    assert found.check == "random" and "eight draws gave one result" in found.reason
    assert "imports" not in {each.check for each in check_part("degradation", Fade, options={"most": 1}).failed}


def test_each_check_is_a_test_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from srzoo.testing import conformance

        test_bicubic = conformance("degradation", "bicubic")
        test_jpeg = conformance("degradation", "srzoo:jpeg", expected={"margin": "its blocks"})
        test_nothing = conformance("degradation", "nothing", expected={"random": "it is missing"})
        """
    )
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=23, failed=12, xfailed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*its blocks*", "*there is no degradation 'nothing'*"])


def test_what_is_watched_is_put_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = tempfile.gettempdir(), sys.stdout
    with watched() as seen:
        print("to standard output")
        os.write(2, b"past Python")
        tempfile.mkdtemp()
        with pytest.raises(OSError, match="no network while a part is checked"):
            socket.create_connection(("127.0.0.1", 9))
        Path(os.devnull).write_text("nothing")
    assert (tempfile.gettempdir(), sys.stdout) == before
    assert seen.chance == [] and len(seen.network) == 1 and seen.files[0].startswith("os.mkdir")
    assert seen.prints == ["past Python"] or seen.prints == ["to standard output"]
    print("again")
    (tmp_path / "file").write_text("written")
    assert capsys.readouterr().out == "again\n" and len(seen.files) == 1
