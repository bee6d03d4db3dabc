"""The kit's doors: a report of all checks, and a pytest test for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from srzoo.testing.checks import CHECKS, Check, Outcome, State, run, verify_expected
from srzoo.testing.subject import CannotCheck, Given, Subject


@dataclass(frozen=True)
class Report:
    """What the checks of one part found."""

    part: str
    """Kind and name."""

    outcomes: tuple[Outcome, ...]
    """One for each check, in their order."""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What is wrong; empty if the part keeps its promises."""
        return tuple(each for each in self.outcomes if each.state == "failed")

    def __str__(self) -> str:
        lines = [f"{each.check}: {each.state}: {each.reason}" for each in self.outcomes if each.reason]
        return "\n".join([*lines, f"{self.part}: {count(self.outcomes)}"])


def count(outcomes: Sequence[Outcome]) -> str:
    """How many checks ran, and how they ended, in words."""
    states = Counter(each.state for each in outcomes)
    words = {"expected": "failed as expected"}
    ended = [f"{states[state]} {words.get(state, state)}" for state in get_args(State) if states[state]]
    ran = len(outcomes) - states["not run"]
    return ", ".join([f"{ran} check{'' if ran == 1 else 's'} ran", *ended])


def check_part(
    kind: str,
    part: str | type,
    *,
    options: Mapping[str, Any] | None = None,
    given: Sequence[Given] = (),
    expected: Mapping[str, str] | None = None,
) -> Report:
    """Put a part through every check of its kind; the arguments are those of `conformance`.

    Raises:
        UsageError: There is no such kind, or no such check to expect a failure of.
    """
    subject = Subject(kind, part, options=options, given=given)
    verify_expected(subject.kind.name, expected or {})
    return Report(subject.owner, tuple(run(subject, expected or {})))


def conformance(
    kind: str,
    part: str | type,
    *,
    options: Mapping[str, Any] | None = None,
    given: Sequence[Given] = (),
    expected: Mapping[str, str] | None = None,
) -> Callable[[Check], None]:
    """A pytest test for every check of a kind; bind it to a name that begins with ``test_``.

    Args:
        kind: Kind of part, such as ``"decoder"``.
        part: Its name, as in a configuration (``name``, ``distribution:name``, ``family/variant``), or the class.
        options: Options to test it with; defaults where not given.
        given: Positional arguments to construct it with, one tuple for each situation, in place of the kit's own.
            Without it, a situation that the part refuses by an AssemblyError is passed over.
        expected: Checks that are to fail, each with the reason, such as ``{"exports": "sorts by value"}``. It is an
            error if they pass.

    Raises:
        UsageError: There is no such kind, or no such check to expect a failure of.
    """
    import pytest

    subject = Subject(kind, part, options=options, given=given)
    verify_expected(subject.kind.name, expected or {})
    marks = {name: pytest.mark.xfail(reason=reason, strict=True) for name, reason in (expected or {}).items()}
    parameters = [
        pytest.param(check, id=check.name, marks=marks.get(check.name, ())) for check in CHECKS[subject.kind.name]
    ]

    @pytest.mark.parametrize("check", parameters)
    def test(check: Check) -> None:
        try:
            check.function(subject)
        except CannotCheck as lack:
            pytest.skip(str(lack))

    return test
