"""Photos that two data sets share, such as training photos that are in a test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from srzoo.data.pairs import opaque_bytes, pixel_digest
from srzoo.data.scenes import Match, Scene, Scenes, describe
from srzoo.dataset import Record
from srzoo.errors import DataError, ImageError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What of an image is compared."""

    digest: str
    """Of all pixels."""

    scene: Scene
    """Landmarks."""


def look_at(pixels: Pixels) -> Look:
    """Look at an image, uint8 (H, W, 3) or (H, W)."""
    return Look(pixel_digest(pixels), describe(pixels))


@dataclass
class _Remembered:
    """Images to hold others against."""

    names: list[str] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    by_digest: dict[str, str] = field(default_factory=dict)
    """Names by digest of all pixels."""

    def add(self, name: str, look: Look) -> None:
        self.names.append(name)
        self.scenes.append(look.scene)
        self.by_digest[look.digest] = name


class Overlap:
    """Holds one data set, whose images go by, against another.

    Of the two the smaller is kept in mind, so that neither needs to fit into memory.

    Args:
        name: What the other one is called.
        records: The images of the other one.
        count: How many images will go by.
        step: Told of every image of the other one that is looked at.
    """

    def __init__(self, name: str, records: Sequence[Record], count: int, step: Callable[[str], None]) -> None:
        self.broken: list[str] = []
        """What of the other one cannot be read."""
        self._name, self._records, self._step = name, records, step
        self._known = _Remembered()
        self._waiting = len(records) > count
        self._found: list[tuple[str, str, Match | None]] = []
        if not self._waiting:
            for record, look in self._looked_at():
                self._known.add(record.name, look)
            self._index = Scenes(self._known.scenes)

    def pass_by(self, name: str, look: Look) -> None:
        """Compare an image with the other data set, or remember it until `finish`."""
        if self._waiting:
            self._known.add(name, look)
        else:
            self._found += [(name, there, match) for there, match in self._matches(look)]

    def finish(self) -> None:
        """All images have gone by."""
        if self._waiting:
            self._index = Scenes(self._known.scenes)
            for record, look in self._looked_at():
                self._found += [(here, record.name, match) for here, match in self._matches(look)]

    def warnings(self, name: str) -> list[str]:
        """What both hold, one line each, where ``name`` is the one whose images went by."""
        return [
            f"{here} of {name} and {there} of {self._name} {_how_alike(match)}" for here, there, match in self._found
        ]

    def _matches(self, look: Look) -> Iterator[tuple[str, Match | None]]:
        same = self._known.by_digest.get(look.digest)
        if same is not None:
            yield same, None
        for match in self._index.find(look.scene):
            if self._known.names[match.index] != same:
                yield self._known.names[match.index], match

    def _looked_at(self) -> Iterator[tuple[Record, Look]]:
        for record in self._records:
            self._step(f"{self._name}: {record.name}")
            try:
                yield record, look_at(opaque_bytes(record.hr(), record.source))
            except (ImageError, DataError) as error:
                self.broken.append(f"{self._name}: {error}")


def _how_alike(match: Match | None) -> str:
    if match is None:
        return "hold the same pixels"
    return f"show the same scene (correlation {match.correlation:.2f} over {match.share:.0%} of the smaller one)"
