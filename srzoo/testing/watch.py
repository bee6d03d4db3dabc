"""What a piece of code does beside computing: chance, files, prints and network."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_FILES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "sqlite3.connect")

_NETWORK = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


@dataclass
class Seen:
    """What was done; each entry is one finding in words."""

    chance: list[str] = field(default_factory=list)
    """Global generators that moved."""

    files: list[str] = field(default_factory=list)
    """Files that were written, made or removed."""

    prints: list[str] = field(default_factory=list)
    """What went to standard output or standard error."""

    network: list[str] = field(default_factory=list)
    """Connections that were tried; none was let through."""


def plain_numbers(module: nn.Module) -> dict[str, int | float]:
    """Numbers that lie in plain attributes of a module and those inside it, by name; none of them is saved."""
    return {
        f"{prefix}.{name}".removeprefix("."): value
        for prefix, each in module.named_modules()
        for name, value in vars(each).items()
        if isinstance(value, int | float)
    }


class NetworkBlocked(OSError):
    """Raised in place of a connection while a part is watched."""


@contextlib.contextmanager
def watched() -> Iterator[Seen]:
    """Watch what the block does, without network and with an empty folder for temporary files.

    Python's own audit events tell of files and connections, so that a compiled module which goes to the operating
    system itself is seen only by what it leaves in the present or the temporary folder. Warnings and logging are no
    prints.
    """
    seen = Seen()
    before = _generators()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(_temporary_files_in(folder))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(_quiet_logging())
        stack.enter_context(_left_behind(seen.files, os.getcwd()))
        stack.enter_context(_left_behind(seen.files, folder))
        stack.enter_context(_prints_to(seen.prints))
        stack.enter_context(_audited(seen))
        try:
            yield seen
        finally:
            after = _generators()
            seen.chance += [name for name, state in before.items() if after[name] != state]


def _generators() -> dict[str, Any]:
    """State of every global generator."""
    return {
        "random": random.getstate(),
        "numpy.random": pickle.dumps(np.random.get_state()),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


@contextlib.contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    kept = tempfile.tempdir
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = kept


@contextlib.contextmanager
def _left_behind(files: list[str], folder: str) -> Iterator[None]:
    """Note what is new in a folder, or newer; names that begin with a dot are other programs' caches."""
    before = _times(folder)
    try:
        yield
    finally:
        after = _times(folder)
        files += [f"left {name} in {folder}" for name in sorted(after) if after[name] != before.get(name)]


def _times(folder: str) -> dict[str, int]:
    """When each file directly in a folder was written last."""
    times = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):  # another program may take it away meanwhile
            if os.path.isfile(path) and not name.startswith("."):
                times[name] = os.stat(path).st_mtime_ns
    return times


@contextlib.contextmanager
def _quiet_logging() -> Iterator[None]:
    kept = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(kept)


@contextlib.contextmanager
def _prints_to(prints: list[str]) -> Iterator[None]:
    """Catch what goes to the standard streams, through Python or past it."""
    with tempfile.TemporaryFile() as file, contextlib.ExitStack() as stack:
        stream = io.TextIOWrapper(os.fdopen(os.dup(file.fileno()), "wb", buffering=0), "utf-8", write_through=True)
        stack.callback(stream.close)
        for name, number in (("stdout", 1), ("stderr", 2)):
            getattr(sys, name).flush()
            kept = os.dup(number)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, number)
            os.dup2(file.fileno(), number)
        stack.enter_context(contextlib.redirect_stdout(stream))
        stack.enter_context(contextlib.redirect_stderr(stream))
        try:
            yield
        finally:
            file.seek(0)
            if text := file.read().decode("utf-8", errors="replace").strip():
                prints.append(text.splitlines()[0][:80])


_WATCHING: list[Seen] = []
"""Who is told by the audit hook, which Python cannot take away again."""


@contextlib.contextmanager
def _audited(seen: Seen) -> Iterator[None]:
    _hook()
    kept = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # compiled modules are Python's own files, not the part's
    _WATCHING.append(seen)
    try:
        yield
    finally:
        _WATCHING.remove(seen)
        sys.dont_write_bytecode = kept


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _WATCHING:
        return
    if event in _NETWORK:
        place = next((each for each in reversed(arguments) if isinstance(each, tuple | str)), "")
        _WATCHING[-1].network.append(f"{event} {place}")
        raise NetworkBlocked(f"no network while a part is checked: {event} {place}")
    if event == "open" and (arguments[2] or 0) & _WRITING and not _is_nothing(arguments[0]):
        _WATCHING[-1].files.append(f"opened {arguments[0]} for writing")
    elif event in _FILES:
        _WATCHING[-1].files.append(f"{event} {arguments[0]}")


def _is_nothing(path: Any) -> bool:
    """Whether a path is no file at all: an open descriptor, or the null device."""
    return isinstance(path, int) or os.fspath(path) in (os.devnull, os.devnull.encode())


@cache
def _hook() -> None:
    """Have Python tell of its audit events, from the first call on."""
    sys.addaudithook(_audit)
