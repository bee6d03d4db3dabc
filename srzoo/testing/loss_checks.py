"""Checks of losses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from srzoo.contracts import AdversarialLoss, Gaussian, ImageLoss, LatentLoss, Loss
from srzoo.errors import FetchError, MissingLibraryError
from srzoo.options import one_line
from srzoo.resize import resize_tensor
from srzoo.testing.rigs import Size, changed, declared, tensors
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

    def calls(self, n: int = 2, size: Size | None = None) -> list[Call]:
        """All that training asks, for ``n`` images; CheckFailed where the base class does not say."""
        loss = self.loss
        if isinstance(loss, ImageLoss):
            return [Call("", loss, self.images(n, size), (0,))]
        if isinstance(loss, AdversarialLoss):
            real, fake = logits(n, seed=1), logits(n, seed=2)
            shown = real if loss.needs_real else ()
            return [
                Call("generator", loss.generator, (shown, fake), (1,)),
                Call("discriminator", loss.discriminator, (real, fake), (0, 1)),
            ]
        if isinstance(loss, LatentLoss):
            return [Call("", loss, (_gaussians(n, seed=3), _gaussians(n, seed=4), _LATE), (1,))]
        raise CheckFailed("extends Loss itself: extend ImageLoss, AdversarialLoss or LatentLoss")


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


def _trials(subject: Subject, make: Callable[[Given], Any]) -> Iterator[Trial]:
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


def default_constructible_loss(subject: Subject) -> None:
    """It can be constructed without a single option, or says on one line by a FetchError what file is missing."""
    try:
        for trial in _trials(subject, subject.make_plain):
            trial.calls()
    except CannotCheck:
        pass


def _each_trial(check: Callable[[Trial], None]) -> Callable[[Subject], None]:
    """Run a check at every scale, and have its complaint say at which."""

    @wraps(check)
    def checked(subject: Subject) -> None:
        for trial in _trials(subject, subject.make):
            try:
                check(trial)
            except CheckFailed as failure:
                raise CheckFailed(f"{failure}, at x{trial.scale}") from failure

    return checked


@_each_trial
def scalars(trial: Trial) -> None:
    """Every value is a finite scalar, for large logits as well, and that of an image loss is not below 0."""
    for n in (1, 2):
        for call in trial.calls(n):
            value = call()
            if isinstance(trial.loss, ImageLoss) and value < 0:
                raise CheckFailed(f"returns {value.item():.3g}, which is below 0")
            if isinstance(trial.loss, AdversarialLoss):
                call(lambda x: 1000 * x)
            if isinstance(trial.loss, LatentLoss):
                Call("first step", call.function, (*call.arguments[:2], 0), ())()


@_each_trial
def least(trial: Trial) -> None:
    """An image loss is least where SR is HR, if LR was made of it by bicubic."""
    if not isinstance(trial.loss, ImageLoss):
        return
    sr, hr, lr = trial.images()
    best = trial.loss(hr, hr, lr)
    for what, other in {"noise": sr, "a brighter image": hr + 0.2, "a mirrored image": hr.flip(-1)}.items():
        if not best <= trial.loss(other, hr, lr):
            raise CheckFailed(f"charges {best.item():.3g} for SR = HR, and less for {what}")


@_each_trial
def sizes(trial: Trial) -> None:
    """`min_size` is enough for images; logits may be as few as one."""
    unit = trial.scale
    side = -(-declared(trial.loss, "min_size", int) // unit) * unit
    for size in ((side, side), (side, side + 5 * unit), (side + 2 * unit, side + unit)):
        for call in trial.calls(1, size):
            try:
                call()
                if isinstance(trial.loss, AdversarialLoss):
                    call.function(*(each[-1:] for each in call.arguments))
            except CheckFailed as failure:
                raise CheckFailed(f"{failure}, of {size[0]}x{size[1]} pixels") from failure
            except Exception as error:
                raise CheckFailed(f"fails for {size[0]}x{size[1]} pixels ({one_line(error)})") from error


@_each_trial
def inputs_untouched(trial: Trial) -> None:
    """It changes none of the tensors that it is handed, since others look at them, too."""
    for call, same in zip(trial.calls(), trial.calls(), strict=True):
        call()
        pairs = zip(tensors(call.arguments), tensors(same.arguments), strict=True)
        if not all(torch.equal(a, b) for a, b in pairs):
            raise CheckFailed(f"writes into its input{call}")


@_each_trial
def deterministic(trial: Trial) -> None:
    """The same input gives the same value."""
    for call in trial.calls():
        if not torch.equal(call(), call()):
            raise CheckFailed(f"gives another value the second time{call}")


@_each_trial
def batch(trial: Trial) -> None:
    """A batch of equal images costs what one of them does; an image loss is the mean over those of any batch."""
    for call in trial.calls():
        alone = [call(lambda x, i=i: x[i : i + 1]) for i in (0, 1)]  # type: ignore[misc]
        _same(call(lambda x: x[[0, 0, 0]]), alone[0], f"depends on how many equal images there are{call}")
        if isinstance(trial.loss, ImageLoss):
            _same(call(), torch.stack(alone).mean(), "is not the mean over the images of a batch")


def _same(first: Tensor, second: Tensor, complaint: str) -> None:
    """Compare values to a ten-thousandth, which rounding stays below."""
    if not (first - second).abs() <= 1e-4 * max(first.abs().item(), 1e-2):
        raise CheckFailed(f"{complaint}: {first.item():.6g} and {second.item():.6g}")


@_each_trial
def opponents(trial: Trial) -> None:
    """Both sides of an adversarial loss want the opposite, and `needs_real` is honest."""
    loss = trial.loss
    if not isinstance(loss, AdversarialLoss):
        return
    low, high = (tuple(each + shift for each in logits(2, seed=1)) for shift in (-1.0, 1.0))
    if not loss.discriminator(high, low) < loss.discriminator(low, high):
        raise CheckFailed("does not reward a discriminator that gives real images the higher logits")
    if not loss.generator(low, high) < loss.generator(low, low):
        raise CheckFailed("does not reward a generator whose images get higher logits")
    if loss.needs_real and torch.equal(loss.generator(low, low), loss.generator(high, low)):
        raise CheckFailed("declares needs_real, but the generator's value does not depend on real logits")


@_each_trial
def gradients(trial: Trial) -> None:
    """Finite gradients reach SR, the logits and the posterior, and no network of its own."""
    if wanting := [name for name, each in trial.loss.named_parameters() if each.requires_grad]:
        raise CheckFailed(f"has {len(wanting)} parameters that would gather gradients, such as {wanting[0]}")
    for call in trial.calls():
        learning = [each for index in call.taught for each in tensors(call.arguments[index])]
        for each in learning:
            each.requires_grad_().grad = None  # calls share what they are given
        value = call()
        if value.requires_grad:
            torch.autograd.backward(value)
        for each in learning:
            if each.grad is None or not each.grad.any():
                raise CheckFailed(f"lets no gradient through{call} to what is to learn")
            if not each.grad.isfinite().all():
                raise CheckFailed(f"has a gradient that is not finite{call}")


@_each_trial
def channels_last(trial: Trial) -> None:
    """The memory layout of its input changes nothing."""
    for call in trial.calls():
        last = call(lambda x: x.contiguous(memory_format=torch.channels_last))
        _same(call(), last, f"gives another value for channels_last input{call}")


@_each_trial
def bfloat16(trial: Trial) -> None:
    """Under bfloat16 autocast, and for bfloat16 input, values are finite and in float32."""
    for call in trial.calls():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            values = call(), call(lambda x: x.bfloat16())
        for value in values:
            if value.dtype != torch.float32:
                raise CheckFailed(f"returns {value.dtype} under autocast{call}, which has three digits")


def exercise_loss(subject: Subject) -> None:
    """Construct a loss and ask of it all that training does."""
    for trial in _trials(subject, subject.make):
        for call in trial.calls():
            call()


def _told(value: Any) -> str:
    return f"a tensor of {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


LOSS_CHECKS: Mapping[str, Callable[[Subject], None]] = {
    "scalars": scalars,
    "least": least,
    "sizes": sizes,
    "inputs_untouched": inputs_untouched,
    "deterministic": deterministic,
    "batch": batch,
    "opponents": opponents,
    "gradients": gradients,
    "channels_last": channels_last,
    "bfloat16": bfloat16,
}
"""Checks of losses alone, in the order in which they run."""
