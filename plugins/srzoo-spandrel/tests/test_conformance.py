"""The upscaler keeps what upscalers promise, whatever it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import networks
import pytest

from srzoo.testing import conformance

FOLDER = TemporaryDirectory()
CHECKPOINT = Path(FOLDER.name, "3x.pth")


@pytest.fixture(autouse=True, scope="module")
def checkpoint() -> Iterator[None]:
    """A file to open, for as long as the tests run."""
    networks.save(networks.weights("compact"), CHECKPOINT)
    yield
    FOLDER.cleanup()


test_conformance = conformance(
    "upscaler",
    "srzoo-spandrel:spandrel",
    options={"variant": str(CHECKPOINT)},
    expected={"default_constructible": "there is nothing to open without a path"},
)
