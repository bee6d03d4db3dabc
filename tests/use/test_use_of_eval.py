"""``eval`` on real photos."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import run


def test_samples_of_what_draws_none_are_remarked_upon(folder: Path) -> None:
    done = run("eval", "nearest", "--data", folder, "--samples", 2, "--temperature", 1, "--metrics", "psnr_y,best_of_n")
    assert done.exit_code == 0 and "nearest draws no samples: --temperature and --samples change nothing" in done.stderr


def test_where_lr_comes_from_is_said(folder: Path, tmp_path: Path) -> None:
    assert "LR made of HR" in run("eval", "bicubic", "--data", folder).stdout
    prepared = tmp_path / "pairs"
    assert run("data", "prepare", folder, "-o", prepared, "--scale", 4).exit_code == 0
    assert "LR as stored beside HR" in run("eval", "bicubic", "--data", prepared).stdout


def test_eval_prints_scores_and_writes_them(folder: Path, tiny: str, tmp_path: Path) -> None:
    result = run("eval", "bicubic", "--data", folder, "--csv", tmp_path / "scores.csv")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["image", "psnr_y", "ssim_y", "lr_psnr", "seconds"]
    assert [line.split()[0] for line in lines[2:5]] == ["a", "b", "mean"]
    assert "protocol classic v1" in result.stdout
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["a", "b"] and 15 < float(rows[0]["psnr_y"]) < 50

    scores = json.loads(run("eval", "bicubic", "--data", folder, "--json").stdout)
    assert scores["mean"]["psnr_y"] == pytest.approx(np.mean([float(row["psnr_y"]) for row in rows]))
    assert scores["data"]["images"] == 2 and scores["protocol"]["name"] == "classic" and scores["trained"]
    untrained = run("eval", tiny, "--data", folder, "--temperature", 0.5, "--seed", 3, "--json")
    assert json.loads(untrained.stdout)["settings"] == {"temperature": 0.5, "seed": 3}
    assert "is untrained" in untrained.stderr


def test_the_list_of_metrics_has_json() -> None:
    done = run("eval", "--list-metrics", "--json")
    assert done.exit_code == 0
    assert {"metric": "lr_psnr", "unit": "dB", "better": "higher", "of": "image"}.items() <= next(
        row for row in json.loads(done.stdout) if row["metric"] == "lr_psnr"
    ).items()


def test_scores_are_kept_where_nobody_reads_them(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "srzoo", "eval", "nearest", "--data", folder, "--csv", tmp_path / "scores.csv"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*map(str, command), "--scale", "4"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 3
