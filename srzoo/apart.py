"""Work in a process of its own, so that nothing it does can harm this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

Tell = Callable[[Any], None]
"""Hands one JSON value to the process that asked; what was told is kept whatever happens afterwards."""


class Told(NamedTuple):
    """What a process told before it ended."""

    values: tuple[Any, ...]
    """JSON values, in their order."""

    ending: str
    """How it ended, in words: empty if well."""


def apart(function: str, task: Any, seconds: float, *, each: bool = False) -> Told:
    """Call a function in a fresh Python, with the same ``sys.path`` and nothing to read or print to.

    Args:
        function: ``module:function``, called with ``task`` and a `Tell`.
        task: A JSON value.
        seconds: How long it may take; afterwards the process and all that it started are killed.
        each: Whether that is the time for each value that it tells, and not for all of them.

    Returns:
        What the function told, also where it did not end well.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "told")
        file.touch()
        order = json.dumps({"path": sys.path, "function": function, "task": task, "file": str(file)})
        code = "import sys, json; sys.path[:] = json.loads(sys.argv[1])['path']; from srzoo.apart import _work; _work()"
        child = subprocess.Popen(
            [sys.executable, "-c", code, order],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            in_time = _ends_within(child, seconds, file if each else None)
        finally:
            _end(child)
        ending = _ending(child.returncode) if in_time else f"took longer than {seconds:g} s"
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return Told(tuple(json.loads(line) for line in lines), ending)


def _ends_within(child: subprocess.Popen[bytes], seconds: float, growing: Path | None) -> bool:
    """Wait for a process that may take so long, or so long from each time to the next that a file grows."""
    size, deadline = 0, time.monotonic() + seconds
    while not _has_ended(child):
        if growing is not None and growing.stat().st_size > size:
            size, deadline = growing.stat().st_size, time.monotonic() + seconds
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Ask without collecting the process where that can be, so that its number stays that of its group."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended Python with status {status}" if status != _DONE else ""
    try:
        return f"ended Python by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended Python by signal {-status}"


_DONE = 93
"""Exit status of a process that came to its end; no other, since ``os._exit(0)`` is not coming to one's end."""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it started, and wait for it."""
    if child.returncode is None and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()


def _work() -> None:
    """Be the process that `apart` starts."""
    order = json.loads(sys.argv[1])
    module, _, name = order["function"].partition(":")
    with Path(order["file"]).open("a", encoding="utf-8") as file:

        def tell(value: Any) -> None:
            file.write(json.dumps(value) + "\n")
            file.flush()

        getattr(import_module(module), name)(order["task"], tell)
    os._exit(_DONE)  # threads that a part left behind are not waited for
