"""Checks of every kind of part."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from srzoo.options import construct_kwargs, describe, resolve
from srzoo.parts import description
from srzoo.testing.subject import CheckFailed, Subject
from srzoo.testing.watch import Seen, plain_numbers, watched

Function = Callable[[Subject], None]
"""A check: raises where the part fails, CheckFailed or whatever the part itself raises."""


def imports(subject: Subject) -> None:
    """It can be imported, extends the class of its kind and defines what that asks for."""
    _ = subject.cls


def described(subject: Subject) -> None:
    """It says in a docstring what it is, which `srzoo show` prints."""
    if not description(subject.cls):
        raise CheckFailed("has no docstring: say in a sentence what it is, and cite where it comes from")


def options(subject: Subject) -> None:
    """Options stand behind the `*`, are typed and described, and come back from JSON as they were."""
    cls, owner = subject.cls, subject.owner
    parameters = inspect.signature(cls).parameters
    for parameter in list(parameters.values())[1:]:  # the first is srzoo's to give in every kind
        if parameter.kind == parameter.POSITIONAL_OR_KEYWORD and parameter.default is not parameter.empty:
            raise CheckFailed(f"has {parameter.name} before the '*' of __init__, where it is no option")
    written = json.loads(json.dumps(resolve(cls, {}, owner), allow_nan=False))
    read = construct_kwargs(cls, written, owner)
    for option in describe(cls):
        default = parameters[option.name].default
        if read[option.name] != default:
            raise CheckFailed(f"option {option.name} is {default!r}, and {read[option.name]!r} when read from JSON")
    again = resolve(cls, subject.options, owner)
    if again != subject.options:
        raise CheckFailed(f"options change when they are read again: {subject.options} becomes {again}")


FIRST: Mapping[str, Function] = {"imports": imports, "described": described}
"""What is asked first, by name."""


def refuse_counters(module: nn.Module, use: Callable[[], object]) -> None:
    """Use a module again and again; CheckFailed where a number in a plain attribute moves with every use."""
    moved = []
    for _ in range(3):
        use()
        moved.append(plain_numbers(module))
    for name, value in moved[2].items():
        if moved[0].get(name) != moved[1].get(name) != value:
            raise CheckFailed(f"counts in {name}, a plain attribute: count in a buffer (register_buffer)")


def unseen(exercise: Function) -> dict[str, Function]:
    """Checks that a part does nothing but compute, by name.

    Args:
        exercise: Constructs the part and uses it, with all noise handed in.
    """

    def chance(subject: Subject) -> None:
        """Importing, constructing and using it leaves the global generators of Python, NumPy and torch alone."""
        _refuse(exercise, subject, "chance", "moves a global generator")

    def files(subject: Subject) -> None:
        """Constructing and using it writes no files."""
        _refuse(exercise, subject, "files", "writes files")

    def prints(subject: Subject) -> None:
        """Importing, constructing and using it prints nothing."""
        _refuse(exercise, subject, "prints", "prints")

    def network(subject: Subject) -> None:
        """Importing, constructing and using it needs no network."""
        _refuse(exercise, subject, "network", "goes to the network")

    return {"chance": chance, "files": files, "prints": prints, "network": network}


def _refuse(exercise: Function, subject: Subject, aspect: str, complaint: str) -> None:
    if aspect != "files":  # libraries may fill caches when they are imported first
        _ = subject.cls
        if found_early := getattr(subject.seen_at_import, aspect):
            raise CheckFailed(f"{complaint} when it is imported: {found_early[0]}")
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
