"""Files that srzoo needs but does not ship, held to a pinned SHA-256.

A file is looked for in the folder that the environment variable ``SRZOO_WEIGHTS`` names, then in the cache
(``SRZOO_CACHE``, else the platform's own place for caches), then downloaded into the cache. ``SRZOO_OFFLINE=1`` forbids
the download.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from srzoo.errors import FetchError
from srzoo.files import draft
from srzoo.messages import one_line

_CHUNK = 1 << 20
_TIMEOUT = 30
"""Seconds without a byte after which a download is given up."""


@dataclass(frozen=True)
class PinnedFile:
    """One file, the same bytes everywhere."""

    name: str
    """File name."""

    sha256: str
    """Digest of its bytes in hexadecimal, or its first 8 digits where its publisher tells no more."""

    source: str
    """What it is, so that a person can find it."""

    url: str | None = None
    """Where it is downloaded from; None where it cannot be."""


SQUEEZENET = PinnedFile(
    "squeezenet1_0.safetensors",
    "ee74f0c8f9ae4ffc73c3c64a51e3694bd83b1a1fc2c1bf3816e129e13b06a083",
    "the ImageNet weights of Iandola et al. under torchvision's names",
)
"""SqueezeNet 1.0 as its authors compressed it: what the shipped models were trained and measured with."""

SQUEEZENET_TORCHVISION = PinnedFile(
    "squeezenet1_0-b66bff10.pth",
    "b66bff10",
    "torchvision's SqueezeNet 1.0, trained on ImageNet",
    "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth",
)
"""SqueezeNet 1.0 as torchvision offers it; pinned by the 8 digits that torchvision publishes in its name."""

SQUEEZENET_1_1 = PinnedFile(
    "squeezenet1_1-b8a52dc0.pth",
    "b8a52dc0",
    "torchvision's SqueezeNet 1.1, trained on ImageNet",
    "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
)
"""What LPIPS may look through as well; pinned as the one before."""

ALEXNET = PinnedFile(
    "alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    "torchvision's AlexNet, trained on ImageNet",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
)
"""What LPIPS looks through unless told otherwise."""

VGG16 = PinnedFile(
    "vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "torchvision's VGG-16, trained on ImageNet",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
)
"""What DISTS looks through, and LPIPS may."""

VGG19 = PinnedFile(
    "vgg19-dcbb9e9d.pth",
    "dcbb9e9d",
    "torchvision's VGG-19, trained on ImageNet",
    "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
)
"""What the perceptual loss may look through; pinned by the 8 digits that torchvision publishes in its name."""

INCEPTION = PinnedFile(
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "the Inception network of the original FID, as torch-fidelity converted it",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
"""What FID and KID look through."""


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(pinned: PinnedFile) -> Path | None:
    """The file in ``SRZOO_WEIGHTS`` or in the cache, checked against its digest; None where neither has it.

    Raises:
        FetchError: A file of that name holds other bytes.
    """
    for folder in _folders():
        path = folder / pinned.name
        if path.is_file():
            _check(path, pinned)
            return path
    return None


def locate(pinned: PinnedFile) -> Path:
    """The file in ``SRZOO_WEIGHTS``, in the cache, or else downloaded into the cache; checked against its digest.

    Raises:
        FetchError: The file is nowhere and cannot be downloaded, or it holds other bytes.
    """
    return find(pinned) or _download(pinned)


def cache_folder() -> Path:
    """Where downloads are kept: ``SRZOO_CACHE``, else ``srzoo`` in the platform's folder for caches."""
    if chosen := os.environ.get("SRZOO_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "srzoo"


def _folders() -> list[Path]:
    """Where files may lie, the first to be looked into first."""
    chosen = os.environ.get("SRZOO_WEIGHTS")
    return [Path(chosen), cache_folder()] if chosen else [cache_folder()]


def _check(path: Path, pinned: PinnedFile) -> None:
    found = digest(path)
    if not found.startswith(pinned.sha256):
        raise FetchError(
            f"{path} is not {pinned.source}: its SHA-256 is {found}, not {pinned.sha256}; remove it, or put the "
            f"right file in its place"
        )


def _download(pinned: PinnedFile) -> Path:
    if pinned.url is None:
        raise FetchError(f"{pinned.name} ({pinned.source}) is not at hand: {_by_hand(pinned)}")
    if os.environ.get("SRZOO_OFFLINE", "") not in ("", "0"):
        raise FetchError(
            f"{pinned.name} ({pinned.source}) is not at hand, and SRZOO_OFFLINE is set: {_by_hand(pinned)}"
        )
    target = cache_folder() / pinned.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft(target) as temporary:
            with temporary.open("wb") as file:
                found = _receive(pinned, file)
            if not found.startswith(pinned.sha256):
                raise FetchError(
                    f"{pinned.url} sent other bytes than {pinned.source}: their SHA-256 is {found}, not "
                    f"{pinned.sha256}; nothing was kept: {_by_hand(pinned)}"
                )
    except (URLError, HTTPException, OSError) as error:
        if isinstance(error, HTTPError):  # it is the answer too, and holds the connection
            error.close()
        raise FetchError(
            f"{pinned.name} cannot be downloaded into {target.parent} ({one_line(error)}): {_by_hand(pinned)}"
        ) from error
    return target


def _receive(pinned: PinnedFile, file: IO[bytes]) -> str:
    """Write what the address sends into a file and return its digest."""
    assert pinned.url is not None
    sha, received = hashlib.sha256(), 0
    with urlopen(Request(pinned.url, headers={"User-Agent": "srzoo"}), timeout=_TIMEOUT) as answer:
        announced = answer.headers.get("Content-Length")
        if sys.stderr.isatty():
            size = f" ({int(announced) / 1e6:.0f} MB)" if announced else ""
            print(f"downloading {pinned.url}{size}", file=sys.stderr)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            sha.update(chunk)
            received += len(chunk)
    if announced is not None and received != int(announced):
        raise OSError(f"the connection ended after {received} of {announced} bytes")
    return sha.hexdigest()


def _by_hand(pinned: PinnedFile) -> str:
    """What a person can do instead."""
    origin = f"download {pinned.url}" if pinned.url else f"get {pinned.name}"
    folder = os.environ.get("SRZOO_WEIGHTS")
    place = f"put it into {folder} (SRZOO_WEIGHTS)" if folder else "put it into a folder and name that in SRZOO_WEIGHTS"
    return f"{origin} and {place}"
