"""Checks of the parts that networks are made of."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from srzoo.errors import AssemblyError
from srzoo.messages import traced_line
from srzoo.spec import Spec
from srzoo.testing.rigs import RIGS, Size, Trial, changed, each_trial, tensors, trials
from srzoo.testing.shared import refuse_counters
from srzoo.testing.subject import CheckFailed, Subject


def default_constructible(subject: Subject) -> None:
    """It can be constructed without a single option."""
    for _ in subject.made(RIGS[subject.kind.name].situations, subject.make_plain):
        pass


@each_trial
def specs(trial: Trial) -> None:
    """Maps have the declared shapes and finite values, for sizes that are not square and N of 1 and 2."""
    for size in trial.rig.usual_sizes(trial.part, trial.given):
        for n in (1, 2):
            _verify(trial, n, size)


@each_trial
def sizes(trial: Trial) -> None:
    """What it declares to need is enough: multiple_of, fixed_size, min_size."""
    for size in trial.rig.least_sizes(trial.part, trial.given):
        _verify(trial, 1, size)


def _verify(trial: Trial, n: int, size: Size) -> None:
    for hr in _without_and_with_hr(trial):
        arguments = trial.feed(n, size, hr=hr)
        try:
            result = trial.use(arguments)
        except Exception as error:
            raise CheckFailed(f"fails for {n} x {size[0]}x{size[1]} pixels ({traced_line(error)})") from error
        trial.rig.verify(trial, result, n, size)
        if not all(each.isfinite().all() for each in tensors(result)):
            raise CheckFailed(f"returns NaN or infinity for {n} x {size[0]}x{size[1]} pixels")


def _without_and_with_hr(trial: Trial) -> tuple[bool, ...]:
    """Whether to hand over HR: latents are tried in both ways."""
    return (False, True) if trial.rig is RIGS["latent"] else (False,)


ANY = (Fraction(1), Fraction(5, 2), Fraction(7, 3), Fraction(15, 2))
"""Scales that a decoder for any scale is tried at."""


def any_scale(subject: Subject) -> None:
    """A decoder that declares any_scale gives images of every scale, 5/2 too, and has the same state at each."""
    for trial in trials(subject):
        if trial.part.any_scale:
            _try_scales(subject, trial)


def _try_scales(subject: Subject, trial: Trial) -> None:
    specs, target = trial.given
    shapes = _shapes(trial.part)
    for scale in ANY:
        given = (specs, Spec(target.channels, 1 / scale))
        try:
            other = Trial(trial.rig, subject.make(given).eval(), given)
            for size in (*trial.rig.usual_sizes(other.part, given), *trial.rig.least_sizes(other.part, given)):
                _verify(other, 2, size)
        except (AssemblyError, CheckFailed) as error:
            raise CheckFailed(f"declares any_scale, but at x{scale}: {error}, {trial}") from error
        found = _shapes(other.part)
        if odd := sorted(name for name in {**shapes, **found} if found.get(name) != shapes.get(name)):
            raise CheckFailed(f"declares any_scale, but at x{scale} its state differs in {odd[0]}, {trial}")


def _shapes(part: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in part.state_dict().items()}


@each_trial
def inputs_untouched(trial: Trial) -> None:
    """It changes none of the tensors that it is handed, since others look at them, too."""
    arguments = trial.feed(hr=True)
    kept = [each.clone() for each in tensors(arguments)]
    trial.use(arguments)
    if not all(torch.equal(a, b) for a, b in zip(kept, tensors(arguments), strict=True)):
        raise CheckFailed("writes into its input")


@each_trial
def deterministic(trial: Trial) -> None:
    """In evaluation mode the same input gives the same output."""
    first, second = (tensors(trial.use(trial.feed())) for _ in range(2))
    if not all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        raise CheckFailed("gives another result the second time")


@each_trial
def batch_independent(trial: Trial) -> None:
    """In evaluation mode two images give what each gives alone."""
    together = trial.rig.maps(trial.use(trial.feed()))
    for index in (0, 1):
        alone = trial.rig.maps(trial.use(changed(trial.feed(), lambda x, i=index: x[i : i + 1])))
        _same([each[index : index + 1] for each in together], alone, "depends on the other images of a batch")


def _same(first: Sequence[Tensor], second: Sequence[Tensor], complaint: str) -> None:
    """Compare results to a ten-thousandth of their largest value, which rounding stays below."""
    for a, b in zip(first, second, strict=True):
        largest = max(1.0, a.abs().max().item())
        difference = (a - b).abs().max().item()
        if not difference <= 1e-4 * largest:
            raise CheckFailed(f"{complaint}: by {difference:.2g}, where the largest value is {largest:.2g}")


@each_trial
def noise(trial: Trial) -> None:
    """Noise of zeros is the same as none, and any other moves z where noise is declared."""
    features, _, drawn = trial.feed()
    mean = trial.use((features, None, ()))
    zeros = trial.use((features, None, tuple(map(torch.zeros_like, drawn))))
    _same([mean.z], [zeros.z], "gives another z without noise than with noise of zeros")
    if drawn and torch.equal(mean.z, trial.use((features, None, drawn)).z):
        raise CheckFailed("declares noise_specs, but noise does not move z")


@each_trial
def losses(trial: Trial) -> None:
    """Further losses are finite scalars with names."""
    trial.part.train()
    for name, value in trial.use(trial.feed(hr=True)).losses.items():
        if not isinstance(name, str) or not name:
            raise CheckFailed(f"has a loss whose name is {name!r}")
        if not isinstance(value, Tensor) or value.dim():
            raise CheckFailed(f"returns loss {name!r}, which is no scalar tensor")
        if not value.isfinite():
            raise CheckFailed(f"returns loss {name!r} of {value.item()}")


@each_trial
def gradients(trial: Trial) -> None:
    """In training, gradients reach every parameter and the deepest map that it is handed."""
    trial.part.train()
    arguments = changed(trial.feed(hr=True), lambda x: x.requires_grad_())
    sums = [each.square().sum() for each in tensors(trial.part(*arguments)) if each.requires_grad]
    if sums:
        torch.autograd.backward(sums)
    trained = {name: each for name, each in trial.part.named_parameters() if each.requires_grad}
    exempt = tuple(trial.part.without_gradient)
    if unknown := [start for start in exempt if not any(name.startswith(start) for name in trained)]:
        raise CheckFailed(f"declares {unknown[0]!r} as without_gradient, but has no such parameter")
    owed = {name: each.grad for name, each in trained.items() if not name.startswith(exempt)}
    if without := [name for name, gradient in owed.items() if gradient is None]:
        raise CheckFailed(f"has {len(without)} parameters that no gradient reaches, such as {without[0]}")
    if wild := [name for name, gradient in owed.items() if gradient is not None and not gradient.isfinite().all()]:
        raise CheckFailed(f"has {len(wild)} parameters whose gradient is not finite, such as {wild[0]}")
    deepest = tensors(arguments[0])[-1].grad
    if trial.rig.reaches_input and (deepest is None or not deepest.isfinite().all()):
        raise CheckFailed("lets no finite gradient through to what it is handed")


def state(subject: Subject) -> None:
    """Saved as safetensors, without what only training looks at, its weights make another instance the same."""
    for trial in trials(subject):
        trial.part.train()
        trial.use(trial.feed(hr=True))  # running statistics move, and belong to the state
        trial.part.eval()
        other = Trial(trial.rig, subject.make(trial.given, seed=1).eval(), trial.given)
        only = tuple(trial.part.training_only)
        kept = {name: value for name, value in trial.part.state_dict().items() if not name.startswith(only)}
        if odd := [name for name, value in kept.items() if not isinstance(value, Tensor)]:
            raise CheckFailed(f"keeps {odd[0]} in its state, which is no tensor, {trial}")
        weights = load(save({name: value.detach().contiguous() for name, value in kept.items()}))
        missing, unknown = other.part.load_state_dict(weights, strict=False)
        if odd := [name for name in (*missing, *unknown) if not name.startswith(only)]:
            raise CheckFailed(f"has {odd[0]} in its state at one time and not at another, {trial}")
        first, second = (tensors(each.use(trial.feed())) for each in (trial, other))
        _same(first, second, f"gives another result than a second instance with its weights, {trial}")


@each_trial
def counters(trial: Trial) -> None:
    """Nothing is counted in a plain attribute, where it would stand still in a step that a GPU repeats by itself."""
    trial.part.train()
    refuse_counters(trial.part, lambda: trial.use(trial.feed(hr=True)))


@each_trial
def bfloat16(trial: Trial) -> None:
    """Under bfloat16 autocast results are finite."""
    for hr in _without_and_with_hr(trial):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = trial.use(trial.feed(hr=hr))
        if not all(each.isfinite().all() for each in tensors(result)):
            raise CheckFailed("returns NaN or infinity in bfloat16")


@each_trial
def channels_last(trial: Trial) -> None:
    """The memory layout of its input changes nothing."""
    last = changed(trial.feed(), lambda x: x.contiguous(memory_format=torch.channels_last))
    _same(tensors(trial.use(trial.feed())), tensors(trial.use(last)), "gives another result for channels_last input")


def meta(subject: Subject) -> None:
    """It works on the meta device, where `srzoo build` checks seams and counts costs without computing."""
    with torch.device("meta"):
        for trial in trials(subject):
            trial.rig.verify(trial, trial.use(trial.feed()), 2, trial.size)


@each_trial
def exports(trial: Trial) -> None:
    """`torch.export` takes it (non-strict, shapes fixed), and the exported program gives the same result."""
    arguments = trial.feed()
    with torch.no_grad():
        program: Any = torch.export.export(trial.part, arguments, strict=False).module()
    _same(tensors(trial.use(arguments)), tensors(program(*arguments)), "gives another result when exported")


def exercise(subject: Subject) -> None:
    """Construct the part and use it; latents also in training, with all their noise handed in."""
    for trial in trials(subject):
        trial.use(trial.feed())
        if trial.rig is RIGS["latent"]:
            trial.part.train()
            trial.use(trial.feed(hr=True))
