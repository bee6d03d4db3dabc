"""Finding copies of a picture: the same scene cut, enlarged or shrunk, brightened or saved as JPEG.

Each picture is described by landmarks: extrema of a difference of Gaussians at several sizes, as in Lowe (2004),
"Distinctive image features from scale-invariant keypoints", each with its small surroundings. Pictures that share
landmarks in the same arrangement are laid over one another, and are one scene where what they share then correlates.
Mirrored and turned copies are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from srzoo.resize import imresize

Floats = NDArray[np.float32]

_SIDE = 448
"""Longest side at which pictures are looked at, in pixels."""

_STEP = 2**-0.5
"""Size of each level to the one before."""

_SMALLEST = 40
"""Shortest side of the smallest level, in pixels."""

_DENSITY = 600
"""Pixels of a level for each landmark that is kept on it."""

_ASKED = 256
"""Landmarks of a picture that are looked for among all those of the known ones."""

_BLOCK = 32768
"""Known landmarks that are compared at once."""

_GRID = 8
"""Surroundings of a landmark are sampled on ``_GRID`` x ``_GRID`` points, ``_SPACING`` pixels of its level apart."""

_SPACING = 2.5

_ALIKE = 0.9
"""Least correlation of the surroundings of two landmarks that may be one."""

_AGREEING = 6
"""Fewest landmarks that must lie in the same arrangement."""

_SAME = 0.8
"""Least correlation of the details of two pictures, laid over one another, that are one scene."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is remembered of a picture."""

    points: Floats
    """Landmarks (K, 2) as row and column, in pixels of ``gray``; the strongest of every size first."""

    surroundings: Floats
    """(K, 64); mean 0 and length 1."""

    gray: NDArray[np.uint8]
    """Luma (H, W), shrunk to at most 448 pixels: what is laid over one another in the end."""


@dataclass(frozen=True)
class Match:
    """Two pictures of one scene."""

    index: int
    """Which of the known scenes."""

    correlation: float
    """Of the details of the part that both show; 1 for identical ones."""

    share: float
    """Part of the smaller picture's area that both show."""


def describe(pixels: NDArray[np.uint8]) -> Scene:
    """Look for landmarks.

    Args:
        pixels: (H, W, 3) or (H, W), uint8.
    """
    gray = (pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)) if pixels.ndim == 3 else pixels
    gray = _shrunk(gray.astype(np.float32), _SIDE / max(gray.shape))
    small = np.clip(np.rint(gray), 0, 255).astype(np.uint8)
    points, patches, ranks = [], [], []
    level, size = gray, 1.0
    while min(level.shape) >= _SMALLEST:
        found = _extrema(level)
        points.append(((found + 0.5) * (np.array(gray.shape) / np.array(level.shape)) - 0.5).astype(np.float32))
        patches.append(_surroundings(level, found))
        ranks.append(np.arange(len(found)) / max(1, len(found)))
        size *= _STEP
        level = _shrunk(gray, size)
    if not points:
        return Scene(np.zeros((0, 2), np.float32), np.zeros((0, _GRID**2), np.float32), small)
    order = np.argsort(np.concatenate(ranks), kind="stable")
    return Scene(np.concatenate(points)[order], np.concatenate(patches)[order], small)


class Scenes:
    """Known pictures, among which copies of others are looked for."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = list(scenes)
        nothing = np.zeros((0, _GRID**2), np.float32), np.zeros((0, 2), np.float32)
        self._surroundings = np.concatenate([nothing[0], *(scene.surroundings for scene in scenes)])
        self._points = np.concatenate([nothing[1], *(scene.points for scene in scenes)])
        self._owner = np.repeat(np.arange(len(scenes)), [len(scene.points) for scene in scenes])

    def find(self, scene: Scene) -> list[Match]:
        """The known pictures that show the same scene, the surest first."""
        if not len(scene.points) or not len(self._points):
            return []
        best, partner = self._nearest(scene.surroundings[:_ASKED])
        good = np.flatnonzero(best >= _ALIKE)
        partners = partner[good]
        matches = []
        for index in np.unique(self._owner[partners]):
            here = self._owner[partners] == index
            fit = _arrangement(scene.points[good[here]], self._points[partners[here]])
            if fit is not None:
                correlation, share = _laid_over(scene.gray, self._scenes[index].gray, *fit)
                if correlation >= _SAME:
                    matches.append(Match(int(index), correlation, share))
        return sorted(matches, key=lambda match: -match.correlation)

    def _nearest(self, surroundings: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """For each of some landmarks the most alike of the known ones: correlation and number."""
        best = np.full(len(surroundings), -1, np.float32)
        partner = np.zeros(len(surroundings), np.int64)
        for start in range(0, len(self._surroundings), _BLOCK):
            alike = surroundings @ self._surroundings[start : start + _BLOCK].T
            found = alike.argmax(axis=1)
            value = alike[np.arange(len(found)), found]
            partner = np.where(value > best, start + found, partner)
            best = np.maximum(best, value)
        return best, partner


def _shrunk(gray: Floats, scale: float) -> Floats:
    if scale >= 1:
        return gray
    height, width = (max(1, round(length * scale)) for length in gray.shape)
    return imresize(gray, size=(height, width)).astype(np.float32)


def _blurred(image: Floats, sigma: float) -> Floats:
    """Gaussian blur, edges repeated."""
    radius = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        margin = [(radius, radius) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.moveaxis(np.pad(image, margin, mode="edge"), axis, 0)
        total = np.zeros_like(padded[2 * radius :])
        for shift, weight in enumerate(kernel):
            total += weight * padded[shift : shift + len(total)]
        image = np.moveaxis(total, 0, axis)
    return image


def _extrema(level: Floats) -> NDArray[np.int64]:
    """Rows and columns (K, 2) of the strongest extrema of a difference of Gaussians."""
    response = np.abs(_blurred(level, 1.2) - _blurred(level, 2.0))
    inner = response[2:-2, 2:-2]
    height, width = inner.shape
    neighbours = [
        response[row : row + height, column : column + width]
        for row in range(5)
        for column in range(5)
        if (row, column) != (2, 2)
    ]
    peak = (inner > np.maximum.reduce(neighbours)) & (inner > 1)
    rows, columns = np.nonzero(peak)
    strongest = np.argsort(-inner[rows, columns], kind="stable")[: max(20, level.size // _DENSITY)]
    return np.stack([rows[strongest], columns[strongest]], axis=1) + 2


def _surroundings(level: Floats, points: NDArray[np.int64]) -> Floats:
    smooth = _blurred(level, 1.6)
    reach = (_GRID - 1) / 2 * _SPACING
    offsets = np.rint(np.linspace(-reach, reach, _GRID)).astype(np.int64)
    rows = np.clip(points[:, :1] + offsets, 0, level.shape[0] - 1)
    columns = np.clip(points[:, 1:] + offsets, 0, level.shape[1] - 1)
    patches = smooth[rows[:, :, None], columns[:, None, :]].reshape(len(points), _GRID**2)
    patches = patches - patches.mean(axis=1, keepdims=True)
    length = np.linalg.norm(patches, axis=1, keepdims=True)
    return (patches / np.maximum(length, 1e-6)).astype(np.float32)


def _arrangement(here: Floats, there: Floats) -> tuple[float, NDArray[np.float64]] | None:
    """Scale and shift (2,) with ``there = scale * here + shift`` for as many landmarks as agree; None if too few do."""
    count = len(here)
    if count < _AGREEING:
        return None
    first, second = np.triu_indices(count, 1)
    between = np.linalg.norm(here[first] - here[second], axis=1)
    far = np.flatnonzero(between > 12)
    chosen = far[np.random.default_rng(0).permutation(len(far))[:400]]
    best = np.zeros(count, bool)
    for a, b in zip(first[chosen], second[chosen], strict=True):
        guess = float(np.linalg.norm(there[a] - there[b]) / np.linalg.norm(here[a] - here[b]))
        if not 0.1 < guess < 10:
            continue
        shift = (there[a] + there[b] - guess * (here[a] + here[b])) / 2
        agree = np.linalg.norm(guess * here + shift - there, axis=1) < 3 * max(1.0, guess)
        if agree.sum() > best.sum():
            best = agree
    if best.sum() < _AGREEING:
        return None
    return _least_squares(here[best].astype(np.float64), there[best].astype(np.float64))


def _least_squares(here: NDArray[np.float64], there: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]] | None:
    """The scale and shift that fit best; None where they would mirror."""
    middle, target = here.mean(axis=0), there.mean(axis=0)
    centred = here - middle
    scale = float((centred * (there - target)).sum() / max(float((centred**2).sum()), 1e-9))
    return (scale, target - scale * middle) if scale > 0 else None


def _laid_over(
    here: NDArray[np.uint8], there: NDArray[np.uint8], scale: float, shift: NDArray[np.float64]
) -> tuple[float, float]:
    """Correlation of the details of what both pictures show, and which share of the smaller one that is."""
    start = np.maximum(0, -shift / scale)
    end = np.minimum(here.shape, (np.array(there.shape) - shift) / scale)
    if min(end - start) < 16 or min((end - start) * scale) < 16:
        return 0.0, 0.0
    height, width = end - start
    step = max(height, width) / 96
    grid = (max(8, int(height / step)), max(8, int(width / step)))
    parts = [
        _sampled(picture, first, last, grid)
        for picture, first, last in ((here, start, end), (there, scale * start + shift, scale * end + shift))
    ]
    details = [_blurred(part, 0.8) - _blurred(part, 3.0) for part in parts]
    correlation = max(
        _correlation(details[0][2:-2, 2:-2], details[1][2 + row : grid[0] - 2 + row, 2 + column : grid[1] - 2 + column])
        for row in (-2, -1, 0, 1, 2)
        for column in (-2, -1, 0, 1, 2)
    )
    smaller = min(here.size, there.size / scale**2)
    return correlation, float(min(1.0, height * width / smaller))


def _sampled(
    picture: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], grid: tuple[int, int]
) -> Floats:
    """A part of a picture on a grid, to the nearest pixel."""
    (top, left), (bottom, right) = np.rint(start).astype(int), np.rint(end).astype(int)
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    return imresize(part.astype(np.float32), size=grid)


def _correlation(first: Floats, second: Floats) -> float:
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / size if size > 1e-6 else 0.0
