"""The door to libraries of ``srzoo[metrics]``, and to the files they would download themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from srzoo.errors import MissingLibraryError
from srzoo.fetch import PinnedFile, locate
from srzoo.messages import one_line

_SAFE_LOADING = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0"}
"""Makes torch.load read tensors and nothing that runs, whatever its caller asks for."""


def library(module: str, asker: str) -> Any:
    """A module of an optional library.

    Args:
        module: Full name, such as ``torchmetrics.image.fid``.
        asker: Who needs it, for the message.

    Raises:
        MissingLibraryError: It is not installed, or cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        distribution = module.partition(".")[0]
        raise MissingLibraryError(
            f"{asker} needs {distribution}, which cannot be imported ({one_line(error)}): "
            f'run pip install "srzoo[metrics]"'
        ) from error


@contextmanager
def hub_of(*files: PinnedFile) -> Iterator[None]:
    """While the block runs, torch.hub finds these files, and no others, as if it had downloaded them.

    torchvision and those who build on it load weights through torch.hub. Here they are given files that `locate` has
    verified, are kept from running code hidden in them, and leave the state of random numbers as it was.

    Raises:
        FetchError: One of the files is not at hand and cannot be downloaded.
    """
    import torch

    located = [locate(file) for file in files]
    before = torch.hub.get_dir()
    with (
        TemporaryDirectory(prefix="srzoo-hub-") as folder,
        torch.random.fork_rng(devices=[]),
        _environment(_SAFE_LOADING),
    ):
        checkpoints = Path(folder, "checkpoints")
        checkpoints.mkdir()
        for path in located:
            _link(path.resolve(), checkpoints / path.name)
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(before)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _link(path: Path, name: Path) -> None:
    try:
        name.symlink_to(path)
    except OSError:  # Windows lets few users make links
        shutil.copyfile(path, name)
