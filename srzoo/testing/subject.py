"""A part under test: found by name or given as a class, and constructed in every situation of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from srzoo.errors import AssemblyError
from srzoo.options import construct_kwargs, resolve
from srzoo.parts import find_kind
from srzoo.registry import REGISTRY
from srzoo.testing.watch import Seen, watched

Given = tuple[Any, ...]
"""Positional arguments of a part's constructor, which come from srzoo."""


class CheckFailed(AssertionError):
    """A part does not keep what its kind promises; the message says what and where."""


class CannotCheck(Exception):
    """What a part needs is not at hand, through no fault of its own; the message says what to get."""


class Subject:
    """A part under test; it is imported when a check first needs its class.

    Args:
        kind: Kind of part, in any spelling.
        part: Its name as in a configuration (``name``, ``distribution:name``, ``family/variant``), or the class itself.
        options: Options to test it with, as JSON values; defaults where not given.
        given: Positional arguments to construct it with, one tuple per situation; those of its kind if empty.
    """

    def __init__(
        self,
        kind: str,
        part: str | type,
        *,
        options: Mapping[str, Any] | None = None,
        given: Sequence[Given] = (),
    ) -> None:
        self.kind = find_kind(kind)
        self.given = tuple(given)
        self._part = part
        self._options = dict(options or {})
        self.seen_at_import = Seen()
        """What importing it did, if it was imported for the first time by asking for `cls`."""

    @property
    def owner(self) -> str:
        """How messages name it."""
        return f"{self.kind.name} {self._part if isinstance(self._part, str) else self._part.__qualname__}"

    @cached_property
    def cls(self) -> type:
        """The class; imported here.

        Raises:
            CheckFailed: A class that was given is not what its kind asks for.
            SrzooError: The name leads to nothing, or to something broken.
        """
        if isinstance(self._part, str):
            found = REGISTRY.resolve(self.kind.name, self._part)
            with watched() as self.seen_at_import:
                return found.ref.load()
        if problem := self.kind.problem(self._part):
            raise CheckFailed(problem)
        return self._part

    @cached_property
    def options(self) -> dict[str, Any]:
        """All options as JSON values: those of the test, and the defaults of the rest."""
        given = dict(self._options)
        if isinstance(self._part, str) and (variant := REGISTRY.resolve(self.kind.name, self._part).variant):
            given["variant"] = variant
        return resolve(self.cls, given, self.owner)

    def make(self, given: Given, seed: int = 0) -> Any:
        """Construct the part; initial weights depend on the seed, and torch's global generator is left alone."""
        arguments = construct_kwargs(self.cls, self.options, self.owner)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.cls(*given, **arguments)

    def make_plain(self, given: Given) -> Any:
        """Construct the part without a single option."""
        with torch.random.fork_rng(devices=[]):
            return self.cls(*given)

    def made(self, situations: Sequence[Given], make: Callable[[Given], Any]) -> Iterator[tuple[Given, Any]]:
        """Construct the part in each situation that it does not refuse.

        Args:
            situations: Those of its kind; a test may have given others.
            make: How to construct it.

        Raises:
            CheckFailed: It refuses them all.
        """
        refused = ""
        accepted = 0
        for given in self.given or situations:
            try:
                part = make(given)
            except AssemblyError as error:
                refused = str(error)
                continue
            accepted += 1
            yield given, part
        if not accepted:
            raise CheckFailed(f"refuses every situation, the last with: {refused}; name those that it takes as given=")
