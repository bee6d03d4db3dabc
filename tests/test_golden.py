"""Model files of every format version that was ever written are still read, and still draw the same picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from srzoo.checkpoint import load_model, read_header
from srzoo.model import SRModel

GOLDEN = Path(__file__).parent / "golden"


def ramp() -> np.ndarray:  # type: ignore[type-arg]
    """A small image with an edge and a gradient in every channel, uint8 (9, 11, 3)."""
    rows, columns = np.mgrid[:9, :11]
    return np.stack([rows * 25, columns * 20, (rows > columns) * 200], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("version", [1])
def test_a_file_of_that_version_gives_its_picture(version: int) -> None:
    file = GOLDEN / f"model-v{version}.safetensors"
    wanted = np.load(GOLDEN / f"model-v{version}.npy")
    drawn = load_model(file).upscale(ramp(), temperature=1.0, seed=3)
    assert read_header(file)["config"]["encoder"]["name"] == "srzoo:strided"
    assert drawn.shape == wanted.shape == (18, 22, 3)
    assert np.abs(drawn.astype(int) - wanted.astype(int)).max() <= 1


def test_an_encoder_of_one_size_takes_images_of_any() -> None:
    model = load_model(GOLDEN / "model-v1.safetensors")
    assert isinstance(model, SRModel)
    lr = torch.rand(1, 3, 17, 40)
    whole = model.upscale(lr)
    model.encoder.fixed_size = (16, 16)
    cut = model.upscale(lr)
    assert cut.shape == whole.shape == (1, 3, 34, 80)
    assert not torch.equal(cut, whole) and (cut - whole).abs().max() < 0.1
