"""Images in and out of files, without losing alpha, colour profile, rotation or 16 bits.

Pillow would cut 16-bit colour to 8 bits, so that 16-bit PNG files are coded by `srzoo.png16`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import ImageError
from srzoo.files import draft
from srzoo.png16 import decode_deep_png, encode_deep_png, is_deep_png
from srzoo.png_tail import tail_of

if TYPE_CHECKING:
    from PIL.Image import Exif
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

SUFFIXES = tuple(_FORMATS)
"""Suffixes that `write_image` writes and `list_images` finds, in lower case."""

_OTHERS = (
    ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpe", ".jfif", ".jxl", ".tga", ".psd", ".ppm", ".pgm", ".pnm",
    ".ico", ".svg", ".exr", ".dng", ".cr2", ".cr3", ".nef", ".arw",
)  # fmt: skip
"""Suffixes of other images, in lower case."""

OWN_COLOURS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX")
"""Pillow's modes whose colours stay what they are in RGB or gray, so that their profile still tells of them."""


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

    mode: str = ""
    """Colour mode of the file in Pillow's words, such as ``CMYK``; empty where the image is from no file."""

    turned: bool = False
    """Whether the file was to be turned or mirrored, by EXIF, to be upright."""

    @property
    def opaque(self) -> bool:
        """Whether one can see through no pixel of it."""
        return self.alpha is None or not (self.alpha < (255 if self.depth == 8 else 1)).any()


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an image file.

    EXIF rotation is applied, palettes become RGB, and CMYK and the like become sRGB (through the file's profile
    where it has one). Of an animation the first frame is read.

    Raises:
        ImageError: If the file is missing, a folder, unreadable, empty, damaged or no image.
    """
    from PIL import Image as pillow

    data = _read_bytes(Path(path))
    with _told_by_name(path), pillow.open(BytesIO(data)) as opened:
        return _decode(opened, data)


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image file, upright, from its header alone.

    Raises:
        ImageError: The file is missing, a folder, unreadable, empty or no image.
    """
    from PIL import Image as pillow

    if not os.path.isfile(path) or not os.path.getsize(path):
        _read_bytes(Path(path))
    with _told_by_name(path), pillow.open(path) as opened:
        # Some versions of Pillow have turned the size of a TIFF file already, so that its own tags are asked.
        tags = getattr(opened, "tag_v2", {})
        width, height = (int(tags.get(tag, size)) for tag, size in zip((256, 257), opened.size, strict=True))
        # Not opened.getexif(): of a PNG file it decodes all pixels.
        if opened.format == "PNG":
            for name, value in tail_of(path).items():
                opened.info[name] = value
        lying = pillow.Image.getexif(opened).get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if lying else (height, width)


@contextmanager
def _told_by_name(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever a decoder raises into one line that names the file; its warnings of odd metadata are dropped."""
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not an image that can be read here; convert it to PNG") from None
    except pillow.DecompressionBombError:
        raise ImageError(f"{path} has more pixels than can be read safely; cut it into smaller images") from None
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except MemoryError:
        raise ImageError(f"{path}: there is not enough memory to read it; cut it into smaller images") from None
    except Exception as error:  # decoders raise many kinds on damaged files, such as struct.error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path} is damaged or truncated ({reason}); copy or download it again") from error


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
    kept_exif = _exif_bytes(exif) if "exif" in opened.info and len(exif) else None
    icc = opened.info.get("icc_profile")
    if is_deep_png(data):
        channels, depth = decode_deep_png(data).astype(np.float32) / np.float32(65535), 16
    elif ";16" in source_mode and not opened.mode.startswith("I"):
        raise ImageError("16-bit colour can be read from PNG files only; convert it to a 16-bit PNG")
    elif opened.mode.startswith("I"):
        channels, depth = _integers(opened), 16
    else:
        converted = _to_plain(opened, icc)
        # A profile describes the colours of the file, not those of its conversion to RGB.
        icc = icc if opened.mode in OWN_COLOURS else None
        channels, depth = np.asarray(converted), 8
    channels = _upright(channels.reshape(*channels.shape[:2], -1), orientation)
    pixels, alpha = _split(channels)
    return Image(pixels, alpha, icc or None, kept_exif, depth, opened.mode, orientation in _UPRIGHT)


def _exif_bytes(exif: Exif) -> bytes | None:
    try:
        return exif.tobytes()
    except Exception:  # a damaged block is dropped: the pixels are whole without it
        return None


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


_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image.swapaxes(0, 1), 2),
    8: np.rot90,
}
"""What makes (H, W, C) upright, by EXIF orientation."""


def _upright(array: Pixels, orientation: int) -> Pixels:
    return _UPRIGHT[orientation](array) if orientation in _UPRIGHT else array


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
    try:
        with draft(path) as temporary:
            temporary.write_bytes(data)
    except FileNotFoundError:
        raise ImageError(f"cannot write {path}: folder {path.parent} does not exist; create it first") from None
    except OSError as error:
        raise ImageError(f"cannot write {path} ({error.strerror or error})") from error


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
        return encode_deep_png(_quantize(channels, 65535), image.icc_profile, image.exif)
    options: dict[str, Any] = {"quality": quality} if file_format in ("JPEG", "WEBP") else {}
    options |= {"subsampling": 0} if file_format == "JPEG" else {}
    options |= {"icc_profile": image.icc_profile} if image.icc_profile and _fits(image.icc_profile, file_format) else {}
    options |= {"exif": image.exif} if image.exif and file_format not in ("BMP", "TIFF") else {}
    values = _quantize(channels, 255)
    stream = BytesIO()
    try:
        pillow.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(stream, file_format, **options)
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot write {path} ({error}); try .png") from error
    return stream.getvalue()


def _fits(icc_profile: bytes, file_format: str) -> bool:
    """Whether files of a format take the profile: BMP takes none, and WebP, whose gray is RGB, none for gray."""
    return file_format != "BMP" and not (file_format == "WEBP" and icc_profile[16:20] == b"GRAY")


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


def largest_side(path: Path) -> int | None:
    """Most pixels per side that the format of a file can hold; None where it is more than anybody has."""
    return {"WEBP": 16383, "JPEG": 65500}.get(_FORMATS.get(path.suffix.lower(), ""))


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
    named = (entry for entry in entries if entry.suffix.lower() in _FORMATS and not entry.name.startswith("."))
    found = [entry for entry in named if entry.is_file() or entry.is_dir() or not entry.exists()]  # no pipe or device
    if not found:
        raise ImageError(f"{folder} holds no images; expected files ending in {', '.join(SUFFIXES)}")
    return found


def unlisted_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Files directly in a folder that are images by their suffix, such as GIF, and that `list_images` leaves out."""
    others = (each for each in Path(folder).iterdir() if each.suffix.lower() in _OTHERS and each.name[0] != ".")
    return sorted(filter(Path.is_file, others))


def rgb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Any image's pixels as uint8 (H, W, 3)."""
    if pixels.dtype != np.uint8:
        pixels = (pixels * 255 + 0.5).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return pixels
