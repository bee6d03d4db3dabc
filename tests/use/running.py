"""The command line in this process, where a test can change what it works with, and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from click.testing import CliRunner, Result

from srzoo.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="srzoo")


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "srzoo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SRZOO_PLUGINS": ""})
