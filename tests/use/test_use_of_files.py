"""What holds for every command that is given models, images and places to write to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from running import run

from srzoo.checkpoint import load_model, save_model


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        ("eval", "--csv", "scores.csv"),
        ("bench", "--plot", "plot.png"),
        ("bench", "--results", "results"),
        ("build", "-o", "model.safetensors"),
    ],
)
def test_what_could_not_be_written_is_refused_before_the_work(
    tmp_path: Path, command: str, option: str, name: str
) -> None:
    (tmp_path / "file").write_text("")
    models = [] if command == "build" else ["bicubic"]
    done = run(command, *models, option, tmp_path / "file" / name)
    assert done.exit_code == 2 and "cannot" in done.stderr and not done.stdout
    done = run(command, *models, option, "")
    assert done.exit_code == 2 and "it is empty" in done.stderr and not done.stdout


def test_a_network_that_makes_no_numbers_leaves_no_image(folder: Path, tiny: str, tmp_path: Path) -> None:
    model = load_model(tiny)
    next(model.parameters()).data.fill_(float("nan"))
    save_model(model, tmp_path / "nan.safetensors")
    for command in (("upscale", folder / "a.png", tmp_path / "out.png", "--model"), ("eval", "--data", folder)):
        done = run(*command, tmp_path / "nan.safetensors")
        assert done.exit_code == 1 and "values that are not finite numbers" in done.stderr
    assert not (tmp_path / "out.png").exists()


def test_names_of_any_length_and_in_any_bytes(folder: Path, tmp_path: Path) -> None:
    long = "b" * 250 + ".png"
    assert run("upscale", folder / "a.png", tmp_path / long, "--model", "nearest").exit_code == 0
    done = run("eval", "x" * 300)
    assert done.exit_code == 2 and "there is no model" in done.stderr
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes((folder / "a.png").read_bytes())
    done = run("eval", "nearest", "--data", folder, "--scale", 4, "--csv", tmp_path / "s.csv")
    assert done.exit_code == 0 and b"\xff\xfe" in (tmp_path / "s.csv").read_bytes()
    assert run("bench", "nearest", "--data", folder, "--results", tmp_path / "results").exit_code == 0
