"""Images in and out of files, without losing alpha, colour profile, rotation or 16 bits.

Pillow would cut 16-bit colour to 8 bits, so that 16-bit PNG files are coded here. Source: PNG specification (third
edition), sections 9 (filtering) and 11 (chunks).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Pixels = NDArray[Any]

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
_ALPHA_FORMATS = ("PNG", "WEBP", "TIFF")
_ORIENTATION = 0x0112
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels of each PNG colour type."""

SUFFIXES = tuple(_FORMATS)
"""Suffixes that `write_image` writes and `list_images` finds, in lower case."""


@dataclass(frozen=True, eq=False)
class Image:
    """A decoded image, upright."""

    pixels: Pixels
    """(H, W, 3) RGB, or (H, W) where the file has one channel; uint8, or float32 in [0, 1] from 16-bit files."""

    alpha: Pixels | None = None
    """Opacity (H, W) with the dtype of ``pixels``, or None."""

    icc_profile: bytes | None = None
    """Colour profile that ``pixels`` refer to, or None for sRGB."""

    exif: bytes | None = None
    """EXIF block without its orientation, which is already applied."""

    depth: int = 8
    """Bits per channel of the file: 8, or 16 with float pixels."""


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an image file.

    EXIF rotation is applied, palettes become RGB, and CMYK and the like become sRGB (through the file's profile
    where it has one). Of an animation the first frame is read.

    Raises:
        ImageError: If the file is missing, a folder, unreadable, empty, damaged or no image.
    """
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    data = _read_bytes(Path(path))
    try:
        with pillow.open(BytesIO(data)) as opened:
            return _decode(opened, data)
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not an image that can be read here; convert it to PNG") from None
    except pillow.DecompressionBombError:
        raise ImageError(f"{path} has more pixels than can be read safely; cut it into smaller images") from None
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(f"{path} is damaged or truncated ({error}); copy or download it again") from error


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder; name one image file in it") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from error
    if not data:
        raise ImageError(f"{path} is empty (0 bytes); copy or download it again")
    return data


def _decode(opened: PillowImage, data: bytes) -> Image:
    # The mode says nothing of bits that Pillow drops while decoding; what it decodes from does.
    source_mode = str(getattr(opened, "tile", ""))
    opened.load()
    exif = opened.getexif()
    orientation = exif.pop(_ORIENTATION, 1)
    kept_exif = exif.tobytes() if "exif" in opened.info and len(exif) else None
    icc = opened.info.get("icc_profile")
    if _is_deep_png(data):
        channels, depth = _decode_deep_png(data).astype(np.float32) / np.float32(65535), 16
    elif ";16" in source_mode and not opened.mode.startswith("I"):
        raise ImageError("16-bit colour can be read from PNG files only; convert it to a 16-bit PNG")
    elif opened.mode.startswith("I"):
        channels, depth = _integers(opened), 16
    else:
        converted = _to_plain(opened, icc)
        # A profile describes the colours of the file, not those of its conversion to RGB.
        icc = icc if opened.mode in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX") else None
        channels, depth = np.asarray(converted), 8
    channels = _upright(channels.reshape(*channels.shape[:2], -1), orientation)
    pixels, alpha = _split(channels)
    return Image(pixels, alpha, icc or None, kept_exif, depth)


def _integers(opened: PillowImage) -> Pixels:
    values = np.asarray(opened).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError("its 32-bit values exceed 16 bits; convert it to an 8- or 16-bit image")
    return values.astype(np.float32) / np.float32(65535)


def _to_plain(opened: PillowImage, icc: bytes | None) -> PillowImage:
    """Convert to L, LA, RGB or RGBA."""
    if opened.mode == "F":
        raise ImageError("floating-point images have no fixed range; convert it to an 8- or 16-bit image")
    if opened.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return _to_srgb(opened, icc)
    gray = opened.mode in ("1", "L", "LA", "La")
    if opened.has_transparency_data:
        return opened.convert("LA" if gray else "RGBA")
    return opened.convert("L" if gray else "RGB")


def _to_srgb(opened: PillowImage, icc: bytes | None) -> PillowImage:
    from PIL import ImageCms

    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            converted = ImageCms.profileToProfile(opened, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return opened.convert("RGB")


def _upright(array: Pixels, orientation: int) -> Pixels:
    turns: dict[int, Callable[[Pixels], Pixels]] = {
        2: np.fliplr,
        3: lambda image: np.rot90(image, 2),
        4: np.flipud,
        5: lambda image: image.swapaxes(0, 1),
        6: lambda image: np.rot90(image, -1),
        7: lambda image: np.rot90(image.swapaxes(0, 1), 2),
        8: np.rot90,
    }
    return turns[orientation](array) if orientation in turns else array


def _split(channels: Pixels) -> tuple[Pixels, Pixels | None]:
    count = channels.shape[2]
    pixels = channels[..., 0] if count < 3 else channels[..., :3]
    alpha = np.ascontiguousarray(channels[..., -1]) if count in (2, 4) else None
    return np.ascontiguousarray(pixels), alpha


def write_image(path: str | os.PathLike[str], image: Image | Pixels, *, quality: int = 95) -> None:
    """Write an image file; a reader sees the old file or the whole new one, never a part.

    Float pixels are clamped to [0, 1] and rounded: to 16 bits where ``image.depth`` is 16 and the file is a PNG, else
    to 8 bits. Colour profile and EXIF are kept by the formats that have room for them.

    Args:
        path: Where to; the suffix chooses the format (see `SUFFIXES`).
        image: An `Image`, or an array (H, W, 3) or (H, W), uint8 or float in [0, 1].
        quality: Of JPEG and WebP, 1 to 100; JPEG colours are not subsampled.

    Raises:
        ImageError: If the suffix is unknown, the format cannot hold the image, or the file cannot be written.
    """
    path = Path(path)
    image = image if isinstance(image, Image) else Image(image)
    data = _encode(path, image, _format_of(path), quality)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except FileNotFoundError:
        raise ImageError(f"cannot write {path}: folder {path.parent} does not exist; create it first") from None
    except OSError as error:
        raise ImageError(f"cannot write {path} ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _format_of(path: Path) -> str:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(SUFFIXES)
        raise ImageError(f"cannot write {path}: unknown suffix {path.suffix!r}; use one of {known}") from None


def _encode(path: Path, image: Image, file_format: str, quality: int) -> bytes:
    from PIL import Image as pillow

    if image.alpha is not None and file_format not in _ALPHA_FORMATS:
        raise ImageError(f"cannot write {path}: {file_format} has no transparency; use .png, or drop the alpha channel")
    try:
        channels = _join(image)
    except ValueError as error:
        raise ImageError(f"cannot write {path}: {error}") from None
    if image.depth == 16 and file_format == "PNG" and channels.dtype != np.uint8:
        return _encode_deep_png(_quantize(channels, 65535), image.icc_profile, image.exif)
    options: dict[str, Any] = {"quality": quality} if file_format in ("JPEG", "WEBP") else {}
    options |= {"subsampling": 0} if file_format == "JPEG" else {}
    options |= {"icc_profile": image.icc_profile} if image.icc_profile and file_format != "BMP" else {}
    options |= {"exif": image.exif} if image.exif and file_format not in ("BMP", "TIFF") else {}
    values = _quantize(channels, 255)
    stream = BytesIO()
    try:
        pillow.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(stream, file_format, **options)
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot write {path} ({error}); try .png") from error
    return stream.getvalue()


def _join(image: Image) -> Pixels:
    """(H, W, 1 to 4), checked."""
    pixels, alpha = image.pixels, image.alpha
    if 0 in pixels.shape or (pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] != 3)):
        raise ValueError(f"an image has shape (H, W) or (H, W, 3), got {pixels.shape}")
    if pixels.dtype != np.uint8 and not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"pixels are uint8 or float in [0, 1], got {pixels.dtype}")
    if pixels.dtype != np.uint8 and not np.isfinite(pixels).all():
        raise ValueError("it holds values that are not finite numbers")
    if alpha is None:
        return pixels.reshape(*pixels.shape[:2], -1)
    if alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype:
        raise ValueError(f"alpha {alpha.dtype} {alpha.shape} does not fit pixels {pixels.dtype} {pixels.shape}")
    return np.dstack([pixels, alpha])


def _quantize(channels: Pixels, top: int) -> Pixels:
    if channels.dtype == np.uint8:
        return channels
    scaled = np.floor(np.clip(channels, 0, 1).astype(np.float64) * top + 0.5)
    return scaled.astype(np.uint8 if top == 255 else np.uint16)


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Image files directly in a folder, by suffix, sorted by name; hidden files are left out.

    Raises:
        ImageError: If the folder is missing, is no folder or holds no image.
    """
    try:
        entries = sorted(Path(folder).iterdir())
    except FileNotFoundError:
        raise ImageError(f"{folder} does not exist; check the path") from None
    except NotADirectoryError:
        raise ImageError(f"{folder} is not a folder; give the folder that holds the images") from None
    except OSError as error:
        raise ImageError(f"{folder} cannot be read ({error.strerror or error}); check its permissions") from error
    found = [entry for entry in entries if entry.suffix.lower() in _FORMATS and not entry.name.startswith(".")]
    if not found:
        raise ImageError(f"{folder} holds no images; expected files ending in {', '.join(SUFFIXES)}")
    return found


def _is_deep_png(data: bytes) -> bool:
    return data.startswith(_PNG_SIGNATURE) and data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def _decode_deep_png(data: bytes) -> Pixels:
    """uint16 (H, W, C) with 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha) channels."""
    width, height, _, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if interlaced:
        raise ImageError("interlaced 16-bit PNG files cannot be read; save it without interlacing")
    size = 2 * _PNG_CHANNELS[color_type]
    try:
        packed = zlib.decompress(b"".join(body for kind, body in _png_chunks(data) if kind == b"IDAT"))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    lines = np.frombuffer(packed, np.uint8, height * (1 + size * width)).reshape(height, -1)
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
    at once: they lie in one row of a sheared image.
    """
    height, width, size = lines.shape
    if filters.max() > 4:
        raise ValueError(f"unknown PNG filter {filters.max()}")
    sheared = np.zeros((height + width + 1, height + 1, size), np.int16)
    kinds = [filters[:, None] == kind for kind in (1, 2, 3, 4)]
    for diagonal in range(height + width - 1):
        first, last = max(0, diagonal - width + 1), min(diagonal + 1, height)
        rows = np.arange(first, last)
        left = sheared[diagonal + 1, first + 1 : last + 1]
        up = sheared[diagonal + 1, first:last]
        corner = sheared[diagonal, first:last]
        guesses = [left, up, left + up >> 1, _paeth(left, up, corner)]
        guess = np.select([kind[first:last] for kind in kinds], guesses, np.int16(0))
        sheared[diagonal + 2, first + 1 : last + 1] = lines[rows, diagonal - rows] + guess & 255
    rows, columns = np.indices((height, width))
    upright: Pixels = sheared[rows + columns + 2, rows + 1]
    return upright.astype(np.uint8)


def _paeth(left: Pixels, up: Pixels, corner: Pixels) -> Pixels:
    to_left, to_up, to_corner = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
    nearest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)


def _encode_deep_png(image: Pixels, icc_profile: bytes | None, exif: bytes | None) -> bytes:
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
