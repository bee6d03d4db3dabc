"""What PNG files say of themselves behind their pixels, where Pillow looks only once it has decoded them.

Source: PNG specification (third edition), sections 5 (chunks) and 11.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

LENGTH = 1 << 16
"""Bytes at the end of a file that are looked at: to walk through all of it would be to read it."""

_XMP = b"XML:com.adobe.xmp"


def tail_of(path: str | os.PathLike[str]) -> dict[str, bytes | str]:
    """EXIF and XMP that stand within the last `LENGTH` bytes, under the names that Pillow has for them.

    Args:
        path: A PNG file.
    """
    with Path(path).open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LENGTH))
        tail = file.read()
    found: dict[str, bytes | str] = {}
    for body in _chunks(tail, b"eXIf"):
        found["exif"] = b"Exif\0\0" + body
    for body in _chunks(tail, b"iTXt"):
        if body.startswith(_XMP + b"\0\0"):  # not compressed
            found[_XMP.decode()] = body[len(_XMP) + 3 :].split(b"\0", 2)[-1].decode("utf-8", "replace")
    return found


def _chunks(tail: bytes, kind: bytes) -> Iterator[bytes]:
    """What the whole chunks of a kind hold; a checksum tells them from bytes that happen to read like one."""
    at = tail.find(kind, 4)
    while at >= 0:
        (length,) = struct.unpack(">I", tail[at - 4 : at])
        end = at + 4 + length
        if tail[end : end + 4] == struct.pack(">I", zlib.crc32(tail[at:end])):
            yield tail[at + 4 : end]
        at = tail.find(kind, at + 1)
