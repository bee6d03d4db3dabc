"""Checks in a process of their own, for parts that nobody has reason to trust yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srzoo.apart import Tell, apart
from srzoo.testing.checks import CHECKS, Outcome, run, verify_expected
from srzoo.testing.kit import Report
from srzoo.testing.subject import Subject


def check_apart(kind: str, part: str, *, expected: Mapping[str, str] | None = None, seconds: float = 600.0) -> Report:
    """Put an installed part through every check of its kind, in a process of its own.

    Args:
        kind: Kind of part.
        part: Its name, as in a configuration.
        expected: Checks that are to fail, each with the reason.
        seconds: How long all of it may take.

    Raises:
        UsageError: There is no such kind, or no such check to expect a failure of.
    """
    subject = Subject(kind, part)
    checks = CHECKS[subject.kind.name]
    verify_expected(subject.kind.name, expected or {})
    told = apart("srzoo.testing.process:_check_here", [kind, part, dict(expected or {})], seconds)
    outcomes = [Outcome(*value) for value in told.values]
    if len(outcomes) < len(checks):  # the process ended in the middle of a check
        fatal, *others = (check.name for check in checks[len(outcomes) :])
        outcomes.append(Outcome(fatal, "failed", told.ending))
        outcomes += [Outcome(name, "not run", f"{fatal} {told.ending}") for name in others]
    return Report(subject.owner, tuple(outcomes))


def _check_here(task: list[Any], tell: Tell) -> None:
    """Be the process that `check_apart` starts."""
    kind, part, expected = task
    for outcome in run(Subject(kind, part), expected):
        tell([outcome.check, outcome.state, outcome.reason])
