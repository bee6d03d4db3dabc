"""Photos and a model for commands to work on, and costs of small images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from srzoo.api import build
from srzoo.checkpoint import save_model
from srzoo.data.pairs import sample_pairs
from srzoo.images import write_image


@pytest.fixture(autouse=True)
def _small_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_PLUGINS", "")
    monkeypatch.setattr("srzoo.cost.OUTPUT", (64, 96))


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return [pair.hr[96:160, 96:176] for pair in sample_pairs(4)[:2]]


@pytest.fixture
def folder(tmp_path: Path, photos: list[np.ndarray]) -> Path:
    (tmp_path / "photos").mkdir()
    for name, photo in zip("ab", photos, strict=True):
        write_image(tmp_path / "photos" / f"{name}.png", photo)
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    decoder = {"name": "shuffle", "widths": [8, 12], "blocks": 1, "fine_width": 8}
    save_model(build(pre_encoder={"name": "conv", "widths": [8]}, decoder=decoder), path)
    return str(path)
