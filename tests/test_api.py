"""The public names: which they are, what importing them costs, and that they do what they say."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from inspect import ismodule
from pathlib import Path

import numpy as np
import pytest
import torch

import srzoo
from srzoo.data.pairs import make_pair, sample_pairs
from srzoo.errors import ConfigError, UsageError

PUBLIC = ["__version__", "available", "bench", "build", "evaluate", "load", "save"]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_public_names_are_these() -> None:
    assert srzoo.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(srzoo))
    assert all(getattr(srzoo, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError, match="module 'srzoo' has no attribute 'biuld'"):
        _ = srzoo.biuld


def test_importing_srzoo_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "pydantic", "pandas", "matplotlib", "click", "rich", "timm")
    code = f"import sys, srzoo; srzoo.__version__; print([name for name in {heavy} if name in sys.modules])"
    assert python(code) == "[]"
    code = f"import sys, srzoo; srzoo.available('encoders'); print([name for name in {heavy} if name in sys.modules])"
    assert python(code) == "[]"


def test_no_submodule_shadows_a_public_name() -> None:
    modules = [info.name for info in pkgutil.iter_modules(srzoo.__path__) if info.name != "__main__"]
    assert len(modules) > 20 and not set(modules) & set(srzoo.__all__), modules
    for name in modules:
        import_module(f"srzoo.{name}")
    assert [name for name in srzoo.__all__ if ismodule(getattr(srzoo, name))] == []


def test_available_names_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert srzoo.available("decoders") == srzoo.available("decoder")
    assert {"attn", "deconv", "dense", "shuffle"} <= set(srzoo.available("decoders"))
    assert "reference" in srzoo.available("presets")
    assert srzoo.available("models") == [
        file.stem for file in sorted(Path(srzoo.__file__).parent.glob("weights/*.saf*"))
    ]
    with pytest.raises(UsageError, match="no kind 'dekoder'"):
        srzoo.available("dekoder")


def test_build_changes_a_preset() -> None:
    model = srzoo.build(
        "reference",
        encoder="resnet",
        decoder={"name": "attn", "blocks": 2, "widths": [16, 24]},
        latent={"channels": 4},
        base="none",
        scale=3,
        skips=False,
        device="meta",
    )
    config = model.config
    assert (config["scale"], config["skips"], config["base"]) == (3, False, "none")
    assert config["encoder"]["name"] == "srzoo:resnet"
    assert (config["decoder"]["blocks"], config["decoder"]["widths"]) == (2, [16, 24])
    assert (config["latent"]["name"], config["latent"]["channels"]) == ("srzoo:conditional", 4)
    with pytest.raises(ConfigError, match="did you mean 'reference'"):
        srzoo.build("referense")
    with pytest.raises(TypeError, match="encodr"):
        srzoo.build(encodr="resnet")
    for use in (lambda: model.upscale(torch.rand(3, 8, 8)), lambda: srzoo.save(model, "never.safetensors")):
        with pytest.raises(UsageError, match="on the meta device has no weights"):
            use()
    with pytest.raises(UsageError, match="a tile has a side of 0"):
        srzoo.load("nearest").upscale(torch.rand(3, 8, 8), tile=-4)
    with pytest.raises(UsageError, match="device 'nope' cannot be used here"):
        srzoo.build(device="nope")


def test_evaluate_takes_names_and_models_folders_and_pairs(tmp_path: Path) -> None:
    from srzoo.images import write_image

    photos = [make_pair(pair.name, pair.hr[100:164, 100:164], 2) for pair in sample_pairs(2)[:2]]
    for photo in photos:
        write_image(tmp_path / f"{photo.name}.png", photo.hr)
    by_name = srzoo.evaluate("bicubic", tmp_path, scale=2)
    by_model = srzoo.evaluate(srzoo.load("bicubic", 2), photos)
    with pytest.raises(UsageError, match="enlarges x2, not x4: leave out scale"):
        srzoo.evaluate(srzoo.load("bicubic", 2), photos, scale=4)
    assert by_name.data == by_model.data and by_name.data["scale"] == 2
    one = srzoo.evaluate("bicubic", photos, scale=2, metrics="psnr_y, ssim_y")
    assert {"psnr_y", "ssim_y"} <= set(one.mean) and "lr_psnr" not in one.mean
    for model, data in ((3, photos), ("bicubic", ["a"]), ("bicubic", 3)):
        with pytest.raises(UsageError, match=r"no model|image pairs"):
            srzoo.evaluate(model, data, scale=2)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least one sample"):
        srzoo.evaluate("bicubic", photos, scale=2, samples=0)
    assert [by_name.mean[key] for key in ("psnr_y", "ssim_y")] == [by_model.mean[key] for key in ("psnr_y", "ssim_y")]


def test_a_temperature_draws_samples() -> None:
    pairs = [make_pair(pair.name, pair.hr[100:164, 100:164], 4) for pair in sample_pairs(4)[:1]]
    model = srzoo.build()
    mean, first, again, second = (
        srzoo.evaluate(model, pairs, temperature=temperature, seed=seed).mean["psnr_y"]
        for temperature, seed in ((0, 0), (9, 1), (9, 1), (9, 2))
    )
    assert first == again and len({mean, first, second}) == 3


def test_bench_gives_a_data_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srzoo.cost.OUTPUT", (64, 96))
    pairs = [make_pair(pair.name, pair.hr[100:164, 100:164], 2) for pair in sample_pairs(2)[:2]]
    frame = srzoo.bench(["nearest", "lanczos", "nope"], pairs, scale=2)
    assert list(frame["model"]) == ["lanczos", "nearest"]
    assert frame["psnr_y"].is_monotonic_decreasing and (frame["seconds"] > 0).all()
    assert frame.attrs["data"]["images"] == 2
    assert [each["model"] for each in frame.attrs["failed"]] == ["nope"]
    assert list(srzoo.bench("nearest", pairs, scale=2)["model"]) == ["nearest"]
    with pytest.raises(UsageError, match="ranked by name or file"):
        srzoo.bench([srzoo.load("nearest", 2)], pairs, scale=2)  # type: ignore[list-item]
    for scale in (0, 2.5):
        with pytest.raises(UsageError, match="scale"):
            srzoo.bench("nearest", pairs, scale=scale)
    empty = srzoo.bench(["nope"], pairs, scale=2)
    assert list(empty.columns) == list(frame.columns) and empty.empty


def test_what_comes_back_can_be_computed_with_and_numpy_s_numbers_are_numbers() -> None:
    model = srzoo.load("bicubic", np.int64(2))
    assert model.scale == 2 and srzoo.load("bicubic", np.float32(2.5)).scale == Fraction(5, 2)
    image = torch.rand(3, 8, 8)
    weight = torch.ones(1, requires_grad=True)
    (model.upscale(image).mul_(0.5) * weight).sum().backward()
    assert weight.grad is not None
    seeded = srzoo.build("seed", seed=np.int64(3))
    assert torch.equal(next(seeded.parameters()), next(srzoo.build("seed", seed=3).parameters()))
    assert seeded.upscale(image, temperature=1.0, seed=np.int64(3)).equal(
        seeded.upscale(image, temperature=1.0, seed=3)
    )
