"""What PNG files say of themselves behind their pixels, where Pillow looks only once it has decoded them.

Source: PNG specification (third edition), sections 5 (chunks) and 11.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_XMP = b"XML:com.adobe.xmp"


def tail_of(path: str | os.PathLike[str]) -> dict[str, bytes | str]:
    """EXIF and XMP that stand behind the pixels, under the names that Pillow has for them.

    Args:
        path: A PNG file; its pixels are skipped, not read.
    """
    found: dict[str, bytes | str] = {}
    behind = False
    with Path(path).open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            behind = behind or kind == b"IDAT"
            if not behind or kind not in (b"eXIf", b"iTXt"):
                file.seek(length + 4, os.SEEK_CUR)
                continue
            body = file.read(length)
            file.seek(4, os.SEEK_CUR)
            if kind == b"eXIf":
                found["exif"] = b"Exif\0\0" + body
            elif body.startswith(_XMP + b"\0\0"):  # not compressed
                found[_XMP.decode()] = body[len(_XMP) + 3 :].split(b"\0", 2)[-1].decode("utf-8", "replace")
    return found
