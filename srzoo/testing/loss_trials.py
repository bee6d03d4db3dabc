"""How losses are set up and fed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from srzoo.contracts import AdversarialLoss, Gaussian, ImageLoss, LatentLoss, Loss, SamplesLoss
from srzoo.errors import FetchError, MissingLibraryError
from srzoo.messages import one_line
from srzoo.resize import resize_tensor
from srzoo.testing.rigs import Size, changed, declared
from srzoo.testing.subject import CannotCheck, CheckFailed, Given, Subject

SCALES: tuple[Given, ...] = ((4,), (2,), (3,))
"""What losses are constructed with."""

_LATE = 1_000_000
"""Steps done where weights that climb have arrived."""


@dataclass(frozen=True)
class Call:
    """One thing that training asks of a loss."""

    title: str
    """As messages call it; empty where it is all that is asked."""

    function: Callable[..., Any]
    """A method of the loss."""

    arguments: tuple[Any, ...]
    """What it is given, made anew for each call."""

    taught: tuple[int, ...]
    """Which of the arguments must get a gradient."""

    def __call__(self, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Its value, for arguments whose tensors were replaced; CheckFailed where it is no finite scalar."""
        value = self.function(*(changed(self.arguments, change) if change else self.arguments))
        if not isinstance(value, Tensor) or value.dim():
            raise CheckFailed(f"returns {_told(value)}, not a scalar tensor{self}")
        if not value.isfinite():
            raise CheckFailed(f"returns {value.item()}{self}")
        return value

    def __str__(self) -> str:
        return f" for the {self.title}" if self.title else ""


@dataclass(frozen=True)
class Trial:
    """A loss at one scale, ready to be called."""

    loss: Loss
    scale: int

    @property
    def size(self) -> Size:
        """Height and width of the HR image that is fed where no other is named; not square."""
        units = -(-max(16, declared(self.loss, "min_size", int)) // self.scale)
        return units * self.scale, (units + 2) * self.scale

    def images(self, n: int = 2, size: Size | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """SR that leaves [0, 1] in places and is worse in each image, HR, and LR made of HR by bicubic."""
        height, width = size or self.size
        hr = _drawn(n, 3, height, width, seed=5)
        strength = torch.linspace(0.2, 0.6, n).view(n, 1, 1, 1)
        sr = hr + strength * (_drawn(n, 3, height, width, seed=6) - 0.5)
        return sr, hr, resize_tensor(hr, (height // self.scale, width // self.scale))

    def samples(self, n: int = 2, size: Size | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two samples that err in other ways, HR and LR, as `images` has them."""
        sr, hr, lr = self.images(n, size)
        return sr, hr + 0.5 * (sr - hr).roll((1, 2), (2, 3)), hr, lr

    def calls(self, n: int = 2, size: Size | None = None) -> list[Call]:
        """All that training asks, for ``n`` images; CheckFailed where the base class does not say."""
        loss = self.loss
        if isinstance(loss, ImageLoss):
            return [Call("", loss, self.images(n, size), (0,))]
        if isinstance(loss, SamplesLoss):
            return [Call("", loss, self.samples(n, size), (0, 1))]
        if isinstance(loss, AdversarialLoss):
            real, fake = logits(n, seed=1), logits(n, seed=2)
            shown = real if loss.needs_real else ()
            return [
                Call("generator", loss.generator, (shown, fake), (1,)),
                Call("discriminator", loss.discriminator, (real, fake), (0, 1)),
            ]
        if isinstance(loss, LatentLoss):
            return [Call("", loss, (_gaussians(n, seed=3), _gaussians(n, seed=4), _LATE), (1,))]
        raise CheckFailed("extends Loss itself: extend ImageLoss, SamplesLoss, AdversarialLoss or LatentLoss")


def _drawn(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def logits(n: int, seed: int) -> tuple[Tensor, ...]:
    """Two maps of unlike sizes, (N, 1, h, w), within the margins that losses may have."""
    return 2 * _drawn(n, 1, 4, 6, seed=seed) - 1, 2 * _drawn(n, 1, 1, 1, seed=seed + 10) - 1


def _gaussians(n: int, seed: int) -> tuple[Gaussian, ...]:
    maps = ((n, 4, 4, 6), (n, 2, 2, 3))
    return tuple(Gaussian(*(4 * _drawn(*shape, seed=seed + each) - 2 for each in (0, 20))) for shape in maps)


@contextmanager
def _offline() -> Iterator[None]:
    """Weights are to be at hand: nobody wants a check to fetch half a gigabyte."""
    before = os.environ.get("SRZOO_OFFLINE")
    os.environ["SRZOO_OFFLINE"] = "1"
    try:
        yield
    finally:
        os.environ.pop("SRZOO_OFFLINE") if before is None else os.environ.update(SRZOO_OFFLINE=before)


def trials(subject: Subject, make: Callable[[Given], Any]) -> Iterator[Trial]:
    """The loss at every scale.

    Raises:
        CannotCheck: Weights or a library of it are not at hand.
        CheckFailed: It does not say so on one line.
    """
    try:
        with _offline():
            made = [(given, loss) for given, loss in subject.made(SCALES, make)]
    except (FetchError, MissingLibraryError) as error:
        if "\n" in str(error):
            raise CheckFailed(f"takes more than one line to say what is missing: {one_line(error)}") from error
        raise CannotCheck(str(error)) from error
    yield from (Trial(loss.eval(), given[0]) for given, loss in made)


def each_trial(check: Callable[[Trial], None]) -> Callable[[Subject], None]:
    """Run a check at every scale, and have its complaint say at which."""

    @wraps(check)
    def checked(subject: Subject) -> None:
        for trial in trials(subject, subject.make):
            try:
                check(trial)
            except CheckFailed as failure:
                raise CheckFailed(f"{failure}, at x{trial.scale}") from failure

    return checked


def _told(value: Any) -> str:
    return f"a tensor of {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
