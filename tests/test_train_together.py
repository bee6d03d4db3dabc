"""Several processes that train together, started by torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from socket import socket

import pytest
from training import RECIPE, numbers, train

TWENTY_STEPS = (
    RECIPE.replace("batch = 4", "batch = 8")
    .replace("steps = 6", "steps = 20")
    .replace("steps = 4", "steps = 20\nr1 = 1.0\nr1_every = 4")
    .replace("hinge", "relativistic")
    .replace("validate_every = 4", "validate_every = 20")
    .replace("consistency = 1.0", 'consistency = 1.0, energy = { weight = 0.05, network = "pixels" }')
)


def torchrun(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    line = [*command, "-m", "srzoo", "train", *map(str, arguments), "--threads", "1"]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, env=environment)


def test_two_processes_share_a_batch_and_see_the_same_losses(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TWENTY_STEPS)
    assert train(recipe, photos, tmp_path / "one").returncode == 0
    done = torchrun(2, recipe, "--data", photos, "--output", tmp_path / "two", "--memory", 0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote ") == 1, "one process speaks"
    one, two = (numbers(tmp_path / name / "ledger.csv") for name in ("one", "two"))
    assert len(one) == len(two) == 40
    for row, other in zip(one, two, strict=True):
        for name, text in row.items():
            if "accuracy" in name:
                assert bool(text) == bool(other[name])
            elif text and name != "stage":
                assert float(text) == pytest.approx(float(other[name]), abs=1e-5), (row["step"], name)
    again = torchrun(2, recipe, "--data", photos, "--output", tmp_path / "two", "--resume")
    assert again.returncode == 0, "a run that is over resumes to nothing"


def test_a_batch_that_cannot_be_shared_is_refused(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TWENTY_STEPS.replace("batch = 8", "batch = 7"))
    refused = torchrun(2, recipe, "--data", photos, "--output", tmp_path / "run")
    assert refused.returncode != 0
    assert "2 processes cannot share a batch of 7" in refused.stderr
    assert not (tmp_path / "run").exists()


def test_the_script_for_several_machines_trains_on_two_agents(photos: Path, tmp_path: Path) -> None:
    recipe, script = tmp_path / "tiny.toml", Path(__file__).parent.parent / "docs" / "cluster" / "torchrun.sh"
    recipe.write_text(TWENTY_STEPS.replace("steps = 20", "steps = 2"))
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    line = ["sh", script, recipe, "--data", photos, "--output", tmp_path / "run", "--threads", "1", "--device", "cpu"]
    shared = {"NODES": "2", "HEAD": "127.0.0.1", "PORT": port, "PROCESSES": "1", "OMP_NUM_THREADS": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    agents = [
        subprocess.Popen(
            list(map(str, line)),
            env=os.environ | shared | {"NODE": str(node), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for node in range(2)
    ]
    told = [agent.communicate(timeout=300)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], told
    assert len(numbers(tmp_path / "run" / "ledger.csv")) == 4
