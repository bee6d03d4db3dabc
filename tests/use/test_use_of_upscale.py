"""``upscale`` on real photos."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageCms
from running import run, start

import srzoo
from srzoo.images import Image, read_image, write_image
from srzoo.model import Model


def test_a_photo_is_enlarged_by_the_program(folder: Path, tiny: str, tmp_path: Path) -> None:
    done = start(
        "upscale", folder / "a.png", tmp_path / "out.png", "--model", tiny, "--temperature", 0.5, "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"warning: {tiny} is untrained")
    assert done.stdout == f"wrote {tmp_path / 'out.png'}: 320x256, by {tiny}, x4\n"
    assert read_image(tmp_path / "out.png").pixels.shape == (256, 320, 3)
    failed = run("upscale", folder / "a.png", tmp_path / "out2.png", "--model", "bicubik")
    assert failed.exit_code == 2
    assert failed.stderr.startswith("error: there is no model 'bicubik' (did you mean 'bicubic'?)")


@pytest.mark.parametrize(("scale", "model"), [(2, "reference-x2"), (3, "reference-x3"), (4, "reference")])
def test_the_reference_of_a_scale_is_taken_where_no_model_is_named(
    scale: int, model: str, folder: Path, tmp_path: Path
) -> None:
    done = run("upscale", folder, tmp_path / "out", "--scale", scale, "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"wrote 2 of 2 images to {tmp_path / 'out'}, by {model}, x{scale}\n"
    assert read_image(tmp_path / "out" / "b.png").pixels.shape == (64 * scale, 80 * scale, 3)


def test_who_enlarges_by_another_scale_is_named(folder: Path, tmp_path: Path) -> None:
    refused = run("upscale", folder / "a.png", tmp_path / "out.png", "--model", "reference", "--scale", 2)
    assert refused.exit_code == 2 and "reference enlarges x4, not x2: reference-x2 does; bicubic" in refused.stderr


def test_noise_for_what_draws_no_samples_is_remarked_upon(folder: Path, tmp_path: Path) -> None:
    done = run("upscale", folder / "a.png", tmp_path / "out.png", "--model", "bicubic", "--temperature", 1)
    assert done.exit_code == 0 and "warning: bicubic draws no samples: --temperature changes nothing" in done.stderr


def test_alpha_profile_and_exif_are_kept(photos: list[np.ndarray], tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = pillow.Exif()
    exif[0x010E] = "a cat"
    alpha = np.zeros((64, 80), np.uint8)
    alpha[:, 40:] = 255
    write_image(tmp_path / "in.png", Image(photos[0], alpha, profile, exif.tobytes()))
    assert run("upscale", tmp_path / "in.png", tmp_path / "out.png", "--model", "bicubic", "--scale", 3).exit_code == 0
    out = read_image(tmp_path / "out.png")
    assert out.pixels.shape == (192, 240, 3) and out.icc_profile == profile and out.exif is not None
    assert out.alpha is not None and out.alpha[:, :110].max() == 0 and out.alpha[:, 130:].min() == 255
    refused = run("upscale", tmp_path / "in.png", tmp_path / "out.jpg", "--model", "bicubic")
    assert refused.exit_code == 1 and "has transparency, which .jpg cannot hold: write a .png" in refused.stderr


@pytest.mark.parametrize("shape", [(64, 80), (64, 80, 3)])
def test_sixteen_bits_are_kept(shape: tuple[int, ...], tiny: str, tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0.5, 0.51, 80, dtype=np.float32).reshape(1, 80, *[1] * (len(shape) - 2)), shape)
    write_image(
        tmp_path / "in.png", Image(np.ascontiguousarray(ramp), ramp[..., 0] if len(shape) > 2 else None, depth=16)
    )
    result = run("upscale", tmp_path / "in.png", tmp_path / "out.png", "--model", "bicubic")
    assert result.exit_code == 0, result.stderr
    out = read_image(tmp_path / "out.png")
    assert out.depth == 16 and out.pixels.shape == (256, 320, *shape[2:])
    assert len(np.unique(out.pixels)) > 200
    assert np.abs(out.pixels[128, :, ...].mean() - 0.505) < 1e-3


def test_tiles_make_no_seams(folder: Path, tiny: str, tmp_path: Path) -> None:
    for name, tile in (("whole", 0), ("tiles", 32)):
        assert (
            run("upscale", folder / "a.png", tmp_path / f"{name}.png", "--model", tiny, "--tile", tile).exit_code == 0
        )
    whole, tiles = (read_image(tmp_path / f"{name}.png").pixels.astype(int) for name in ("whole", "tiles"))
    assert np.abs(whole - tiles).max() <= 2


def test_images_of_a_folder_that_cannot_be_written_are_named(folder: Path, tmp_path: Path) -> None:
    for name in ("clip.gif", "photo.HEIC", "c.gif", "d.gif", ".hidden.gif", "notes.txt", "report.pdf"):
        (folder / name).write_bytes(b"whatever")
    (folder / "folder.gif").mkdir()
    done = run("upscale", folder, tmp_path / "out", "--model", "nearest", "--scale", 2)
    assert done.exit_code == 0 and "wrote 2 of 2 images" in done.stdout
    assert "are written: c.gif, clip.gif, d.gif and 1 more" in done.stderr


def test_a_folder_goes_on_after_a_bad_file(folder: Path, tmp_path: Path) -> None:
    (folder / "aa.png").write_bytes(b"no image")
    result = run("upscale", folder, tmp_path / "out" / "large", "--model", "nearest", "--scale", 2)
    assert result.exit_code == 1
    assert "aa.png is not an image" in result.stderr and "1 of 3 images failed: aa.png" in result.stderr
    assert sorted(file.name for file in (tmp_path / "out" / "large").iterdir()) == ["a.png", "b.png"]
    assert read_image(tmp_path / "out" / "large" / "b.png").pixels.shape == (128, 160, 3)
    for name in "ab":
        (folder / f"{name}.png").write_bytes(b"no image")
    result = run("upscale", folder, tmp_path / "none", "--model", "nearest")
    assert result.exit_code == 1 and result.stderr.strip().endswith("3 of 3 images failed: a.png, aa.png, b.png")


@pytest.mark.parametrize("gray", [False, True])
def test_what_is_transparent_does_not_bleed_into_edges(tmp_path: Path, gray: bool) -> None:
    rows, columns = np.mgrid[:24, :24] - 11.5
    alpha = np.where(rows**2 + columns**2 < 64, 255, 0).astype(np.uint8)
    white = alpha if gray else np.repeat(alpha[..., None], 3, axis=2)
    write_image(tmp_path / "disc.png", Image(white, alpha))
    assert run("upscale", tmp_path / "disc.png", tmp_path / "large.png", "--model", "bicubic").exit_code == 0
    assert read_image(tmp_path / "large.png").pixels.min() == 255
    with pillow.open(tmp_path / "disc.png") as opened:
        large = srzoo.load("bicubic", 4).upscale(opened)
    assert np.asarray(large)[..., 0].min() == 255 and np.asarray(large)[..., -1].min() == 0


def test_an_opaque_alpha_is_no_transparency(photos: list[np.ndarray], tmp_path: Path) -> None:
    for name, opacity in (("opaque", 255), ("glass", 254)):
        alpha = np.full(photos[0].shape[:2], opacity, np.uint8)
        write_image(tmp_path / f"{name}.png", Image(photos[0], alpha))
    done = run("upscale", tmp_path / "opaque.png", tmp_path / "o.jpg", "--model", "nearest")
    assert done.exit_code == 0 and read_image(tmp_path / "o.jpg").pixels.shape[2] == 3
    refused = run("upscale", tmp_path / "glass.png", tmp_path / "g.jpg", "--model", "nearest")
    assert refused.exit_code == 1 and "has transparency, which .jpg cannot hold" in refused.stderr


def test_what_cannot_be_written_is_refused_beforehand(folder: Path, tmp_path: Path) -> None:
    before = (folder / "a.png").read_bytes()
    for arguments, message in (
        ((folder / "a.png", folder / "a.png"), "is the input itself, which is never overwritten"),
        ((folder / "a.png", folder), "is the input itself, which is never overwritten"),
        ((folder, folder), "cannot take the images of"),
        ((folder, folder / "a.png"), "cannot take the images of"),
        ((folder / "a.png", tmp_path / "out.xyz"), "name a file that ends in .png"),
        ((folder / "a.png", ""), "it is empty"),
        (("", tmp_path / "out.png"), "it is empty"),
        ((folder, tmp_path / "out.png"), "name a folder to make"),
        ((folder / "a.png", tmp_path / "none" / "out.png"), "does not exist; create it first"),
        ((folder, tmp_path / "out", "--compare", tmp_path / "c.png"), "--compare"),
        ((folder / "a.png", tmp_path / "out.png", "--compare", folder / "a.png"), "--compare"),
        ((folder / "a.png", tmp_path / "out.png", "--compare", tmp_path / "c.gif"), "c.gif: name a file that ends in"),
        ((folder / "a.png", tmp_path / "out.png", "--temperature", "inf"), "inf is not a finite number"),
        ((folder / "a.png", tmp_path / "out.png", "--temperature", "nan"), "nan is not a finite number"),
    ):
        result = run("upscale", *arguments, "--model", "nearest")
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
    assert (folder / "a.png").read_bytes() == before and not (tmp_path / "out.png").exists()
    missing = run("upscale", tmp_path / "nothing.png", tmp_path / "out.png", "--model", "nearest")
    assert missing.exit_code == 1 and "nothing.png does not exist; check the path" in missing.stderr


def test_a_comparison_shows_three_images(folder: Path, tmp_path: Path) -> None:
    result = run("upscale", folder / "a.png", tmp_path / "o.png", "--model", "lanczos", "--compare", tmp_path / "c.png")
    assert result.exit_code == 0, result.stderr
    sheet, out = read_image(tmp_path / "c.png").pixels, read_image(tmp_path / "o.png").pixels
    assert sheet.shape == (256 + 16, 3 * 320 + 2 * 4, 3)
    assert np.array_equal(sheet[16:, -320:], out)
    assert np.array_equal(sheet[16::4, 0:320:4], read_image(folder / "a.png").pixels)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried to")])
def test_running_out_of_memory_recommends_tiles(
    error: Exception, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Model, "upscale", fail)
    result = run("upscale", folder / "a.png", tmp_path / "out.png", "--model", "nearest")
    assert result.exit_code == 1 and result.stderr.strip().endswith("give smaller tiles, --tile 40")
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_is_made_when_the_model_is_there(folder: Path, tmp_path: Path) -> None:
    assert run("upscale", folder, tmp_path / "out", "--model", "nope").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_an_image_that_the_format_cannot_hold_is_refused_before_the_work(tmp_path: Path) -> None:
    write_image(tmp_path / "wide.png", np.zeros((2, 4200, 3), np.uint8))
    done = run("upscale", tmp_path / "wide.png", tmp_path / "wide.webp", "--model", "nearest", "--scale", 4)
    assert done.exit_code == 1 and "16800 pixels per side, and .webp holds 16383" in done.stderr


def test_pipes_among_images_are_not_waited_for(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    done = run("upscale", folder, tmp_path / "out", "--model", "nearest", "--scale", 2)
    assert done.exit_code == 0 and sorted(each.name for each in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]


def test_a_closed_output_is_no_reason_to_fail(folder: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m srzoo upscale {folder}/a.png {tmp_path}/out.png --model nearest --scale 2 >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and not done.stderr and (tmp_path / "out.png").is_file()
