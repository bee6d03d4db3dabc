"""Scales that are not whole, and one set of weights for all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import srzoo
from parts import make, own
from torch import Tensor

from srzoo import zoo
from srzoo.api import build, evaluate
from srzoo.assembly import build_model, build_upscaler
from srzoo.checkpoint import load_model, save_model
from srzoo.config import ModelConfig
from srzoo.data.pairs import ImagePair, make_pair, sample_pairs
from srzoo.errors import AssemblyError, CheckpointError, ConfigError, DataError, SrzooError, UsageError
from srzoo.images import Image, read_image, write_image
from srzoo.model import Model
from srzoo.resize import imresize
from srzoo.scale import exact_scale, plain
from srzoo.spec import Spec

HALVES = Fraction(5, 2)
SMALL: dict[str, Any] = {
    "pre_encoder": {"name": "conv", "widths": [6]},
    "encoder": {"name": "strided", "widths": [8], "blocks": 1},
    "decoder": {"name": "implicit", "widths": [8, 8], "blocks": 1, "code": 8},
    "discriminator": {"name": "patch", "width": 4},
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_PLUGINS", "")


def network(scale: object, latent: str = "identity") -> Any:
    """A small network whose function of position is not the initial one, in which the distance does not count."""
    config = ModelConfig.parse({"scale": scale, "latent": {"name": latent}, **SMALL})
    model = build_model(config, seed=3).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


def enlarged(sides: tuple[int, ...], scale: Fraction | int) -> tuple[int, ...]:
    return tuple(floor(side * scale) for side in sides)


# What a scale is.


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (4, 4), (4.0, 4), ("4", 4), ("8/2", 4), (Fraction(4), 4), (16, 16), ("1", 1), (1.5, Fraction(3, 2)),
        (2.5, HALVES), ("2.5", HALVES), ("5/2", HALVES), (HALVES, HALVES), (7 / 3, Fraction(7, 3)),
        (" 2.05 ", Fraction(41, 20)),
    ],
)  # fmt: skip
def test_a_scale_is_exact_and_an_int_where_it_is_whole(given: object, wanted: Fraction | int) -> None:
    scale = exact_scale(given)
    assert scale == wanted and type(scale) is type(wanted)
    assert exact_scale(json.loads(json.dumps(plain(scale)))) == scale


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "out of range"), ("0.5", "out of range"), (17, "out of range"), ("33/2", "out of range"),
        ("2.37", "above 20: write 45/19"), (True, "is no scale"), ("1/0", "is no scale"), ("1e9", "is no scale"),
        (float("nan"), "is no scale"), (float("inf"), "is no scale"), (None, "is no scale"), ("x2", "is no scale"),
        ("-2", "is no scale"),
    ],
)  # fmt: skip
def test_what_is_no_scale_is_refused_with_one_that_is(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        exact_scale(given)
    assert "write" in str(caught.value)


@pytest.mark.parametrize(("given", "kept"), [(4, 4), (2.0, 2), (2.5, "5/2"), ("5/2", "5/2"), ("2.5", "5/2")])
def test_a_configuration_keeps_whole_scales_as_they_were_and_others_as_text(given: object, kept: object) -> None:
    config = ModelConfig.parse({"scale": given, "latent": "identity", **SMALL})
    values = json.loads(json.dumps(config.to_dict()))
    assert values["scale"] == kept and type(values["scale"]) is type(kept)
    assert ModelConfig.parse(values) == config and config.scale == Fraction(str(kept))


def test_a_configuration_says_which_key_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"^mine: scale: .*2\.37 has a denominator above 20: write 45/19"):
        ModelConfig.parse({"scale": "2.37", "latent": "identity", **SMALL}, "mine")


# Images.


@pytest.mark.parametrize("scale", ["3/2", "5/2", "7/3", "15/2"])
def test_images_of_any_size_are_enlarged_and_sizes_rounded_down(scale: str) -> None:
    model = network(scale)
    for size in ((1, 1), (7, 10), (16, 3), (33, 21)):
        out = model.upscale(noise(3, *size))
        assert out.shape == (3, *enlarged(size, Fraction(scale))) and out.isfinite().all()
        assert all(side % Fraction(scale).denominator == 0 for side in model.padded_size(*size))


@pytest.mark.parametrize("name", own("upscaler"))
def test_plain_upscalers_keep_to_the_scale_and_not_to_the_rounded_size(name: str) -> None:
    image = noise(1, 3, 33, 21)
    out = build_upscaler(name, HALVES).upscale(image)
    assert out.shape == (1, 3, 82, 52)
    kernel: Any = {"lanczos": "lanczos3"}.get(name, name)
    wanted = imresize(image[0].permute(1, 2, 0).double().numpy(), scale=HALVES, kernel=kernel)[:82, :52]
    np.testing.assert_allclose(out[0].permute(1, 2, 0), wanted.clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("scale", ["5/2", "7/3"])
def test_tiles_agree_with_the_whole(scale: str) -> None:
    image = noise(3, 75, 40)
    for model in (network(scale), network(scale, "gaussian"), build_upscaler("bicubic", Fraction(scale))):
        whole = model.upscale(image, temperature=0.7)
        for tile in (16, 33):
            torch.testing.assert_close(model.upscale(image, temperature=0.7, tile=tile), whole, rtol=0, atol=2e-5)


def test_training_and_hr_work_at_a_scale_that_is_not_whole() -> None:
    model = network("5/2", "gaussian").train()
    hr = noise(2, 3, 17, 25)
    out = model(noise(2, 3, 7, 10), hr=hr, noise=[each.expand(2, -1, -1, -1) for each in model.noise(7, 10)])
    assert out.sr.shape == hr.shape
    (out.sr - hr).abs().mean().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())


# The function of position.


def test_every_scale_samples_one_function() -> None:
    """The middle one of three pixels at x15/2 has the centre of a pixel at x5/2."""
    coarse, fine, at_lr = (network(scale) for scale in ("5/2", "15/2", 3))
    image = noise(2, 3, 12, 18)
    with torch.no_grad():
        sparse, dense, thrice = (model(image).sr - model.base(image) for model in (coarse, fine, at_lr))
        torch.testing.assert_close(dense[..., 1::3, 1::3], sparse, rtol=1e-5, atol=1e-6)
        centres = network(1)
        torch.testing.assert_close(thrice[..., 1::3, 1::3], centres(image).sr - image, rtol=1e-5, atol=1e-6)


def decoder(scale: Fraction | int) -> Any:
    part = make("decoder", "implicit", (Spec(5), Spec(6, Fraction(2))), Spec(3, 1 / Fraction(scale)), code=16)
    with torch.no_grad():
        part.distance.normal_(generator=torch.Generator().manual_seed(4))
    return part.eval()


def test_there_are_no_jumps_from_one_lr_pixel_to_the_next() -> None:
    """Half the distance between pixels makes half the largest step between them, which a jump would not do."""
    features = (noise(1, 5, 8, 12), noise(1, 6, 4, 6))
    with torch.no_grad():
        steps = [decoder(scale)(features).diff(dim=-1).abs().max().item() for scale in (16, 32, 64)]
    assert steps[0] > 1e-4
    assert steps[1] < 0.6 * steps[0] and steps[2] < 0.6 * steps[1]


@pytest.mark.parametrize("scale", [2, HALVES, 4])
def test_it_starts_without_a_pattern(scale: Fraction | int) -> None:
    part = make("decoder", "implicit", (Spec(5),), Spec(3, 1 / Fraction(scale))).eval()
    with torch.no_grad():
        inner = part((torch.full((1, 5, 24, 24), 0.3),))[..., 20:-20, 20:-20]
    assert inner.numel() and (inner - inner.mean((2, 3), keepdim=True)).abs().max() < 1e-6


def test_few_pixels_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    part, features = decoder(4), (noise(2, 5, 60, 40), noise(2, 6, 30, 20))
    module = sys.modules[type(part).__module__]
    counts: list[int] = []
    part.function.register_forward_pre_hook(lambda _, given: counts.append(given[0].numel() // given[0].shape[-1]))
    with torch.no_grad():
        out = part(features)
        assert max(counts) <= module._AT_ONCE < 2 * 240 * 160 and sum(counts) == 4 * 2 * 240 * 160
        monkeypatch.setattr(module, "_AT_ONCE", 1 << 30)
        torch.testing.assert_close(part(features), out, rtol=1e-5, atol=1e-6)


# What does not fit.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent": "conditional"}, r"^latent srzoo:conditional: .* x5/2 has not: .* identity or gaussian$"),
        ({"latent": "hierarchical"}, r"^latent srzoo:hierarchical: .* x5/2 has not: .* identity or gaussian$"),
        ({"decoder": "shuffle"}, r"^decoder srzoo:shuffle .* not by 5/2: take one for any, such as implicit$"),
    ],
)
def test_parts_for_whole_scales_refuse_others(changes: dict[str, str], message: str) -> None:
    config = ModelConfig.parse({"scale": 2.5, "latent": "identity", **SMALL, **changes})
    with pytest.raises(AssemblyError, match=message):
        build_model(config, device="meta")


def test_a_base_of_another_scale_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def whole_only(self: Any, scale: Any) -> None:
        torch.nn.Module.__init__(self)
        self.scale = int(scale)

    monkeypatch.setattr("srzoo.components.upscalers.nearest.NearestUpscaler.__init__", whole_only)
    config = ModelConfig.parse({"scale": 2.5, "latent": "identity", "base": "nearest", **SMALL})
    with pytest.raises(AssemblyError, match=r"the base upscaler srzoo:nearest enlarges by 2, not by 5/2"):
        build_model(config)


# One file for all scales.


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "any.safetensors"
    save_model(network(4), path)
    return path


@pytest.mark.parametrize("scale", [2, 2.5, "5/2", Fraction(7, 3), 4, None])
def test_a_file_serves_every_scale(file: Path, scale: Any, tmp_path: Path) -> None:
    model, own_scale = zoo.load(file, scale), zoo.load(file)
    exact = exact_scale(scale or 4)
    assert model.scale == exact and model.config["scale"] == plain(exact)
    for name, value in own_scale.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    image = noise(3, 11, 14)
    out = model.upscale(image)
    assert out.shape == (3, *enlarged((11, 14), exact))
    assert (out - build_upscaler("bicubic", exact).upscale(image)).abs().max() > 0.01
    save_model(load_model(file, scale=exact), tmp_path / "again.safetensors")
    assert torch.equal(zoo.load(tmp_path / "again.safetensors").upscale(image), out)


def test_a_latent_that_saw_hr_does_so_at_its_own_scale_only(tmp_path: Path) -> None:
    model = network(4, "conditional")
    for training_parts in (False, True):
        save_model(model, tmp_path / "model.safetensors", training_parts=training_parts)
        assert zoo.load(tmp_path / "model.safetensors", 2).upscale(noise(3, 6, 7)).shape == (3, 12, 14)
        with pytest.raises(CheckpointError, match=r"latent srzoo:conditional: .* take a whole scale"):
            zoo.load(tmp_path / "model.safetensors", 2.5)


# Scores.


def test_pairs_are_whole_pixels_of_exactly_the_scale() -> None:
    hr = np.random.default_rng(0).integers(0, 256, (64, 83, 3)).astype(np.uint8)
    pair = make_pair("a", hr, HALVES)
    assert (pair.hr.shape, pair.lr.shape, pair.scale) == ((60, 80, 3), (24, 32, 3), HALVES)
    assert type(make_pair("a", hr, 4).scale) is int
    for shapes in (((13, 13), (4, 5)), ((100, 100), (23, 23)), ((4, 4), (8, 8))):
        with pytest.raises(DataError, match="no multiple"):
            _ = ImagePair("a", np.zeros(shapes[1], np.uint8), np.zeros(shapes[0], np.uint8)).scale


def test_scores_at_a_scale_that_is_not_whole(file: Path) -> None:
    pairs = [make_pair(each.name, each.hr[96:196, 96:201], HALVES) for each in sample_pairs(1)[:2]]
    result = evaluate("bicubic", pairs, scale="5/2")
    assert result.data["scale"] == "5/2" and 20 < result.mean["psnr_y"] < 45
    with pytest.raises(SrzooError, match="make x5/2, but the model enlarges x4"):
        evaluate(file, pairs)
    cropped = evaluate("bicubic", pairs, scale=2.5, protocol="classic,border=3")
    assert cropped.mean["psnr_y"] == result.mean["psnr_y"]


# On the command line.


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    photo = sample_pairs(4)[0].hr[96:151, 96:173]
    alpha = np.zeros(photo.shape[:2], np.uint8)
    alpha[:, 40:] = 255
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", photo)
    write_image(tmp_path / "clear.png", Image(photo, alpha))
    yield tmp_path


def test_one_file_enlarges_by_several_scales(folder: Path, file: Path) -> None:
    for scale, size in (("2.5", (137, 192)), ("4", (220, 308))):
        tiles = [("whole.png", 0), ("tiles.png", 32)]
        for name, tile in tiles:
            done = srzoo("upscale", "photos/a.png", name, "--model", file, "--scale", scale, "--tile", tile, cwd=folder)
            assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
        whole, pieces = (read_image(folder / name).pixels.astype(int) for name, _ in tiles)
        assert whole.shape == (*size, 3) and np.abs(whole - pieces).max() <= 1
    done = srzoo("upscale", "clear.png", "out.png", "--model", file, "--scale", "2.5", "--compare", "c.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    out = read_image(folder / "out.png")
    assert out.alpha is not None and out.alpha.shape == (137, 192) == out.pixels.shape[:2]
    assert out.alpha[:, :95].max() == 0 and out.alpha[:, 106:].min() == 255
    assert read_image(folder / "c.png").pixels.shape == (137 + 16, 3 * 192 + 8, 3)


def test_a_network_for_any_scale_is_built_and_scored(folder: Path) -> None:
    given = ("--decoder", "implicit", "--set", "decoder.code=8", "--latent", "identity", "-o", "any.safetensors")
    done = srzoo("build", *given, "--scale", "2.5", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    built = json.loads(done.stdout)
    assert built["scale"] == "5/2" and built["multiple"] == 2 and built["macs"] > 0
    told = srzoo("show", "any.safetensors", "--json", cwd=folder)
    assert json.loads(told.stdout)["config"]["scale"] == "5/2"
    for scale, wanted in ((None, "5/2"), ("3", 3)):
        options = () if scale is None else ("--scale", scale)
        done = srzoo("eval", "any.safetensors", "--data", "photos", *options, "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["data"]["scale"] == wanted
    shown = srzoo("eval", "bicubic", "--data", "photos", "--scale", "2.5", cwd=folder)
    assert shown.stdout.startswith("bicubic, x5/2\n"), shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("upscale", "photos/a.png", "o.png", "--scale", "2.5"), "reference enlarges x4, not x5/2: shipped models"),
        (("eval", "reference", "--scale", "2"), "and so do models with a decoder for it, such as implicit"),
        (("upscale", "photos/a.png", "o.png", "--scale", "2.37"), "denominator above 20: write 45/19"),
        (("eval", "bicubic", "--scale", "0"), "scale 0 is out of range: write a number from 1 to 16"),
        (("build", "--scale", "2.5"), "take one for any, such as implicit"),
        (("build", "--decoder", "implicit", "--scale", "2.5"), "take a whole scale, or identity or gaussian"),
        (
            ("train", "reference", "--data", "photos", "-o", "run", "--set", "model.scale=2.5",
             "--set", "model.decoder=implicit", "--set", "model.latent=identity"),
            "cannot train at x5/2: set model.scale to a whole number, and use the model at that",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_a_line(arguments: tuple[str, ...], message: str, folder: Path) -> None:
    done = srzoo(*arguments, cwd=folder)
    assert done.returncode != 0 and message in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3 and "Traceback" not in done.stderr


def test_the_api_takes_what_the_command_line_takes() -> None:
    model: Model = build("ablation-no-vae", decoder="implicit", scale="2.5")
    assert model.scale == HALVES
    with pytest.raises(UsageError, match="denominator above 20"):
        zoo.load("bicubic", "2.37")
