"""What a data set is: photos by name, in the layout that their authors gave them, and where they come from."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from srzoo.images import Image, image_size, read_image


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
class UsualCopy:
    """Fingerprints of the copy of a test set that published numbers were measured on, at one scale."""

    scale: int
    """Enlargement factor."""

    hr: str
    """Fingerprint of all HR images, cropped to multiples of the scale."""

    lr: Mapping[str, str]
    """Fingerprint of all LR images for each edge rule of MATLAB's bicubic, ``clamp`` and ``symmetric``."""


class Picture(ABC):
    """One image of a data set, decoded when it is called."""

    windowed: ClassVar[bool] = False
    """Whether `window` reads no more than it is asked for; else it decodes the whole image."""

    @abstractmethod
    def __call__(self) -> Image:
        """Decode it.

        Raises:
            ImageError: It cannot be read; the message names its file.
        """

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, upright; cheap for files and packs.

        Raises:
            ImageError: It cannot be read.
        """
        height, width = self().pixels.shape[:2]
        return height, width

    def window(self, top: int, left: int, height: int, width: int) -> Image:
        """A part of it: ``height`` x ``width`` pixels whose first is (``top``, ``left``), inside the image.

        Raises:
            ImageError: It cannot be read.
        """
        return cut(self(), top, left, height, width)


def cut(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """A part of a decoded image, without its EXIF block."""
    rows, columns = slice(top, top + height), slice(left, left + width)
    alpha = None if image.alpha is None else image.alpha[rows, columns]
    return Image(image.pixels[rows, columns], alpha, image.icc_profile, depth=image.depth)


@dataclass(frozen=True, slots=True)
class FilePicture(Picture):
    """An image file."""

    path: str
    """Where it lies."""

    def __call__(self) -> Image:
        return read_image(self.path)

    @property
    def size(self) -> tuple[int, int]:
        return image_size(self.path)


@dataclass(frozen=True, slots=True)
class Record:
    """One photo of a data set, not decoded yet."""

    name: str
    """Unique within the data set."""

    source: str
    """Where it lies, for messages: a path, or a path and a place in it."""

    hr: Picture
    """HR."""

    lr: Picture | None = None
    """LR where the data set holds one for the scale asked for."""


class Dataset(ABC):
    """Photos on disk. Constructor: ``(root, *, options)``, with the folder or file that holds the layout.

    Constructing looks for the layout and decodes nothing; a missing one raises `srzoo.errors.DataError`, which says
    what to put where.
    """

    about: ClassVar[About]
    """Where it comes from, its terms, and how it lies on disk."""

    places: ClassVar[tuple[str, ...]] = ()
    """Where the root is looked for below the folder of all data, in any case; empty where nobody could guess."""

    modulus: ClassVar[int] = 1
    """The authors' own HR images have sides that are multiples of this."""

    usual: ClassVar[tuple[UsualCopy, ...]] = ()
    """What is known of the copy that everybody measures on."""

    @abstractmethod
    def records(self, scale: int | None = None) -> Sequence[Record]:
        """All photos, in an order that is the same on every machine.

        Args:
            scale: Enlargement factor that LR is wanted for; None where HR alone is.

        Raises:
            DataError: Nothing can be used at this scale.
        """

    def problems(self, scale: int | None = None) -> Sequence[str]:
        """What `records` had to leave out, one line each that names files: no partner, two files with one name.

        Scoring stops at these; training, verifying and preparing go on without.
        """
        return ()

    @classmethod
    def roots(cls, below: Iterable[Path]) -> list[Path]:
        """Where the data set may lie, the likeliest first: every one of `places` that exists below one of the folders.

        Names are compared in lower case, so that ``set5`` is found where `places` says ``Set5``.
        """
        found = [root for folder in below for place in cls.places if (root := _descend(folder, place)) is not None]
        return list(dict.fromkeys(found))


def _descend(folder: Path, place: str) -> Path | None:
    """Follow a relative path whatever the case of its names; None if it leads nowhere."""
    for name in Path(place).parts:
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            return None
        match = name if name in entries else next((each for each in entries if each.lower() == name.lower()), None)
        if match is None:
            return None
        folder = folder / match
    return folder if folder.exists() else None
