"""Images survive the way in and out of files."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageCms

from srzoo.data.pairs import sample_pairs
from srzoo.errors import ImageError
from srzoo.images import Image, image_size, list_images, read_image, write_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return sample_pairs(4)[1].hr[40:104, 60:156]


@pytest.fixture(scope="module")
def deep(photo: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint16 whose low bytes matter."""
    noise = np.random.default_rng(0).integers(0, 256, (*photo.shape[:2], 4))
    return (np.dstack([photo, photo[..., 0]]).astype(np.uint16) << 8) + noise.astype(np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".bmp"])
def test_colour_and_gray_survive_lossless_formats(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    for pixels in (photo, photo[..., 0]):
        write_image(tmp_path / f"image{suffix}", pixels)
        image = read_image(tmp_path / f"image{suffix}")
        np.testing.assert_array_equal(image.pixels, pixels)
        assert (image.pixels.dtype, image.alpha, image.depth) == (np.uint8, None, 8)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_formats_stay_close(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    write_image(tmp_path / f"image{suffix}", photo)
    difference = read_image(tmp_path / f"image{suffix}").pixels.astype(float) - photo
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("gray", [False, True])
def test_alpha_survives(tmp_path: Path, photo: np.ndarray, suffix: str, gray: bool) -> None:
    pixels = photo[..., 1] if gray else photo
    write_image(tmp_path / f"image{suffix}", Image(pixels, alpha=photo[..., 2]))
    image = read_image(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.alpha, photo[..., 2])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_the_colour_profile_survives(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    write_image(tmp_path / f"image{suffix}", Image(photo, icc_profile=SRGB))
    assert read_image(tmp_path / f"image{suffix}").icc_profile == SRGB


def test_a_gray_profile_is_not_given_to_a_format_whose_gray_is_colour(tmp_path: Path, photo: np.ndarray) -> None:
    gray = bytes(16) + b"GRAY" + bytes(108)
    for suffix, kept in ((".webp", None), (".png", gray)):
        write_image(tmp_path / f"gray{suffix}", Image(photo[..., 0], icc_profile=gray))
        assert read_image(tmp_path / f"gray{suffix}").icc_profile == kept


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_rotation_is_applied_once_and_other_exif_is_kept(
    tmp_path: Path, photo: np.ndarray, orientation: int, suffix: str
) -> None:
    exif = pillow.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    pillow.fromarray(photo).save(tmp_path / f"turned{suffix}", exif=exif)
    image = read_image(tmp_path / f"turned{suffix}")
    with pillow.open(tmp_path / f"turned{suffix}") as opened:
        from PIL import ImageOps

        np.testing.assert_array_equal(image.pixels, np.asarray(ImageOps.exif_transpose(opened)))
    write_image(tmp_path / "again.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "again.png").pixels, image.pixels)
    if suffix == ".png":
        with pillow.open(tmp_path / "again.png") as opened:
            assert dict(opened.getexif()) == {0x010F: "Maker"}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_survive(tmp_path: Path, deep: np.ndarray, channels: int) -> None:
    floats = deep.astype(np.float32) / np.float32(65535)
    pixels = floats[..., 0] if channels < 3 else floats[..., :3]
    alpha = floats[..., 3] if channels in (2, 4) else None
    exif = pillow.Exif()
    exif[0x010F] = "Maker"
    write_image(tmp_path / "deep.png", Image(pixels, alpha, SRGB, exif.tobytes(), depth=16))
    image = read_image(tmp_path / "deep.png")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.depth, image.icc_profile, image.exif) == (16, SRGB, exif.tobytes())
    assert (alpha is None) == (image.alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(image.alpha, alpha)
    with pillow.open(tmp_path / "deep.png") as opened:
        opened.load()
        assert opened.size == (pixels.shape[1], pixels.shape[0])


def filtered_png(pixels: np.ndarray, behind: bytes = b"") -> bytes:
    """A 16-bit PNG (H, W, 3) whose rows take the five filters in turn, filtered byte by byte as the standard says."""
    height, width = pixels.shape[:2]
    raw = pixels.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
    packed = bytearray()
    for row in range(height):
        packed.append(row % 5)
        for x, value in enumerate(raw[row]):
            left, up = raw[row, x - 6] if x >= 6 else 0, raw[row - 1, x] if row else 0
            corner = raw[row - 1, x - 6] if row and x >= 6 else 0
            paeth = min((left, up, corner), key=lambda near: abs(left + up - corner - near))
            packed.append((value - (0, left, up, (left + up) // 2, paeth)[row % 5]) % 256)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(packed + behind)), (b"IEND", b"")]
    coded = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


@pytest.mark.parametrize(("height", "width"), [(64, 31), (7, 90), (1, 5), (9, 1)])
def test_all_filters_of_sixteen_bit_png_are_undone(tmp_path: Path, deep: np.ndarray, height: int, width: int) -> None:
    pixels = deep[:height, :width, :3]
    (tmp_path / "filters.png").write_bytes(filtered_png(pixels))
    with pillow.open(tmp_path / "filters.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels >> 8)
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "filters.png").pixels * 65535), pixels)


def test_a_tall_sixteen_bit_png_needs_no_more_memory_than_its_pixels(tmp_path: Path) -> None:
    write_image(tmp_path / "tall.png", Image(np.full((40000, 2), 0.25, np.float32), depth=16))
    tracemalloc.start()
    image = read_image(tmp_path / "tall.png")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert image.pixels.shape == (40000, 2) and np.ptp(image.pixels) == 0
    assert most < 32e6  # its pixels as they are computed with, and two diagonals; the whole sheared is 6 GB


def test_a_sixteen_bit_png_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path, deep: np.ndarray) -> None:
    (tmp_path / "bomb.png").write_bytes(filtered_png(deep[:8, :8, :3], bytes(1 << 22)))
    with pytest.raises(ImageError, match="more or less than its size says"):
        read_image(tmp_path / "bomb.png")


def test_sixteen_bit_gray_tiff_is_read(tmp_path: Path, deep: np.ndarray) -> None:
    pillow.fromarray(deep[..., 0]).save(tmp_path / "deep.tif")
    image = read_image(tmp_path / "deep.tif")
    np.testing.assert_array_equal(np.rint(image.pixels * 65535), deep[..., 0])
    assert image.depth == 16


def test_palettes_become_colours(tmp_path: Path, photo: np.ndarray) -> None:
    palette = pillow.fromarray(photo).quantize(16)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png").pixels, np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "transparent.png", transparency=3)
    image = read_image(tmp_path / "transparent.png")
    np.testing.assert_array_equal(image.alpha == 0, np.asarray(palette) == 3)


def test_black_and_white_becomes_gray(tmp_path: Path, photo: np.ndarray) -> None:
    pillow.fromarray(photo[..., 0] > 100).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bits.png").pixels, (photo[..., 0] > 100) * np.uint8(255))


def test_cmyk_becomes_rgb_without_its_profile(tmp_path: Path, photo: np.ndarray) -> None:
    pillow.fromarray(photo).convert("CMYK").save(tmp_path / "print.tif", icc_profile=SRGB)
    image = read_image(tmp_path / "print.tif")
    assert (image.pixels.shape, image.icc_profile) == (photo.shape, None)
    np.testing.assert_allclose(image.pixels.astype(int), photo, atol=1)


def test_the_kind_of_file_is_remembered(tmp_path: Path, photo: np.ndarray) -> None:
    pillow.fromarray(photo).convert("CMYK").save(tmp_path / "print.jpg")
    exif = pillow.Exif()
    exif[0x0112] = 6
    pillow.fromarray(photo).save(tmp_path / "turned.jpg", exif=exif)
    write_image(tmp_path / "plain.png", photo)
    images = [read_image(tmp_path / name) for name in ("print.jpg", "turned.jpg", "plain.png")]
    assert [(image.mode, image.turned) for image in images] == [("CMYK", False), ("RGB", True), ("RGB", False)]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("where", ["exif", "xmp"])
def test_sizes_are_upright_where_a_png_file_tells_it_behind_its_pixels(
    tmp_path: Path, photo: np.ndarray, where: str, orientation: int
) -> None:
    exif = pillow.Exif()
    exif[0x0112] = orientation
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()
    told = {
        "exif": chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
    }
    path = tmp_path / "late.png"
    write_image(path, Image(photo[:40, :60]))
    data = path.read_bytes()
    path.write_bytes(data[:-12] + told[where] + data[-12:])
    assert image_size(path) == read_image(path).pixels.shape[:2] == ((60, 40) if orientation == 6 else (40, 60))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_sizes_are_those_of_the_upright_image(tmp_path: Path, photo: np.ndarray, orientation: int, suffix: str) -> None:
    exif = pillow.Exif()
    exif[0x0112] = orientation
    pillow.fromarray(photo).save(tmp_path / f"turned{suffix}", exif=exif)
    assert image_size(tmp_path / f"turned{suffix}") == read_image(tmp_path / f"turned{suffix}").pixels.shape[:2]


def test_sizes_need_the_header_alone(tmp_path: Path, photo: np.ndarray) -> None:
    write_image(tmp_path / "cut.png", photo)
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:200])
    assert image_size(tmp_path / "cut.png") == photo.shape[:2]
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    for name, message in (("empty.png", "0 bytes"), ("text.png", "not an image"), ("missing.png", "does not exist")):
        with pytest.raises(ImageError, match=message) as caught:
            image_size(tmp_path / name)
        assert name in str(caught.value)


def test_a_single_pixel_is_an_image(tmp_path: Path, photo: np.ndarray) -> None:
    for pixels in (photo[:1, :1], photo[:1, :1, 0]):
        write_image(tmp_path / "pixel.png", pixels)
        np.testing.assert_array_equal(read_image(tmp_path / "pixel.png").pixels, pixels)


def test_damaged_metadata_costs_neither_the_pixels_nor_a_warning(tmp_path: Path, photo: np.ndarray) -> None:
    exif = pillow.Exif()
    exif[0x0112], exif[0x010F] = 1, "Maker"
    pillow.fromarray(photo).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    expected = read_image(tmp_path / "photo.jpg").pixels
    data = (tmp_path / "photo.jpg").read_bytes()
    place = data.index(b"Exif") + 14  # behind the header of its table
    for number in range(place, place + 12):
        damaged = bytearray(data)
        damaged[number] = 0xFF
        (tmp_path / "photo.jpg").write_bytes(damaged)
        image = read_image(tmp_path / "photo.jpg")
        assert sorted(image.pixels.shape) == sorted(expected.shape)


def test_whatever_is_damaged_ends_in_an_error_that_names_the_file(tmp_path: Path, photo: np.ndarray) -> None:
    draw = np.random.default_rng(0)
    refused = 0
    for suffix in (".png", ".jpg", ".webp", ".tif", ".bmp"):
        write_image(tmp_path / f"photo{suffix}", photo[:24, :32])
        data = (tmp_path / f"photo{suffix}").read_bytes()
        for _ in range(60):
            damaged = bytearray(data)
            for place in draw.integers(0, min(len(data), 160), 3):
                damaged[place] = draw.integers(256)
            (tmp_path / f"photo{suffix}").write_bytes(damaged)
            try:
                read_image(tmp_path / f"photo{suffix}")
            except ImageError as error:
                refused += 1
                assert f"photo{suffix}" in str(error) and "\n" not in str(error)
    assert refused > 100


def test_paths_may_hold_any_letters(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "Фото 图像 ü" / "näme 你好.png"
    path.parent.mkdir()
    write_image(str(path), photo)
    np.testing.assert_array_equal(read_image(str(path)).pixels, photo)


def test_unreadable_files_end_in_one_line_that_names_them(tmp_path: Path, photo: np.ndarray) -> None:
    write_image(tmp_path / "whole.png", photo)
    write_image(tmp_path / "whole.jpg", photo)
    write_image(tmp_path / "deep.png", Image(photo.astype(np.float32) / 255, depth=16))
    for name in ("whole.png", "whole.jpg", "deep.png"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / f"cut-{name}").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    pillow.fromarray(photo[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    messages = {
        "cut-whole.png": "damaged or truncated",
        "cut-whole.jpg": "damaged or truncated",
        "cut-deep.png": "damaged or truncated",
        "empty.png": "0 bytes",
        "text.png": "not an image",
        "folder.png": "is a folder",
        "float.tif": "floating-point",
        "missing.png": "does not exist",
    }
    for name, message in messages.items():
        with pytest.raises(ImageError, match=message) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_files_without_permission_are_named(tmp_path: Path, photo: np.ndarray) -> None:
    write_image(tmp_path / "secret.png", photo)
    (tmp_path / "secret.png").chmod(0)
    with pytest.raises(ImageError, match="permissions"):
        read_image(tmp_path / "secret.png")


def test_what_cannot_be_written_is_named_and_leaves_nothing_behind(tmp_path: Path, photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"unknown suffix '\.xyz'; use one of \.png"):
        write_image(tmp_path / "image.xyz", photo)
    with pytest.raises(ImageError, match="no transparency"):
        write_image(tmp_path / "image.jpg", Image(photo, alpha=photo[..., 0]))
    with pytest.raises(ImageError, match="does not exist; create it"):
        write_image(tmp_path / "nowhere" / "image.png", photo)
    with pytest.raises(ImageError, match="not finite"):
        write_image(tmp_path / "image.png", np.full((4, 4, 3), np.nan, np.float32))
    with pytest.raises(ImageError, match="int64"):
        write_image(tmp_path / "image.png", photo.astype(np.int64))
    with pytest.raises(ImageError, match="does not fit"):
        write_image(tmp_path / "image.png", Image(photo, alpha=photo[1:, :, 0]))
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(ImageError, match=r"taken\.png"):
        write_image(tmp_path / "taken.png", photo)
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.png"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, photo: np.ndarray) -> None:
    write_image(tmp_path / "image.png", photo)
    with pytest.raises(ImageError):
        write_image(tmp_path / "image.png", np.zeros((0, 4, 3), np.uint8))
    np.testing.assert_array_equal(read_image(tmp_path / "image.png").pixels, photo)


def test_images_are_listed_by_suffix_and_sorted(tmp_path: Path, photo: np.ndarray) -> None:
    for name in ("b.png", "a.JPG", ".hidden.png", "c.webp"):
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.JPG", "b.png", "c.webp"]
    (tmp_path / "none").mkdir()
    for folder, message in ((tmp_path / "none", "holds no images"), (tmp_path / "b.png", "not a folder")):
        with pytest.raises(ImageError, match=message):
            list_images(folder)
    with pytest.raises(ImageError, match="does not exist"):
        list_images(tmp_path / "missing")
