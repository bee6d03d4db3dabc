"""What a tensor at a seam looks like, known before the tensor exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm


@dataclass(frozen=True)
class Spec:
    """Channels and stride of a feature map of shape (N, ``channels``, H / ``stride``, W / ``stride``)."""

    channels: int
    """Number of channels."""

    stride: Fraction = Fraction(1)
    """Distance of two neighbouring positions in LR pixels: LR itself is 1, an x4 output 1/4."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stride", Fraction(self.stride))
        if self.channels < 1 or self.stride <= 0:
            raise ValueError(f"a spec needs channels >= 1 and stride > 0, got {self}")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of this map for a padded LR image of ``height`` x ``width`` pixels.

        Raises:
            ValueError: They are not whole.
        """
        h, w = height / self.stride, width / self.stride
        if h.denominator != 1 or w.denominator != 1:
            raise ValueError(f"an LR image of {height}x{width} has no whole map of stride {self.stride}")
        return int(h), int(w)

    def __str__(self) -> str:
        return f"{self.channels}ch /{self.stride}" if self.stride >= 1 else f"{self.channels}ch x{1 / self.stride}"


def prime_factors(number: int) -> list[int]:
    """Prime factors of ``number``, largest first: 56 gives [7, 2, 2, 2], 1 gives []."""
    factors: list[int] = []
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors[::-1]


def resampling_steps(source: Fraction, target: Fraction) -> tuple[list[int], list[int]]:
    """Whole-number steps from stride ``source`` to stride ``target``.

    Returns:
        The factors to enlarge by, then the factors to shrink by. From 14 to 1/4 that is
        ([7, 2, 2, 2], []); from 14 to 4 it is ([7], [2]).
    """
    ratio = Fraction(source) / Fraction(target)
    return prime_factors(ratio.numerator), prime_factors(ratio.denominator)


def common_multiple(values: Iterable[Fraction | int]) -> int:
    """Smallest whole number that every fraction in ``values`` divides a whole number of times."""
    return lcm(1, *(Fraction(value).numerator for value in values))
