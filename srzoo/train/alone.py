"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from srzoo.errors import TrainingError, WriteError
from srzoo.train.state import remove_unfinished

LOCK = ".lock"
"""Name, in the folder of a run, of the file that is locked. It stays; the lock ends with the process."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder of a run, keep other runs out of it, and remove what those before left half-written.

    Raises:
        TrainingError: Another run is at work there.
        WriteError: It cannot be made or written to.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise TrainingError(
            f"another run is at work in {folder}; wait for its end, or choose another --output"
        ) from None
    except NotImplementedError:  # some shared file systems know no locks
        pass
    except OSError as error:
        raise WriteError(f"cannot use the folder {folder}: {error.strerror}") from None
    try:
        remove_unfinished(folder)
        yield
    finally:
        lock.release()
