"""The table of checks, and how a part is put through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from srzoo.errors import UsageError
from srzoo.messages import suggestion, traced_line
from srzoo.parts import KINDS
from srzoo.testing import data_checks, loss_checks, model_checks, shared
from srzoo.testing.rigs import RIGS
from srzoo.testing.shared import Function
from srzoo.testing.subject import CannotCheck, CheckFailed, Subject

State = Literal["passed", "failed", "expected", "not run"]
"""``expected`` is a failure that the call had said would come; a check that was to fail and passes has ``failed``."""


@dataclass(frozen=True)
class Check:
    """One thing that parts of some kind promise."""

    name: str
    """As in results and in ``expected``."""

    function: Function
    """Raises where the part fails."""

    @property
    def what(self) -> str:
        """What is promised, in a sentence."""
        return " ".join((self.function.__doc__ or "").split())

    def reason(self, subject: Subject) -> str:
        """Put a part through the check.

        Returns:
            What is wrong with it, on one line; empty if nothing is.

        Raises:
            CannotCheck: What the part needs is not at hand.
        """
        try:
            self.function(subject)
        except (KeyboardInterrupt, CannotCheck):
            raise
        except CheckFailed as failure:
            return " ".join(str(failure).split()) or "fails"
        except BaseException as error:  # a part may call sys.exit
            return traced_line(error)
        return ""


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    check: str
    """Name of the check."""

    state: State
    """How it ended."""

    reason: str = ""
    """What is wrong, or why it was expected; empty if it passed."""


def _model_table(kind: str) -> tuple[Check, ...]:
    """Cheap checks first; the last two load much of torch."""
    table = {
        **shared.FIRST,
        "default_constructible": model_checks.default_constructible,
        "options": shared.options,
        "specs": model_checks.specs,
        "sizes": model_checks.sizes,
        "any_scale": model_checks.any_scale,
        "inputs_untouched": model_checks.inputs_untouched,
        "deterministic": model_checks.deterministic,
        "batch_independent": model_checks.batch_independent,
        "noise": model_checks.noise,
        "losses": model_checks.losses,
        "gradients": model_checks.gradients,
        "state": model_checks.state,
        "counters": model_checks.counters,
        **shared.unseen(model_checks.exercise),
        "channels_last": model_checks.channels_last,
        "bfloat16": model_checks.bfloat16,
        "meta": model_checks.meta,
        "exports": model_checks.exports,
    }
    # What an upscaler computes may lie in a file, which the meta device knows nothing of.
    without = {
        "latent": ("any_scale",),
        "decoder": ("noise", "losses"),
        "upscaler": ("any_scale", "noise", "losses", "counters", "meta"),
    }.get(kind, ("any_scale", "noise", "losses"))
    return tuple(Check(name, function) for name, function in table.items() if name not in without)


_DATASET = {
    **shared.FIRST,
    "default_constructible": data_checks.default_constructible_set,
    "options": shared.options,
    "about": data_checks.about,
    "records": data_checks.records,
    **shared.unseen(data_checks.exercise_set),
}

_DEGRADATION = {
    **shared.FIRST,
    "default_constructible": data_checks.default_constructible_step,
    "options": shared.options,
    "shrinks": data_checks.shrinks,
    "inputs_untouched": data_checks.image_untouched,
    "draws": data_checks.draws,
    "random": data_checks.randomness,
    "margin": data_checks.margin,
    **shared.unseen(data_checks.exercise_step),
}

_LOSS = {
    **shared.FIRST,
    "default_constructible": loss_checks.default_constructible_loss,
    "options": shared.options,
    **loss_checks.LOSS_CHECKS,
    **shared.unseen(loss_checks.exercise_loss),
}

CHECKS: Mapping[str, tuple[Check, ...]] = {
    **{kind: _model_table(kind) for kind in RIGS},
    "loss": tuple(Check(name, function) for name, function in _LOSS.items()),
    "dataset": tuple(Check(name, function) for name, function in _DATASET.items()),
    "degradation": tuple(Check(name, function) for name, function in _DEGRADATION.items()),
}
"""The checks of each kind of part, in the order in which they run."""


def verify_expected(kind: str, expected: Mapping[str, str]) -> None:
    """Refuse expected failures of checks that there are not, or without a reason.

    Raises:
        UsageError: There is one.
    """
    known, plural = [check.name for check in CHECKS[kind]], KINDS[kind].plural
    for name, reason in expected.items():
        if name not in known:
            raise UsageError(f"{plural} have no check {name!r}{suggestion(name, known)}: they are {', '.join(known)}")
        if not reason.strip():
            raise UsageError(f"say why check {name} is expected to fail: expected={{{name!r}: 'the reason'}}")


def run(subject: Subject, expected: Mapping[str, str]) -> Iterator[Outcome]:
    """Put a part through the checks of its kind, one after another.

    Where it cannot even be imported the others are not run, and neither is what lacks something that is not at hand.

    Args:
        subject: The part.
        expected: Checks that are to fail, each with the reason.
    """
    checks = CHECKS[subject.kind.name]
    first: dict[str, str] = {}
    for index, check in enumerate(checks):
        try:
            reason = check.reason(subject)
        except CannotCheck as lack:
            yield Outcome(check.name, "not run", str(lack))
            continue
        known = first.setdefault(reason, check.name) if reason else check.name
        yield _outcome(check.name, reason if known == check.name else f"as {known}", expected)
        if index == 0 and reason:
            yield from (Outcome(each.name, "not run", "it cannot be imported") for each in checks[1:])
            return


def _outcome(name: str, reason: str, expected: Mapping[str, str]) -> Outcome:
    if name not in expected:
        return Outcome(name, "failed" if reason else "passed", reason)
    if reason:
        return Outcome(name, "expected", expected[name])
    return Outcome(name, "failed", f"passes, but was expected to fail ({expected[name]}): expect it no longer")
