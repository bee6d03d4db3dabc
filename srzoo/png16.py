"""PNG files of 16 bits per channel, which Pillow would cut to 8.

Source: PNG specification (third edition), sections 9 (filtering) and 11 (chunks).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import ImageError

Pixels = NDArray[Any]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels of each PNG colour type."""


def is_deep_png(data: bytes) -> bool:
    """Whether the bytes begin a PNG file of 16 bits per channel."""
    return data.startswith(_PNG_SIGNATURE) and data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def decode_deep_png(data: bytes) -> Pixels:
    """Decode a PNG file.

    Returns:
        uint16 (H, W, C) with 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha) channels.

    Raises:
        ImageError: It is interlaced.
        ValueError: It is damaged.
    """
    width, height, _, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if interlaced:
        raise ImageError("interlaced 16-bit PNG files cannot be read; save it without interlacing")
    size = 2 * _PNG_CHANNELS[color_type]
    wanted, stream = height * (1 + size * width), zlib.decompressobj()
    try:
        packed = stream.decompress(b"".join(body for kind, body in _png_chunks(data) if kind == b"IDAT"), wanted + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not stream.eof or len(packed) != wanted:
        raise ValueError("its data are more or less than its size says")
    lines = np.frombuffer(packed, np.uint8).reshape(height, -1)
    pairs = _unfilter(lines[:, 0], lines[:, 1:].reshape(height, width, size)).astype(np.uint16)
    image = pairs[..., 0::2] << 8 | pairs[..., 1::2]
    key = next((body for kind, body in _png_chunks(data) if kind == b"tRNS"), None)
    if key is None:
        return image
    transparent = (image == np.frombuffer(key, ">u2")).all(axis=2)
    return np.dstack([image, np.where(transparent, 0, 65535).astype(np.uint16)])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_PNG_SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        yield kind, data[position + 8 : position + 8 + length]
        position += length + 12


def _unfilter(filters: Pixels, lines: Pixels) -> Pixels:
    """Undo the filter of each row of (H, W, bytes per pixel).

    A pixel needs its left, upper and upper-left neighbours, so that all pixels of one anti-diagonal can be decoded
    at once, and no more than the two before it need be at hand. Diagonals are indexed by row, behind a row of zeros.
    """
    height, width, size = lines.shape
    if filters.max() > 4:
        raise ValueError(f"unknown PNG filter {filters.max()}")
    image = np.zeros((height, width, size), np.uint8)
    kinds = [filters[:, None] == kind for kind in (1, 2, 3, 4)]
    before, last = np.zeros((2, height + 1, size), np.int16)
    for diagonal in range(height + width - 1):
        first, end = max(0, diagonal - width + 1), min(diagonal + 1, height)
        rows = np.arange(first, end)
        left, up, corner = last[first + 1 : end + 1], last[first:end], before[first:end]
        guesses = [left, up, left + up >> 1, _paeth(left, up, corner)]
        guess = np.select([kind[first:end] for kind in kinds], guesses, np.int16(0))
        decoded = lines[rows, diagonal - rows] + guess & 255
        image[rows, diagonal - rows] = decoded
        before, last = last, before
        last[first + 1 : end + 1] = decoded
    return image


def _paeth(left: Pixels, up: Pixels, corner: Pixels) -> Pixels:
    to_left, to_up, to_corner = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
    nearest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)


def encode_deep_png(image: Pixels, icc_profile: bytes | None, exif: bytes | None) -> bytes:
    """uint16 (H, W, 1 to 4) as a PNG with the filter "up"."""
    height, width, channels = image.shape
    pairs = image.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.full((height, 1 + pairs.shape[1]), 2, np.uint8)
    filtered[:, 1:] = pairs
    filtered[1:, 1:] -= pairs[:-1]
    color_type = next(color_type for color_type, count in _PNG_CHANNELS.items() if count == channels)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))]
    chunks += [(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile))] if icc_profile else []
    chunks += [(b"eXIf", exif.removeprefix(b"Exif\0\0"))] if exif else []
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    coded = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return _PNG_SIGNATURE + b"".join(coded)
