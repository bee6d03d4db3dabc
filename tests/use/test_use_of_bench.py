"""``bench`` on real photos."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import run


def test_bench_ranks_reuses_and_draws(folder: Path, tiny: str, tmp_path: Path) -> None:
    given = ("bench", "bicubic", tiny, "nope", "--data", folder, "--results", tmp_path / "results")
    first = run(*given, "--plot", tmp_path / "plot.svg")
    assert first.exit_code == 1, first.stderr
    assert f"{tiny} (untrained)" in first.stdout and f"warning: {tiny} is untrained" in first.stderr
    assert "error: 1 of 3 failed: nope: there is no model 'nope'" in first.stderr
    assert "protocol classic v1" in first.stdout and "2 images, x4" in first.stdout and " threads" in first.stdout
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")

    second = run(*given)
    assert "reused, not measured now: bicubic (quality and cost)" in second.stdout
    values = json.loads(run(*given, "--json").stdout)
    assert set(values) >= {"protocol", "data", "rows", "failed", "reused"}
    wanted = {"model", "psnr_y", "ssim_y", "lr_psnr", "params", "macs", "seconds", "memory"}
    assert len(values["rows"]) == 2 and all(wanted <= set(row) for row in values["rows"])
    assert values["rows"][0]["psnr_y"] >= values["rows"][1]["psnr_y"]


def test_a_model_whose_cost_fails_counts_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no clock")

    monkeypatch.setattr("srzoo.cost.measure", fail)
    result = run("bench", "nearest", "bicubic", "nope", "--data", folder)
    assert result.exit_code == 1 and "error: 3 of 3 failed: nearest: ValueError: no clock" in result.stderr
    assert "bicubic" in result.stdout


def test_bench_goes_on_after_a_failure_and_says_so_in_the_end(folder: Path, tmp_path: Path) -> None:
    result = run("bench", "nope", "--data", folder, "--plot", tmp_path / "plot.png")
    assert result.exit_code == 1 and "error: 1 of 1 failed: nope: there is no model" in result.stderr
    assert not (tmp_path / "plot.png").exists()
    result = run("bench", "nope", "bicubic", "--data", folder, "--plot", tmp_path / "plot.png")
    assert result.exit_code == 1 and "error: 1 of 2 failed: nope: there is no model" in result.stderr
    assert "bicubic" in result.stdout and (tmp_path / "plot.png").exists()
    assert run("bench", "bicubic", "--fresh").exit_code == 2
    assert run("bench", "bicubic", "--plot", "plot.gif").exit_code == 2
    assert run("bench", "bicubic", "--data", tmp_path / "none").exit_code == 1


def test_of_many_differences_a_benchmark_prints_a_few(folder: Path) -> None:
    arguments = ("bench", "reference", "reference-fidelity", "--data", folder)
    printed, told = run(*arguments), run(*arguments, "--json")
    assert printed.exit_code == 0 and re.search(r"data\.batch: 64 → 16; .*and \d+ more", printed.stdout)
    (contribution,) = json.loads(told.stdout)["contributions"]
    assert "stages.samples: samples → none" in contribution["change"]
