"""Checks of losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from srzoo.contracts import AdversarialLoss, ImageLoss, LatentLoss, SamplesLoss
from srzoo.messages import traced_line
from srzoo.testing.loss_trials import Call, Trial, each_trial, logits, trials
from srzoo.testing.rigs import declared, tensors
from srzoo.testing.shared import refuse_counters
from srzoo.testing.subject import CannotCheck, CheckFailed, Subject


def default_constructible_loss(subject: Subject) -> None:
    """It can be constructed without a single option, or says on one line by a FetchError what file is missing."""
    try:
        for trial in trials(subject, subject.make_plain):
            trial.calls()
    except CannotCheck:
        pass


@each_trial
def scalars(trial: Trial) -> None:
    """Every value is a finite scalar, for large logits as well, and that of a loss of images is not below 0."""
    for n in (1, 2):
        for call in trial.calls(n):
            value = call()
            if isinstance(trial.loss, ImageLoss | SamplesLoss) and value < 0:
                raise CheckFailed(f"returns {value.item():.3g}, which is below 0")
            if isinstance(trial.loss, AdversarialLoss):
                call(lambda x: 1000 * x)
            if isinstance(trial.loss, LatentLoss):
                Call("first step", call.function, (*call.arguments[:2], 0), ())()


@each_trial
def least(trial: Trial) -> None:
    """An image loss is least where SR is HR, if LR was made of it by bicubic."""
    if not isinstance(trial.loss, ImageLoss):
        return
    sr, hr, lr = trial.images()
    best = trial.loss(hr, hr, lr)
    for what, other in {"noise": sr, "a brighter image": hr + 0.2, "a mirrored image": hr.flip(-1)}.items():
        if not best <= trial.loss(other, hr, lr):
            raise CheckFailed(f"charges {best.item():.3g} for SR = HR, and less for {what}")


@each_trial
def exchange(trial: Trial) -> None:
    """A loss of samples is the same where they change places."""
    if isinstance(trial.loss, SamplesLoss):
        first, second, hr, lr = trial.samples()
        _same(trial.loss(first, second, hr, lr), trial.loss(second, first, hr, lr), "tells the samples apart")


@each_trial
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
                raise CheckFailed(f"fails for {size[0]}x{size[1]} pixels ({traced_line(error)})") from error


@each_trial
def inputs_untouched(trial: Trial) -> None:
    """It changes none of the tensors that it is handed, since others look at them, too."""
    for call, same in zip(trial.calls(), trial.calls(), strict=True):
        call()
        pairs = zip(tensors(call.arguments), tensors(same.arguments), strict=True)
        if not all(torch.equal(a, b) for a, b in pairs):
            raise CheckFailed(f"writes into its input{call}")


@each_trial
def deterministic(trial: Trial) -> None:
    """The same input gives the same value."""
    for call in trial.calls():
        if not torch.equal(call(), call()):
            raise CheckFailed(f"gives another value the second time{call}")


@each_trial
def steady(trial: Trial) -> None:
    """A latent loss gives the same value at every step from one on at which it says that it is steady."""
    if not isinstance(trial.loss, LatentLoss):
        return
    for call in trial.calls():
        for step in (0, 1, 100):
            early = Call("", call.function, (*call.arguments[:2], step), ())
            if trial.loss.steady(step) and not torch.equal(early(), call()):
                raise CheckFailed(f"says that it is steady at step {step}, and gives another value later")


@each_trial
def batch(trial: Trial) -> None:
    """A batch of equal images costs what one of them does; a loss of images is the mean over those of any batch."""
    for call in trial.calls():
        alone = [call(lambda x, i=i: x[i : i + 1]) for i in (0, 1)]  # type: ignore[misc]
        _same(call(lambda x: x[[0, 0, 0]]), alone[0], f"depends on how many equal images there are{call}")
        if isinstance(trial.loss, ImageLoss | SamplesLoss):
            _same(call(), torch.stack(alone).mean(), "is not the mean over the images of a batch")


def _same(first: Tensor, second: Tensor, complaint: str) -> None:
    """Compare values to a ten-thousandth, which rounding stays below."""
    if not (first - second).abs() <= 1e-4 * max(first.abs().item(), 1e-2):
        raise CheckFailed(f"{complaint}: {first.item():.6g} and {second.item():.6g}")


@each_trial
def opponents(trial: Trial) -> None:
    """Both sides of an adversarial loss want the opposite; `needs_real` and `accuracy` are honest."""
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
    for kind, worse, better in zip(
        ("real", "generated"), loss.accuracy(low, high), loss.accuracy(high, low), strict=True
    ):
        if not 0 <= worse <= better <= 1:
            raise CheckFailed(
                f"has an accuracy for {kind} images of {better.item():.3g} where real ones get the higher logits, "
                f"and of {worse.item():.3g} where they get the lower ones"
            )


@each_trial
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


@each_trial
def channels_last(trial: Trial) -> None:
    """The memory layout of its input changes nothing."""
    for call in trial.calls():
        last = call(lambda x: x.contiguous(memory_format=torch.channels_last))
        _same(call(), last, f"gives another value for channels_last input{call}")


@each_trial
def counters(trial: Trial) -> None:
    """Nothing is counted in a plain attribute, where it would stand still in a step that a GPU repeats by itself."""
    for call in trial.calls():
        refuse_counters(trial.loss.train(), call)


@each_trial
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
    for trial in trials(subject, subject.make):
        for call in trial.calls():
            call()


LOSS_CHECKS: Mapping[str, Callable[[Subject], None]] = {
    "scalars": scalars,
    "least": least,
    "exchange": exchange,
    "sizes": sizes,
    "inputs_untouched": inputs_untouched,
    "deterministic": deterministic,
    "steady": steady,
    "batch": batch,
    "opponents": opponents,
    "gradients": gradients,
    "counters": counters,
    "channels_last": channels_last,
    "bfloat16": bfloat16,
}
"""Checks of losses alone, in the order in which they run."""
