"""The command line in a process of its own, without a new import of torch for every call.

A server, one per test process, imports what the commands need and then waits. Each call forks it: the copy takes the
folder, environment and standard streams of the call and runs the command. The server has one thread and has computed
nothing, so that forking it is safe.

Where such a process differs from a fresh one: its modules are imported already, torch has one thread (``--threads``
works), the hash seed is the server's, Python has read its own variables (``PYTHON...``) and ``sys.path`` before, and
it ends without Python's clean-up, which takes a second. A test of those starts ``python -m srzoo`` itself.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

HEAVY = ("pydantic", "rich", "srzoo.api", "srzoo.train.loop", "torch._dynamo")
"""What is imported beforehand beside the commands' own modules; training and counting operations import the last."""

STREAMS = ("input", "output", "errors")


class _Call(NamedTuple):
    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    folder: str
    """Where the files for the standard streams are."""


def srzoo(
    *arguments: object,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run ``srzoo`` with some arguments; standard input is empty.

    Args:
        arguments: The words after ``srzoo``, as text.
        cwd: Folder to run in; the present one if None.
        env: Changes to the present environment.
        timeout: Seconds to wait.

    Returns:
        What `subprocess.run` returns with captured text.

    Raises:
        subprocess.TimeoutExpired: The command was not done in time, and was killed with all it had started.
    """
    early = [name for name in env or {} if name.startswith("PYTHON")]
    if early:
        raise ValueError(f"Python reads {', '.join(early)} as it starts: run [sys.executable, '-m', 'srzoo', ...]")
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        for name in STREAMS:
            Path(folder, name).touch()
        call = _Call(words, os.path.abspath(cwd or "."), {**os.environ, **(env or {})}, folder)
        status = _SERVER.run(call, timeout)
        output, errors = (Path(folder, name).read_text(encoding="utf-8") for name in STREAMS[1:])
    return subprocess.CompletedProcess(["srzoo", *words], status, output, errors)


class _Server:
    """The client's end: starts the server when first needed, and again after it was stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def run(self, call: _Call, timeout: float) -> int:
        """Run a call and return its exit status, negative for a signal."""
        connection = self._connection or self._start()
        try:
            connection.send(call)
            in_time = connection.poll(timeout)
            if not in_time:
                connection.send(None)
            status: int = connection.recv()
        except (EOFError, ConnectionError) as error:
            self.stop()
            raise RuntimeError("the server that forks for each command ended; what it said is above") from error
        except BaseException:  # an interruption: no command outlives its test
            self.stop()
            raise
        if not in_time:
            raise subprocess.TimeoutExpired(["srzoo", *call.arguments], timeout)
        return status

    def stop(self) -> None:
        """End the server; it kills the command that runs."""
        if self._process and self._connection:
            self._connection.close()
            self._process.wait()
        self._process = self._connection = None

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Threads that wait for work would make forking unsafe.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        theirs.close()
        self._connection = ours
        return ours


_SERVER = _Server()
atexit.register(_SERVER.stop)


def _serve(connection: Connection) -> _Call | None:
    """Fork for each call and send its exit status, until the other end is closed.

    Returns:
        The call, in the process that is to run it; None in the server, at its end.
    """
    while True:
        try:
            call = connection.recv()
        except EOFError:
            return None
        if call is None:  # withdrawn, and over
            continue
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            connection.close()
            return call  # type: ignore[no-any-return]
        with suppress(ProcessLookupError):  # whoever is first: the group must be there before anyone kills it
            os.setpgid(child, child)
        status = _wait(child, connection)
        with suppress(BrokenPipeError):
            connection.send(status)


def _wait(child: int, connection: Connection) -> int:
    """Wait for a process, and kill it when the other end withdraws the call or is closed."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if wait([connection], 0.005):
            os.killpg(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(call: _Call) -> None:
    """Make this copy of the server look like ``srzoo`` as the caller started it."""
    for number, name in enumerate(STREAMS):
        file = os.open(Path(call.folder, name), os.O_RDWR)
        os.dup2(file, number)
        os.close(file)
    os.chdir(call.cwd)
    os.environ.clear()
    os.environ.update(call.environment)
    sys.path[0] = call.cwd
    sys.argv[:] = ["srzoo", *call.arguments]
    import_module("numpy").random.seed()


def _run() -> int:
    """Run the command and return its exit status."""
    try:
        main(prog_name="srzoo")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    from srzoo.cli.program import COMMANDS, main

    for module in (*HEAVY, *(place.partition(":")[0] for place, _ in COMMANDS.values())):
        import_module(module)
    if (mine := _serve(Connection(int(sys.argv[1])))) is not None:
        _become(mine)
        status = _run()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
