"""The README's examples, word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from srzoo.data.pairs import sample_pairs
from srzoo.spec import Spec

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


def test_the_python_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    used, plugin = ({"__name__": "__main__"} for _ in blocks)
    exec(blocks[0], used)
    printed = capsys.readouterr().out
    assert "(128, 192, 3)" in printed and "resnet" in printed
    exec(blocks[1], plugin)
    part = plugin["AverageEncoder"](Spec(3))
    maps = part(torch.rand(1, 3, 8, 12))
    assert [tuple(each.shape[-2:]) for each in maps] == [spec.size(8, 12) for spec in part.out_specs]
