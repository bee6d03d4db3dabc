"""The folder of a run: what it may take up, what it leaves alone, and who may work in it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from training import RECIPE, numbers, train

from srzoo.errors import TrainingError
from srzoo.train.alone import alone_in
from srzoo.train.loop import UNUSED, Report, Run
from srzoo.train.recipe import load_recipe
from srzoo.train.record import LEDGER


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    return line


def test_files_of_others_are_left_alone(recipe: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    theirs = [run / name for name in ("checkpoint-500.safetensors", "checkpoint-best-1-of-1.safetensors")]
    for file in theirs:
        file.write_bytes(b"precious")
    assert train(recipe, photos, run).returncode == 0
    assert all(file.read_bytes() == b"precious" for file in theirs)
    assert len(list(run.glob("checkpoint-*-*-1-of-1.safetensors"))) == 1


def test_a_ledger_without_its_checkpoint_is_not_written_over(recipe: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(recipe, photos, run).returncode == 0
    (run / "checkpoint.json").unlink()
    before = numbers(run / LEDGER)
    for more in ((), ("--resume",)):
        assert "ledger.csv and no checkpoint to go on from" in refusal(train(recipe, photos, run, *more))
    assert numbers(run / LEDGER) == before
    (run / LEDGER).unlink()
    model = (run / "fidelity.safetensors").read_bytes()
    assert "holds fidelity.safetensors and no checkpoint" in refusal(train(recipe, photos, run))
    assert (run / "fidelity.safetensors").read_bytes() == model


def test_a_run_that_is_over_says_so_where_its_model_is_gone(recipe: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(recipe, photos, run).returncode == 0
    assert train(recipe, photos, run, "--resume").returncode == 0
    (run / "adversarial.safetensors").unlink()
    assert "a run that is over, and adversarial.safetensors is gone" in refusal(train(recipe, photos, run, "--resume"))


def stop_after_three(report: Report) -> None:
    if report.step == 3:
        raise KeyboardInterrupt


def test_a_run_that_began_while_another_worked_there_is_refused(recipe: Path, photos: Path, tmp_path: Path) -> None:
    run, chosen = tmp_path / "run", load_recipe(str(recipe))
    late = Run(chosen, run, photos)
    assert train(recipe, photos, run).returncode == 0
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(TrainingError, match="another run has worked in"):
        late.run(lambda report: None)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_the_list_of_unused_photos_goes_with_the_last_of_them(recipe: Path, photos: Path, tmp_path: Path) -> None:
    bad, run = photos / "train" / "bad.png", tmp_path / "run"
    bad.write_bytes(b"no image")
    try:
        Run(load_recipe(str(recipe)), run, photos).run(stop_after_three)
    except KeyboardInterrupt:
        pass
    finally:
        bad.unlink()
    assert (run / UNUSED).is_file()
    assert train(recipe, photos, run, "--resume").returncode == 0
    assert not (run / UNUSED).exists()


def test_two_runs_do_not_work_in_one_folder(recipe: Path, photos: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("steps = 6", "steps = 100000"))
    run = tmp_path / "run"
    line = [sys.executable, "-m", "srzoo", "train", recipe, "--data", photos, "--output", run, "--threads", "1"]
    with subprocess.Popen(list(map(str, line)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        try:
            until = time.monotonic() + 120
            while not (run / LEDGER).is_file() and time.monotonic() < until:
                time.sleep(0.1)
            assert "another run is at work in" in refusal(train(recipe, photos, run, "--resume"))
            assert first.poll() is None
        finally:
            first.kill()
    recipe.write_text(RECIPE)
    assert "belongs to another recipe" in refusal(train(recipe, photos, run, "--resume")), (
        "the lock went with the process"
    )


def test_a_checkpoint_that_is_being_replaced_is_not_called_damaged(recipe: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(recipe, photos, run).returncode == 0
    next(run.glob("checkpoint-*.safetensors")).unlink()
    with alone_in(run):
        assert "another run is at work in" in refusal(train(recipe, photos, run, "--resume"))
    assert "is not a whole training checkpoint" in refusal(train(recipe, photos, run, "--resume"))


def test_a_run_keeps_to_the_preset_that_it_began_with(tmp_path: Path) -> None:
    preset = tmp_path / "own.toml"
    preset.write_text('from = "compact"\n[pre_encoder]\nwidth = 8\n')
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'from = "compact"\npreset = "{preset}"\n')
    loaded = load_recipe(str(recipe))
    before = loaded.hash()
    preset.write_text('from = "compact"\n[pre_encoder]\nwidth = 16\n')
    assert loaded.hash() == before != load_recipe(str(recipe)).hash()
    preset.unlink()
    assert loaded.network().pre_encoder.options["width"] == 8
