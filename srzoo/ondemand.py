"""Sequences of what takes time or memory, made item by item when it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

Item = TypeVar("Item", covariant=True)


class OnDemand(Sequence[Item]):
    """A sequence that makes its items when they are asked for, and keeps none."""

    @abstractmethod
    def make(self, index: int) -> Item:
        """Make the item of that number, counted from 0."""

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        numbers = range(len(self))[index]
        return self.make(numbers) if isinstance(numbers, int) else [self.make(number) for number in numbers]
