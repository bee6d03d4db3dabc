"""Checks of every kind of part."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from srzoo.options import construct_kwargs, describe, resolve
from srzoo.testing.subject import CheckFailed, Subject
from srzoo.testing.watch import Seen, watched

Function = Callable[[Subject], None]
"""A check: raises where the part fails, CheckFailed or whatever the part itself raises."""


def imports(subject: Subject) -> None:
    """It can be imported, extends the class of its kind and defines what that asks for."""
    _ = subject.cls


def options(subject: Subject) -> None:
    """Options are typed and described, and come back from JSON as they were."""
    cls, owner = subject.cls, subject.owner
    parameters = inspect.signature(cls).parameters
    written = json.loads(json.dumps(resolve(cls, {}, owner), allow_nan=False))
    read = construct_kwargs(cls, written, owner)
    for option in describe(cls):
        default = parameters[option.name].default
        if read[option.name] != default:
            raise CheckFailed(f"option {option.name} is {default!r}, and {read[option.name]!r} when read from JSON")
    again = resolve(cls, subject.options, owner)
    if again != subject.options:
        raise CheckFailed(f"options change when they are read again: {subject.options} becomes {again}")


def unseen(exercise: Function) -> dict[str, Function]:
    """Checks that a part does nothing but compute, by name.

    Args:
        exercise: Constructs the part and uses it, with all noise handed in.
    """

    def chance(subject: Subject) -> None:
        """Constructing and using it leaves the global generators of Python, NumPy and torch alone."""
        _refuse(exercise, subject, "chance", "moves a global generator")

    def files(subject: Subject) -> None:
        """Constructing and using it writes no files."""
        _refuse(exercise, subject, "files", "writes files")

    def prints(subject: Subject) -> None:
        """Constructing and using it prints nothing."""
        _refuse(exercise, subject, "prints", "prints")

    def network(subject: Subject) -> None:
        """Constructing and using it needs no network."""
        _refuse(exercise, subject, "network", "goes to the network")

    return {"chance": chance, "files": files, "prints": prints, "network": network}


def _refuse(exercise: Function, subject: Subject, aspect: str, complaint: str) -> None:
    seen, error = _watch(exercise, subject)
    found: list[Any] = getattr(seen, aspect)
    if found:
        raise CheckFailed(f"{complaint}: {found[0]}")
    if error is not None and seen == Seen():
        raise error


def _watch(exercise: Function, subject: Subject) -> tuple[Seen, Exception | None]:
    with watched() as seen:
        try:
            exercise(subject)
        except Exception as error:
            return seen, error
    return seen, None
