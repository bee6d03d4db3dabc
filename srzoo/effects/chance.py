"""Ranges and probabilities as options, and what is drawn by them."""

from __future__ import annotations

from typing import Annotated, TypeVar

import numpy as np
from pydantic import AfterValidator, Field

Number = TypeVar("Number", int, float)


def ascending(value: tuple[Number, Number]) -> tuple[Number, Number]:
    """Refuse a range whose end lies before its beginning."""
    if value[0] > value[1]:
        raise ValueError("the first number must not exceed the second")
    return value


Positive = Annotated[float, Field(gt=0)]

Range = Annotated[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], AfterValidator(ascending)]
"""Least and largest value; twice the same number is that number."""

PositiveRange = Annotated[tuple[Positive, Positive], AfterValidator(ascending)]
"""Likewise, without 0."""

QualityRange = Annotated[
    tuple[Annotated[int, Field(ge=1, le=95)], Annotated[int, Field(ge=1, le=95)]], AfterValidator(ascending)
]
"""Least and largest quality of JPEG files, in libjpeg's scale."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A probability."""


def between(draw: np.random.Generator, limits: tuple[float, float]) -> float:
    """A number evenly from a range; where that is one number nothing is drawn."""
    low, high = limits
    return low if low == high else float(draw.uniform(low, high))


def happens(draw: np.random.Generator, share: float) -> bool:
    """Whether something of this probability comes to pass; where that is certain nothing is drawn."""
    return share >= 1 or (share > 0 and float(draw.random()) < share)


def pick(draw: np.random.Generator, chances: tuple[float, ...]) -> int:
    """The number of one of several things, by their relative chances."""
    point = float(draw.random()) * sum(chances)
    reached = 0.0
    for number, chance in enumerate(chances):
        reached += chance
        if point < reached:
            return number
    return max(number for number, chance in enumerate(chances) if chance)
