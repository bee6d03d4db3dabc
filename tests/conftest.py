"""What holds for every process that runs tests, and what several of their modules need."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from srzoo.data.pairs import ImagePair
    from srzoo.fetch import PinnedFile
    from srzoo.model import SRModel

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes share the cores; threads of one that wait for another's take up to three times as long.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, PinnedFile, dict[str, Tensor]], None]:
    """Puts a state in place of a pinned file: under its name, in its format, with its own digest."""
    import torch

    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("SRZOO_OFFLINE", "1")

    def put(where: str, pinned: PinnedFile, state: dict[str, Tensor]) -> None:
        path = tmp_path / pinned.name
        torch.save(state, path)
        monkeypatch.setattr(where, replace(pinned, sha256=sha256(path.read_bytes()).hexdigest()))

    return put


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on ``sys.path``, for distributions; what was imported from it is forgotten."""
    from srzoo.registry import REGISTRY

    monkeypatch.delenv("SRZOO_PLUGINS", raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    monkeypatch.undo()
    REGISTRY.refresh()
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for the tiny recipe; not to be written to."""
    from training import write_photos

    return write_photos(tmp_path_factory.mktemp("data"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A data folder with photos to train on and to validate by."""
    from PIL import Image
    from trees import crops

    for name, count, seed in (("photos", 5, 1), ("validation", 1, 2)):
        (tmp_path / name).mkdir()
        for index, pixels in enumerate(crops(count, 90 + 8 * seed, 121, seed)):
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    return tmp_path


@pytest.fixture(scope="module")
def three_photos() -> list[np.ndarray]:
    """Small parts of photos, (48, 60, 3)."""
    from trees import crops

    return list(crops(3, 48, 60))


@pytest.fixture(scope="module")
def pairs() -> list[ImagePair]:
    """The sample photos at x4."""
    from srzoo.data.pairs import sample_pairs

    return sample_pairs(4)


@pytest.fixture(scope="module")
def crops(pairs: list[ImagePair]) -> list[ImagePair]:
    """Three crops, the last of one channel."""
    from srzoo.data.pairs import make_pair

    cut = [make_pair(pair.name, pair.hr[100:196, 100:220], 4) for pair in pairs[:3]]
    return [*cut[:2], make_pair("gray", cut[2].hr[..., 0], 4)]


@pytest.fixture(scope="session")
def reference() -> SRModel:
    """The reference preset with a decoder that adds something visible to its base."""
    import torch

    from srzoo.assembly import build_model
    from srzoo.config import preset

    model = build_model(preset("reference"), seed=1).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(1.5)
    return model
