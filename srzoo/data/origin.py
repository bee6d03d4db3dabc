"""How an LR image came from its HR image: by which method, and whether the two lie over one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srzoo.data.shrinking import MAKERS, Maker, matlab
from srzoo.resize import Edge, imresize

Pixels = NDArray[np.uint8]

CLAMP = "MATLAB's bicubic, clamped edges"
SYMMETRIC = "MATLAB's bicubic, symmetric edges"
INSIDE = "MATLAB's bicubic, cut from a larger image"
UNKNOWN = "no method known here"

_FAR = 1.0
"""Mean absolute difference, of 255, from which on a method explains nothing."""


_WINDOW = 96
"""Largest side, in LR pixels, of the middle part that all other methods are tried on."""

_MARGIN = 4
"""LR pixels around it that edges may have changed, whatever the method."""

_EDGE = 2
"""LR pixels at the border that edges change under MATLAB's bicubic."""

SHIFTED = 0.1
"""Least distance of HR and LR, in LR pixels, that counts."""


@dataclass(frozen=True)
class Likeness:
    """How well a method explains an LR image."""

    method: str
    """Its name."""

    differing: int
    """Pixels that are not equal in every channel."""

    pixels: int
    """Pixels that were compared."""

    distance: float
    """Mean absolute difference of the values, of 255."""

    @property
    def exact(self) -> bool:
        """Whether every pixel is equal."""
        return self.differing == 0


@dataclass(frozen=True)
class Origin:
    """How one LR image was made."""

    best: Likeness
    """The method that explains it best; under `UNKNOWN` how far it is from MATLAB's."""

    matlab: Mapping[str, Likeness]
    """Under `CLAMP` and `SYMMETRIC`, over the whole image."""

    shift: tuple[float, float]
    """How far LR lies below and to the right of where HR says it should, in LR pixels."""

    @property
    def shifted(self) -> bool:
        """Whether HR and LR are misaligned."""
        return max(map(abs, self.shift)) >= SHIFTED


def origin_of(lr: Pixels, hr: Pixels) -> Origin:
    """Find out how LR was made.

    Args:
        lr: (H, W, 3) or (H, W).
        hr: (sH, sW, 3) or (sH, sW).
    """
    size = (lr.shape[0], lr.shape[1])
    rules: dict[str, Edge] = {CLAMP: "clamp", SYMMETRIC: "symmetric"}
    made = {name: imresize(hr, size=size, edge=edge) for name, edge in rules.items()}
    under = {name: _likeness(name, lr, image) for name, image in made.items()}
    best = min(under.values(), key=_closeness)
    if best.exact:
        return Origin(best, under, (0.0, 0.0))
    inner = slice(_EDGE, -_EDGE), slice(_EDGE, -_EDGE)
    if min(size) > 4 * _EDGE and (inside := _likeness(INSIDE, lr[inner], made[SYMMETRIC][inner])).exact:
        return Origin(inside, under, (0.0, 0.0))
    shift = _shift(_gray(made[SYMMETRIC]), _gray(lr))
    middle = _Middle(lr, hr)
    others = [middle.tried(method, make) for method, make in MAKERS.items()]
    if max(map(abs, shift)) >= SHIFTED:
        moved, shift = middle.moved_back(shift)
        others += moved
    found = min(best, *others, key=_closeness)
    if found.distance >= _FAR:
        found = replace(best, method=UNKNOWN)
    return Origin(found, under, shift)


def _closeness(likeness: Likeness) -> tuple[float, float]:
    return likeness.distance, likeness.differing / likeness.pixels


def _likeness(method: str, lr: Pixels, made: Pixels) -> Likeness:
    difference = np.abs(lr.astype(np.int16) - made)
    differing = int(difference.reshape(*lr.shape[:2], -1).any(axis=2).sum())
    return Likeness(method, differing, lr.shape[0] * lr.shape[1], float(difference.mean()))


class _Middle:
    """The middle of an image, where edges have changed nothing and which is enough to tell methods apart."""

    def __init__(self, lr: Pixels, hr: Pixels) -> None:
        self._hr, self._scale = hr, hr.shape[0] // lr.shape[0]
        self._ends = [_middle(length) for length in lr.shape[:2]]
        (top, bottom), (left, right) = self._ends
        self._size = bottom - top, right - left
        margin = _MARGIN if min(self._size) > 4 * _MARGIN else 0
        self._inner = slice(margin, self._size[0] - margin), slice(margin, self._size[1] - margin)
        self._lr = lr[top:bottom, left:right][self._inner]

    def tried(self, method: str, make: Maker, shift: tuple[int, int] = (0, 0)) -> Likeness:
        """A method's LR against the true one, HR being moved by ``shift`` before."""
        rows, columns = (
            slice(first * self._scale - moved, last * self._scale - moved)
            for (first, last), moved in zip(self._ends, shift, strict=True)
        )
        return _likeness(method, self._lr, make(self._hr[rows, columns], self._size)[self._inner])

    def moved_back(self, shift: tuple[float, float]) -> tuple[list[Likeness], tuple[float, float]]:
        """MATLAB's bicubic of HR moved by whole pixels near to an estimate, where that is better; and by how far."""
        guess = [round(each * self._scale) for each in shift]
        best, place = self.tried("", matlab), (0, 0)
        for down in range(guess[0] - 1, guess[0] + 2):
            for across in range(guess[1] - 1, guess[1] + 2):
                if self._fits((down, across)):
                    found = self.tried(f"MATLAB's bicubic of HR {moved_text(down, across)}", matlab, (down, across))
                    best, place = min((best, place), (found, (down, across)), key=lambda each: each[0].distance)
        if place == (0, 0):
            return [], shift
        return [best], (place[0] / self._scale, place[1] / self._scale)

    def _fits(self, shift: tuple[int, int]) -> bool:
        return all(
            first * self._scale >= moved and last * self._scale - moved <= length
            for (first, last), moved, length in zip(self._ends, shift, self._hr.shape[:2], strict=True)
        )


def moved_text(down: float, across: float) -> str:
    """A shift in words, such as ``moved 1 down and 2 left``."""
    parts = [f"{abs(down):g} {'down' if down > 0 else 'up'}"] if down else []
    parts += [f"{abs(across):g} {'right' if across > 0 else 'left'}"] if across else []
    return f"moved {' and '.join(parts) or '0'}"


def _middle(length: int) -> tuple[int, int]:
    """First and last of the positions that are tried, with room to move HR where the side is long enough."""
    room = 2 * _MARGIN if length > 6 * _MARGIN else 0
    side = min(length - room, _WINDOW)
    start = (length - side) // 2
    return start, start + side


def _shift(expected: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[float, float]:
    """How far (down, right) the content of one image lies from that of another of the same size, in pixels.

    Whole pixels by phase correlation, Kuglin and Hines (1975), "The phase correlation image alignment method"; the
    rest by least squares on the gradient, Lucas and Kanade (1981), "An iterative image registration technique".
    """
    if min(expected.shape) < 8:
        return 0.0, 0.0
    window = np.outer(*(np.hanning(length + 2)[1:-1] for length in expected.shape))
    spectrum = np.fft.fft2((found - found.mean()) * window) * np.conj(
        np.fft.fft2((expected - expected.mean()) * window)
    )
    peaks = np.fft.ifft2(spectrum / np.maximum(np.abs(spectrum), 1e-9)).real
    place = np.unravel_index(int(peaks.argmax()), peaks.shape)
    whole = [
        int(each) - length if each > length // 2 else int(each) for each, length in zip(place, peaks.shape, strict=True)
    ]
    if max(map(abs, whole)) > min(expected.shape) // 4:
        whole = [0, 0]
    total = np.array(whole, dtype=np.float64)
    for _ in range(3):
        rows, columns = (round(float(each)) for each in total)
        here, there = _overlap(expected, found, rows, columns)
        total = np.array([rows, columns]) + _rest(here, there)
    return float(total[0]), float(total[1])


def _overlap(expected: NDArray[Any], found: NDArray[Any], down: int, across: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The parts of two images that show the same, where the second lies further down and to the right."""
    height, width = expected.shape
    rows, columns = slice(max(0, -down), height - max(0, down)), slice(max(0, -across), width - max(0, across))
    moved = slice(max(0, down), height + min(0, down)), slice(max(0, across), width + min(0, across))
    return expected[rows, columns], found[moved]


def _rest(expected: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a shift that is less than a pixel."""
    mean = (expected + found) / 2
    down, across = np.gradient(mean, axis=0), np.gradient(mean, axis=1)
    inner = slice(2, -2), slice(2, -2)
    gradient = np.stack([down[inner].ravel(), across[inner].ravel()], axis=1)
    change = (expected - found)[inner].ravel()
    solution, *_ = np.linalg.lstsq(gradient, change, rcond=None)
    return np.clip(solution, -1, 1)


def _gray(image: Pixels) -> NDArray[np.float64]:
    return image.astype(np.float64) if image.ndim == 2 else image.astype(np.float64).mean(axis=2)
