"""Packs: many images in one safetensors file, from which a part of an image is read without decoding the whole.

The file holds uint8 tensors ``hr/NAME`` and ``lr/x4/NAME``, (H, W, 3) or (H, W), and JSON under ``srzoo`` in its
metadata. It is mapped into memory: reading a crop costs its own pixels, whatever the size of the image.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from srzoo.dataset import Picture
from srzoo.errors import DataError, ImageError
from srzoo.images import Image

FORMAT = "srzoo-pack"
VERSION = 1
MOST_HEADER = 100_000_000
"""Longest header, in bytes, that readers of safetensors files accept."""

_MAKE = "make it again with: srzoo data prepare --pack"


class PackWriter:
    """Writes a pack, one image after the other.

    The header comes first in the file and is known last, so that room for it is kept.

    Args:
        file: An empty file, open for writing.
        room: Bytes for the header; see `room_for`.
    """

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file, self._room = file, room
        self._tensors: dict[str, Any] = {}
        self._end = 0
        file.seek(8 + room)

    @staticmethod
    def room_for(name: str) -> int:
        """Most bytes that one image takes in the header."""
        return len(json.dumps(name)) + 120

    def add(self, name: str, pixels: NDArray[np.uint8]) -> None:
        """Append an image, (H, W, 3) or (H, W)."""
        end = self._end + pixels.nbytes
        self._file.write(np.ascontiguousarray(pixels).data)
        self._tensors[name] = {"dtype": "U8", "shape": list(pixels.shape), "data_offsets": [self._end, end]}
        self._end = end

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the header.

        Args:
            facts: JSON values on what the pack is and was made from.

        Raises:
            DataError: There are too many images for one pack.
        """
        text = json.dumps({"format": FORMAT, "version": VERSION, **facts}, sort_keys=True)
        header = json.dumps({"__metadata__": {"srzoo": text}, **self._tensors}, separators=(",", ":")).encode()
        if len(header) > self._room:
            raise DataError(f"{len(self._tensors)} images are too many for one pack; pack them in parts")
        self._file.seek(0)
        self._file.write(self._room.to_bytes(8, "little") + header.ljust(self._room))


@lru_cache(maxsize=8)
def _mapped(path: str, stamp: tuple[int, int]) -> NDArray[np.uint8]:
    """All bytes of a file, mapped into memory; ``stamp`` differs where the file does."""
    return np.memmap(path, np.uint8, "r")


@dataclass(frozen=True, slots=True)
class PackedPicture(Picture):
    """An image in a pack."""

    windowed: ClassVar[bool] = True

    path: str
    """The pack."""

    stamp: tuple[int, int]
    """Size and time of the file when it was opened."""

    start: int
    """Where the image begins in the file."""

    shape: tuple[int, ...]
    """(H, W, 3) or (H, W)."""

    def __call__(self) -> Image:
        return self.window(0, 0, *self.size)

    @property
    def size(self) -> tuple[int, int]:
        return self.shape[0], self.shape[1]

    def window(self, top: int, left: int, height: int, width: int) -> Image:
        try:
            content = _mapped(self.path, self.stamp)
        except (OSError, ValueError) as error:
            raise ImageError(f"{self.path} cannot be read ({error}); check that it is still there") from None
        whole = content[self.start : self.start + int(np.prod(self.shape))].reshape(self.shape)
        # A copy: nothing is read from the disk later, where a failure would have no name.
        return Image(np.array(whole[top : top + height, left : left + width]))


class Pack:
    """What a pack holds.

    Raises:
        DataError: The file is missing, cut short, or no pack.
    """

    def __init__(self, path: Path) -> None:
        try:
            status = os.stat(path)
            header, start = _read_header(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}); give a *.safetensors pack") from None
        self.facts = _facts(header, path)
        """Format, version, and what it was made from."""
        self.pictures: dict[str, Picture] = {}
        """Every image by its name in the file."""
        end = start
        for name, entry in header.items():
            if name != "__metadata__":
                shape = _shape(entry, f"{path}: {name}")
                first = start + entry["data_offsets"][0]
                end = max(end, start + entry["data_offsets"][1])
                stamp = (status.st_size, status.st_mtime_ns)
                self.pictures[name] = PackedPicture(str(path), stamp, first, shape)
        if end != status.st_size:
            raise DataError(f"{path} has {status.st_size} bytes where {end} belong; copy it again")


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The table of a safetensors file, and where its data begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= MOST_HEADER else b""
    try:
        header = json.loads(text)
        if all(
            {"dtype", "shape", "data_offsets"} <= entry.keys() for name, entry in header.items() if name[:2] != "__"
        ):
            return header, 8 + length
    except (ValueError, AttributeError):
        pass
    raise DataError(f"{path} is no whole safetensors file; {_MAKE}")


def _facts(header: Mapping[str, Any], path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(header.get("__metadata__", {}).get("srzoo", "{}"))
    except ValueError:
        facts = {}
    if facts.get("format") != FORMAT:
        raise DataError(f"{path} holds {facts.get('format', 'something else')}, not images; {_MAKE}")
    if facts.get("version") != VERSION:
        raise DataError(f"{path} is a pack of version {facts.get('version')}, which this srzoo cannot read; {_MAKE}")
    return dict(facts)


def _shape(entry: Mapping[str, Any], what: str) -> tuple[int, ...]:
    shape = tuple(entry["shape"])
    first, end = entry["data_offsets"]
    if entry["dtype"] != "U8" or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or 0 in shape:
        raise DataError(f"{what} is {entry['dtype']} {list(shape)}, no uint8 image; {_MAKE}")
    if end - first != int(np.prod(shape)):
        raise DataError(f"{what} has {end - first} bytes for {list(shape)}; {_MAKE}")
    return shape
