"""The upscaler keeps what upscalers promise, whatever it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import networks
import pytest

from srzoo.testing import conformance

FOLDER = TemporaryDirectory()
FILE = Path(FOLDER.name, "2x.onnx")


@pytest.fixture(autouse=True, scope="module")
def file() -> Iterator[None]:
    """A file to open, for as long as the tests run."""
    networks.export(networks.Small(), FILE)
    yield
    FOLDER.cleanup()


test_conformance = conformance(
    "upscaler",
    "srzoo-onnx:onnx",
    options={"variant": str(FILE)},
    expected={
        "default_constructible": "there is nothing to open without a path",
        "exports": "ONNX Runtime computes, which PyTorch cannot export",
    },
)
