"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srzoo.errors import UsageError, WriteError

_LONGEST = 200
"""Bytes of a file's name that are in that of its draft: file systems take 255."""


def check_target(target: Path) -> None:
    """Refuse, before any work is done, a file or folder that could not be written after it.

    Raises:
        UsageError: The folder that it goes into is missing, is none, or is not to be written to.
        WriteError: It is a device or a pipe, which a file would take the place of.
    """
    _refuse_device(target)
    folder = target.absolute().parent
    if not folder.exists():
        raise UsageError(f"cannot write {target}: folder {folder} does not exist; create it first")
    if not folder.is_dir():
        raise UsageError(f"cannot write {target}: {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {target}: folder {folder} is not yours to write to")


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """A name beside ``target`` for a file or folder in the making.

    At the end it is moved into the place of ``target``, a file in one move; where it does not come to that, it is
    removed. What a process that was killed left behind has a name that begins with a dot and ends in ``.part``.

    Raises:
        WriteError: ``target`` is a device or a pipe, which a file would take the place of.
    """
    _refuse_device(target)
    begin = os.fsdecode(os.fsencode(target.name)[:_LONGEST])
    temporary = target.with_name(f".{begin}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _refuse_device(target: Path) -> None:
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise WriteError(f"{target} is a device or a pipe, and a file would take its place: name a file")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it.

    Raises:
        WriteError: The folder is missing, not writable, or full.
    """
    try:
        with draft(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None
