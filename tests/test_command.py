"""The command line of the tests is the program's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import command
import pytest
from command import srzoo


@pytest.mark.parametrize("arguments", [["list", "upscalers"], ["lst"], ["show", "preset", "reference"]])
def test_it_says_what_a_fresh_process_says(arguments: list[str], tmp_path: Path) -> None:
    fresh = subprocess.run(
        [sys.executable, "-m", "srzoo", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "SRZOO_PLUGINS": ""},
    )
    forked = srzoo(*arguments, cwd=tmp_path, env={"SRZOO_PLUGINS": ""})
    assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_folder_and_environment_are_those_of_the_call_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = srzoo("build", "-o", "model.safetensors", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "model.safetensors").is_file(), done.stderr
    monkeypatch.setenv("SRZOO_PLUGINS", "one-that-is-missing")
    assert "one-that-is-missing" in srzoo("plugins").stderr
    assert "one-that-is-missing" not in srzoo("plugins", env={"SRZOO_PLUGINS": ""}).stderr
    with pytest.raises(ValueError, match="PYTHONPATH"):
        srzoo("list", env={"PYTHONPATH": "."})


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    os.mkfifo(photo)
    srzoo("--version")
    with pytest.raises(subprocess.TimeoutExpired):  # nobody writes into the pipe
        srzoo("upscale", photo, "out.png", "--model", "bicubic", timeout=0.5)
    with pytest.raises(OSError, match="No such device"):  # and nobody reads from it
        os.open(photo, os.O_WRONLY | os.O_NONBLOCK)
    assert srzoo("--version").returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_the_server_has_one_thread_as_forking_needs() -> None:
    srzoo("--version")
    server = command._SERVER._process
    assert server is not None and len(os.listdir(f"/proc/{server.pid}/task")) == 1
