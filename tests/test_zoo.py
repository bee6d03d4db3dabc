"""Models by name: what loads, and what is said of what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from parts import TINY

from srzoo import zoo
from srzoo.api import build
from srzoo.checkpoint import save_model
from srzoo.errors import CheckpointError, PartNotFoundError, UsageError
from srzoo.resize import imresize


@pytest.fixture(autouse=True)
def _only_own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_PLUGINS", "")
    zoo.REGISTRY.refresh()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_model(build(**TINY), path)
    return path


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["bicubic", "srzoo:bicubic"])
def test_an_upscaler_loads_by_either_name_at_any_scale(name: str, photo: np.ndarray) -> None:
    assert zoo.load(name).scale == 4
    model = zoo.load(name, 3)
    assert (model.scale, model.trained, model.training) == (3, True, False)
    expected = np.clip(imresize(photo / 255, scale=3), 0, 1)
    assert np.abs(model.upscale(photo / 255) - expected).max() < 1e-5


def test_a_file_loads_as_it_was_saved(file: Path, photo: np.ndarray) -> None:
    first, second = zoo.load(file), zoo.load(str(file), scale=4, device=torch.device("cpu"))
    assert not first.trained and not first.training
    enlarged = first.upscale(photo, temperature=0.5, seed=3)
    assert enlarged.shape == (36, 56, 3)
    assert np.array_equal(enlarged, second.upscale(photo, temperature=0.5, seed=3))


def test_shipped_names_win_over_files_and_upscalers(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reference").write_bytes(b"something else")
    monkeypatch.setattr(zoo, "shipped", lambda: {"reference": file, "bicubic": file})
    assert zoo.find_file("reference") == file
    assert zoo.load("bicubic").config["encoder"]["name"] == "srzoo:strided"
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        zoo.load("./reference")
    with pytest.raises(UsageError, match=r"'refrence' \(did you mean 'reference'\?\)"):
        zoo.load("refrence")
    with pytest.raises(UsageError, match=r"reference enlarges x4, not x2: shipped models enlarge x4; bicubic, .* any"):
        zoo.load("reference", 2)


def test_every_shipped_model_is_trained_and_runs(photo: np.ndarray) -> None:
    for name in zoo.shipped():
        model = zoo.load(name)
        assert model.trained, name
        assert model.upscale(photo).shape == (9 * model.scale, 14 * model.scale, 3), name


def test_a_scale_that_a_file_does_not_have_is_an_error(file: Path) -> None:
    with pytest.raises(
        UsageError, match=r"tiny\.safetensors enlarges x4, not x3: .*bicubic, lanczos, nearest take any"
    ):
        zoo.load(file, 3)
    with pytest.raises(UsageError, match="scale 0 is out of range"):
        zoo.load("bicubic", 0)


def test_what_does_not_exist_is_named_with_what_does(file: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no model 'bicubik' \(did you mean 'bicubic'\?\): .*bicubic, lanczos, nearest"
    ):
        zoo.load("bicubik")
    with pytest.raises(UsageError, match=r"tinny\.safetensors does not exist \(did you mean 'tiny'\?\)"):
        zoo.load(file.with_name("tinny.safetensors"))
    with pytest.raises(PartNotFoundError, match="no installed distribution 'nobody'"):
        zoo.load("nobody:bicubic")
    with pytest.raises(PartNotFoundError, match="has no variants"):
        zoo.load("bicubic/fast")
    (tmp_path / "net.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="pickled checkpoint"):
        zoo.load(tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="a folder"):
        zoo.load(tmp_path)


def test_a_preset_is_no_model() -> None:
    with pytest.raises(UsageError, match=r"'seed-narrow' is a preset, .* srzoo build seed-narrow -o model\."):
        zoo.load("seed-narrow")


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="device 'cuda:99' cannot be used here"):
        zoo.load("bicubic", device="cuda:99")
    with pytest.raises(UsageError, match="device 'meta' cannot be used here"):
        zoo.load("bicubic", device="meta")
    with pytest.raises(UsageError, match="device 'gpu' cannot be used here"):
        zoo.usable_device("gpu")
    assert zoo.usable_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("family", ["spandrel", "onnx"])
def test_a_plugin_that_is_not_there_is_named(family: str) -> None:
    for path in ("models/4x.safetensors", "/4x.pth", "C:\\4x.pth"):
        with pytest.raises(UsageError, match=f"comes with srzoo-{family}: install that, or see: srzoo plugins"):
            zoo.load(f"{family}/{path}")
