"""The README's examples, word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from srzoo.data.pairs import sample_pairs

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SHELL = [line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)[2:] for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name."""
    root = tmp_path_factory.mktemp("readme")
    pair = sample_pairs(4)[0]
    Image.fromarray(pair.lr[:48, :48]).save(root / "photo.png")
    (root / "photos").mkdir()
    Image.fromarray(pair.hr[:96, :96]).save(root / "photos" / "one.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("srzoo ")])
def test_a_command_works(command: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or command.startswith("srzoo upscale")


def test_there_are_commands_to_try() -> None:
    assert sum(line.startswith("srzoo ") for line in SHELL) >= 8


def test_the_python_examples_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    used, plugin = blocks
    done = subprocess.run([sys.executable, "-c", used], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(128, 192, 3)" in done.stdout and "resnet" in done.stdout
    check = (
        "import torch; from srzoo.spec import Spec\n"
        "part = AverageEncoder(Spec(3)); maps = part(torch.rand(1, 3, 8, 12))\n"
        "assert [tuple(m.shape[-2:]) for m in maps] == [s.size(8, 12) for s in part.out_specs]\n"
    )
    done = subprocess.run([sys.executable, "-c", plugin + check], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
