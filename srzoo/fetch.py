"""Files that srzoo needs but does not ship, held to a pinned SHA-256."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from srzoo.errors import FetchError


@dataclass(frozen=True)
class PinnedFile:
    """One file, the same bytes everywhere."""

    name: str
    """File name."""

    sha256: str
    """Digest of its bytes, in hexadecimal."""

    source: str
    """Where a person gets it."""


SQUEEZENET = PinnedFile(
    "squeezenet1_0.safetensors",
    "ee74f0c8f9ae4ffc73c3c64a51e3694bd83b1a1fc2c1bf3816e129e13b06a083",
    "the ImageNet weights of Iandola et al. under torchvision's names",
)
"""ImageNet classifier whose features measure perceptual distance; RGB normalised by ImageNet's mean and deviation."""


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(pinned: PinnedFile) -> Path:
    """The file in the folder ``SRZOO_WEIGHTS``, checked against its digest.

    Raises:
        FetchError: The folder is not set, the file is not in it, or it holds other bytes.
    """
    folder = os.environ.get("SRZOO_WEIGHTS")
    if not folder:
        raise FetchError(
            f"{pinned.name} is needed ({pinned.source}); put it into a folder and name that in SRZOO_WEIGHTS"
        )
    path = Path(folder) / pinned.name
    if not path.is_file():
        raise FetchError(f"{path} is not there; put {pinned.name} ({pinned.source}) into SRZOO_WEIGHTS")
    if digest(path) != pinned.sha256:
        raise FetchError(f"{path} is not the pinned file: its SHA-256 is not {pinned.sha256[:12]}...")
    return path
