"""Enlargement factors: whole numbers, or exact fractions such as 5/2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from numbers import Integral, Real

Scale = int | Fraction
"""An enlargement factor: an int where it is whole, else a `Fraction`."""

LARGEST = 16
"""Largest enlargement factor."""

LARGEST_DENOMINATOR = 20
"""Largest denominator of an enlargement factor; images are padded, and tiles start, at multiples of it."""


_TEXT = re.compile(r"\d{1,9}(\.\d{1,18})?|\d{1,9}/\d{1,9}")


def exact_scale(value: object) -> Scale:
    """Read an enlargement factor.

    Args:
        value: A whole number, a `Fraction`, a float such as 2.5, or text such as ``"2.5"`` or ``"5/2"``. A float next
            to a fraction means the fraction: ``7 / 3`` is 7/3.

    Raises:
        ValueError: It is none of these, or out of range.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):  # NumPy's as well
        value = int(value)
    elif isinstance(value, Real) and not isinstance(value, Fraction | bool):
        value = float(value)
    wrong = f"{value} is no scale: write a number from 1 to {LARGEST} such as 4, 2.5 or 5/2"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
        raise ValueError(wrong)
    if isinstance(value, str) and not _TEXT.fullmatch(value.strip()):
        raise ValueError(wrong)
    try:
        exact = Fraction(value)
    except (ValueError, ArithmeticError):  # NaN, infinity and 1/0
        raise ValueError(wrong) from None
    near = exact.limit_denominator(LARGEST_DENOMINATOR)
    if isinstance(value, float) and abs(exact - near) < 1e-9:
        exact = near
    if not 1 <= exact <= LARGEST:
        raise ValueError(f"scale {value} is out of range: write a number from 1 to {LARGEST} such as 4, 2.5 or 5/2")
    if exact != near:
        raise ValueError(f"scale {value} has a denominator above {LARGEST_DENOMINATOR}: write {near}, which is near")
    return int(exact) if exact.denominator == 1 else exact


def plain(scale: Scale) -> int | str:
    """A scale as a JSON value that `exact_scale` reads back: 4, or ``"5/2"``."""
    return scale if isinstance(scale, int) else str(scale)


def scaled(length: int, scale: Scale) -> int:
    """How many pixels ``length`` pixels become, rounded down.

    Down and not to the nearest, so that every pixel of the result lies within what was given; and a tile that starts
    at a whole pixel of the result has as many pixels as its share of the whole.
    """
    return length * scale if isinstance(scale, int) else floor(length * scale)


def scaled_size(size: Sequence[int], scale: Scale) -> tuple[int, int]:
    """Height and width of an image that was ``size`` before, rounded down."""
    height, width = size
    return scaled(height, scale), scaled(width, scale)


def denominator(scale: Scale) -> int:
    """Smallest number of pixels that become a whole number of them."""
    return Fraction(scale).denominator
