"""Upscaling from Python: tiles equal the whole, and an image comes back as what it was."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import nn

from srzoo.assembly import build_upscaler
from srzoo.errors import ImageError, UsageError
from srzoo.model import SRModel


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_tiles_equal_the_whole(reference: SRModel, temperature: float) -> None:
    lr = torch.rand(1, 3, 75, 101, generator=torch.Generator().manual_seed(0))
    calls: list[tuple[int, int]] = []
    whole = reference.upscale(lr, temperature=temperature, seed=4)
    tiles = reference.upscale(lr, temperature=temperature, seed=4, tile=32, progress=lambda *done: calls.append(done))
    assert calls == [(n, 12) for n in range(1, 13)]
    assert (whole - tiles).abs().max() < 2e-5
    other = reference.upscale(lr, temperature=temperature, seed=5)
    assert torch.equal(whole, other) is (temperature == 0)


def test_tiles_of_bicubic_equal_the_whole() -> None:
    lr = torch.rand(2, 3, 70, 90)
    for name in ("bicubic", "lanczos", "nearest"):
        model = build_upscaler(name, 3)
        assert (model.upscale(lr, tile=24) - model.upscale(lr)).abs().max() <= 1e-6


@pytest.fixture(scope="module")
def doubler() -> nn.Module:
    return build_upscaler("nearest", 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_tensors(doubler: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    image = torch.rand(shape).to(dtype)
    out = doubler.upscale(image)
    assert out.dtype == dtype and not out.requires_grad
    torch.testing.assert_close(out, image.repeat_interleave(2, -1).repeat_interleave(2, -2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 5)])
def test_arrays(doubler: Any, dtype: type, shape: tuple[int, ...]) -> None:
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    image = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    out = doubler.upscale(image)
    assert out.dtype == dtype
    np.testing.assert_allclose(out.astype(float), image.repeat(2, 0).repeat(2, 1).astype(float), rtol=1e-6)


@pytest.mark.parametrize(
    ("mode", "back"), [("RGB", "RGB"), ("L", "L"), ("RGBA", "RGBA"), ("P", "RGB"), ("LA", "LA"), ("La", "LA")]
)
def test_pil_images(doubler: Any, mode: str, back: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 5, 4), dtype=np.uint8)
    pixels[..., 3] = 128
    image = Image.fromarray(pixels if "A" in mode.upper() else pixels[..., :3].copy())
    image = image.convert(mode.upper()).convert(mode) if mode == "La" else image.convert(mode)
    out = doubler.upscale(image)
    assert isinstance(out, Image.Image) and out.size == (10, 12) and out.mode == back
    expected = image.convert(back).resize((10, 12), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(out), np.asarray(expected))


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.zeros(1, 4, 4),
        torch.zeros(3, 0, 4),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4), np.int32),
        np.zeros((0, 4), np.uint8),
        np.full((4, 4), 128.0),
        np.full((4, 4, 3), np.nan, np.float32),
        torch.rand(3, 4, 4) * 255,
        torch.full((3, 4, 4), -1.0),
        torch.rand(3, 4, 4).to_sparse(),
        torch.rand(3, 4, 4).to(torch.float8_e4m3fn),
        torch.rand(3, 4, 4, device="meta"),
        np.ma.masked_array(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), bool)),
        "picture.png",
    ],
)
def test_what_is_no_image_is_refused_in_one_line(doubler: Any, image: Any) -> None:
    with pytest.raises(ImageError) as caught:
        doubler.upscale(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"), [(200.0, "divide by 255"), (-1.0, "bring it there"), (np.nan, "not finite")]
)
def test_a_float_image_out_of_range_is_told_what_to_do(doubler: Any, value: float, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        doubler.upscale(np.full((4, 4), value, np.float32))


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(reference: SRModel, temperature: float) -> None:
    with pytest.raises(UsageError, match="a temperature is 0 or above, and finite"):
        reference.upscale(torch.zeros(3, 8, 8), temperature=temperature)


def test_a_photo_that_lies_on_its_side_is_turned(doubler: Any) -> None:
    lying = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    lying.getexif()[0x0112] = 6
    upright = doubler.upscale(lying)
    assert upright.size == (6, 8) and upright.getexif().get(0x0112, 1) == 1


def test_a_pil_image_keeps_its_profile_and_exif(doubler: Any) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 3
    stream = BytesIO()
    Image.new("RGB", (4, 6)).save(stream, "JPEG", exif=exif, icc_profile=profile)
    out = doubler.upscale(Image.open(stream))
    assert out.info["icc_profile"] == profile and dict(out.getexif()) == {0x010F: "Maker"}
    printed = Image.new("CMYK", (4, 6))
    printed.info["icc_profile"] = b"a profile for ink"
    assert "icc_profile" not in doubler.upscale(printed).info


def test_upscaling_is_clamped_and_keeps_the_mode(reference: SRModel) -> None:
    reference.train()
    black_and_white = torch.rand(3, 8, 8).round()  # cubic edges reach beyond both
    assert reference(black_and_white[None]).sr.detach().max() > 1
    out = reference.upscale(black_and_white)
    assert reference.training and out.min() >= 0 and out.max() <= 1
    reference.eval()
