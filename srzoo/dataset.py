"""What a data set is: photos by name, in the layout that their authors gave them, and where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from srzoo.images import Image

Opener = Callable[[], Image]
"""Decodes one image; raises `srzoo.errors.ImageError`, which names the file, where that cannot be done."""


@dataclass(frozen=True)
class About:
    """What a person must know before using a data set."""

    title: str
    """Full name."""

    origin: str
    """Address of the authors' page, or who made it."""

    licence: str
    """Terms of the images, in words."""

    citation: str
    """Paper that introduced it: authors, title, venue and year."""

    download: str
    """Which files to get, and where to put them."""

    layout: tuple[str, ...]
    """The folders and files that are looked for under the root, one line each."""

    images: Mapping[str, int]
    """Number of images in each split; empty where that is the user's own affair."""


@dataclass(frozen=True)
class Record:
    """One photo of a data set, not decoded yet."""

    name: str
    """Unique within the data set."""

    source: str
    """Where it lies, for messages: a path, or a path and a place in it."""

    hr: Opener
    """Decodes HR."""

    lr: Opener | None = None
    """Decodes LR where the data set holds one for the scale asked for."""


class Dataset(ABC):
    """Photos on disk. Constructor: ``(root, *, options)``, with the folder that holds the layout.

    Constructing looks for the layout and decodes nothing; a missing one raises `srzoo.errors.DataError`, which says
    what to put where.
    """

    about: ClassVar[About]
    """Where it comes from, its terms, and how it lies on disk."""

    @abstractmethod
    def records(self, scale: int | None = None) -> Sequence[Record]:
        """All photos, in an order that is the same on every machine.

        Args:
            scale: Enlargement factor that LR is wanted for; None where HR alone is.
        """
