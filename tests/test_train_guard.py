"""What a run says and does when training goes wrong."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from command import srzoo
from safetensors.torch import load_file
from training import RECIPE, numbers, train

from srzoo.components.losses.hinge import HingeLoss
from srzoo.components.losses.kl import KLLoss
from srzoo.errors import CheckpointError, TrainingError
from srzoo.train.guard import BlowUp, Guard
from srzoo.train.loop import Run
from srzoo.train.recipe import load_recipe
from srzoo.train.record import PENDING, Recorder
from srzoo.train.state import INDEX, Progress, load_state, save_state
from srzoo.train.step import Batch, Trainer

WATCHED = frozenset({"prior.l1"})


def blowing_up(tmp_path: Path, guard: str = "") -> Path:
    """A recipe whose fourth step explodes: warm-up ends there."""
    path = tmp_path / "wild.toml"
    more = "steps = 6\nlearning_rate = 1e30\nclip = 1e30\nwarm_up = 0\n"
    path.write_text(RECIPE.replace("[data]", f"{guard}\n[data]").replace("steps = 6\n", more))
    return path


def begun(tmp_path: Path, photos: Path, text: str = RECIPE, changes: dict[str, Any] | None = None) -> Run:
    """A run of a recipe, in this process."""
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return Run(load_recipe(str(path), changes), tmp_path / "run", photos)


@pytest.mark.parametrize("every", [1, 100])
def test_a_blow_up_names_the_first_term_and_keeps_the_last_good_state(every: int, photos: Path, tmp_path: Path) -> None:
    stopped = train(blowing_up(tmp_path), photos, tmp_path / "run", "--set", f"log_every={every}")
    assert stopped.returncode == 1 and "Traceback" not in stopped.stderr
    (line,) = [line for line in stopped.stderr.splitlines() if line.startswith("error: ")]
    assert "became" in line and "at step 1;" in line and "stage fidelity" in line and "rollback" in line
    progress, _, groups = load_state(tmp_path / "run") or pytest.fail("no checkpoint")
    assert progress.step == 0 and all(value.isfinite().all() for value in groups["model"].values())
    rows = numbers(tmp_path / "run" / "ledger.csv")
    assert [row["step"] for row in rows] == ["0", "1"] and "became" in rows[-1]["note"]
    with (tmp_path / "run" / "latent.csv").open("a") as ledger:
        ledger.write("2,fidelity,inf,nan\n")
    assert srzoo("train", "--plot", tmp_path / "run").returncode == 0


def test_a_rollback_goes_on_more_slowly(photos: Path, tmp_path: Path) -> None:
    guard = '[guard]\non_blow_up = "rollback"\nslower = 1e-33\n'
    done = train(blowing_up(tmp_path, guard), photos, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "back to step 0, learning rates at 1e-33 of the recipe's" in done.stderr
    rows = numbers(tmp_path / "run" / "ledger.csv")
    assert [int(row["step"]) for row in rows] == list(range(10))
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-3, rel=1e-3)
    assert "became" in rows[0]["note"] and "back to step 0" in rows[0]["note"] and not rows[1]["note"]
    assert all(value.isfinite().all() for value in load_file(tmp_path / "run" / "adversarial.safetensors").values())


def test_rollbacks_are_counted(photos: Path, tmp_path: Path) -> None:
    guard = '[guard]\non_blow_up = "rollback"\nslower = 0.9\nrollbacks = 2\n'
    stopped = train(blowing_up(tmp_path, guard), photos, tmp_path / "run")
    assert stopped.returncode == 1 and "after 2 rollbacks" in stopped.stderr


@pytest.mark.parametrize("times", [2, 3])
def test_rollbacks_to_one_checkpoint_are_counted_too(
    times: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path, photos, RECIPE.replace("[data]", '[guard]\non_blow_up = "rollback"\nrollbacks = 2\n[data]'))
    step, seen, notes = Trainer.step, [0], []

    def unlucky(trainer: Trainer, batch: Batch, number: int, rate: float) -> dict[str, torch.Tensor]:
        values = step(trainer, batch, number, rate)
        if number == 3 and seen[0] < times:
            seen[0] += 1
            values["prior.l1"] = torch.tensor(math.nan)
        return values

    monkeypatch.setattr(Trainer, "step", unlucky)
    watch = lambda report: notes.append(report.note) if report.note else None  # noqa: E731
    if times > 2:
        with pytest.raises(TrainingError, match="after 2 rollbacks; the state after step 2 is kept"):
            run.run(watch)
    else:
        run.run(watch)
        assert run.progress.rollbacks == 2 and run.progress.step == 10
    assert [note.split("; ")[1] for note in notes] == [
        f"back to step 2, learning rates at {share} of the recipe's" for share in (0.5, 0.25)
    ]


@pytest.mark.parametrize("every", [1, 10])
def test_the_first_term_is_named_whether_or_not_its_step_was_to_have_a_row(
    every: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path, photos, RECIPE.replace("save_every = 2", "save_every = 100"), {"log_every": every})
    whole = KLLoss.forward

    def broken(loss: KLLoss, prior: Any, posterior: Any, step: int) -> torch.Tensor:
        return whole(loss, prior, posterior, step) * (math.nan if step == 3 else 1)

    monkeypatch.setattr(KLLoss, "forward", broken)
    with pytest.raises(TrainingError, match=r"posterior\.kl became nan at step 3"):
        run.run(lambda report: None)
    rows = numbers(tmp_path / "run" / "ledger.csv")
    assert rows[-1]["step"] == "3" and "posterior.kl became nan" in rows[-1]["note"]


def test_a_discriminator_that_is_no_number_is_not_saved(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path, photos)
    whole, seen = HingeLoss.discriminator, [0]

    def broken(loss: HingeLoss, real: Any, fake: Any) -> torch.Tensor:
        seen[0] += 1
        distance = (real[0] - real[0].detach()).abs().sum()  # 0, and its root has no derivative there
        value = whole(loss, real, fake)
        return value + 0 * distance.sqrt() if seen[0] == 2 else value

    monkeypatch.setattr(HingeLoss, "discriminator", broken)
    with pytest.raises(TrainingError, match=r"discriminator_gradient became nan at step 7; the state after step 6"):
        run.run(lambda report: None)
    _, _, groups = load_state(tmp_path / "run") or pytest.fail("no checkpoint")
    assert all(value.isfinite().all() for value in groups["discriminator"].values())


def test_weights_that_the_last_update_ruined_are_not_kept(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path, photos)
    step = Trainer.step

    def last_is_too_far(trainer: Trainer, batch: Batch, number: int, rate: float) -> dict[str, torch.Tensor]:
        values = step(trainer, batch, number, rate)
        if number == 5:
            next(run.model.parameters()).data.fill_(math.inf)
        return values

    monkeypatch.setattr(Trainer, "step", last_is_too_far)
    with pytest.raises(TrainingError, match=r"the norm of the generator's weights became inf at step 5"):
        run.run(lambda report: None)
    assert not (tmp_path / "run" / "fidelity.safetensors").exists()
    rows = numbers(tmp_path / "run" / "ledger.csv")
    assert [row["step"] for row in rows] == list("012345") and "the norm of the generator's weights" in rows[-1]["note"]


def test_a_run_leaves_no_threads(photos: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    begun(tmp_path, photos).run(lambda report: None)
    assert threading.active_count() == before and list((tmp_path / "run" / "tensorboard").iterdir())


def test_what_was_nothing_may_become_something() -> None:
    guard = Guard(limit=10)
    for step in range(150):
        guard.look(step, {"prior.l1": 0.0}, WATCHED)
    assert guard.look(150, {"prior.l1": 1e-6}, WATCHED) == ""


def test_a_term_far_above_its_mean_is_a_blow_up() -> None:
    guard = Guard(limit=10)
    for step in range(150):
        assert guard.look(step, {"prior.l1": 0.02, "gradient": 1.0}, WATCHED) == ""
    guard.look(150, {"prior.l1": 0.19, "gradient": 1e9}, WATCHED)
    with pytest.raises(BlowUp, match=r"prior.l1 rose to 0.5 at step 151, from 0.0"):
        guard.look(151, {"prior.l1": 0.5, "gradient": 1.0}, WATCHED)
    with pytest.raises(BlowUp, match="gradient became nan at step 152"):
        guard.look(152, {"prior.l1": 0.02, "gradient": math.nan}, WATCHED)


def test_rows_wait_for_company_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("srzoo.train.record.time.monotonic", lambda: now[0])
    recorder = Recorder(None, 0, "fidelity", Guard(limit=10), WATCHED, scaled=False, alone=True)
    now[0] = 60
    assert not recorder.full
    recorder.add(0, {"gradient": torch.tensor(1.0)}, {})
    assert recorder.full and [step for step, _, _ in recorder.settle()] == [0]
    recorder.add(1, {"gradient": torch.tensor(1.0)}, {})
    assert not recorder.full


def test_several_processes_look_after_the_same_step_whatever_their_clocks_say(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("srzoo.train.record.time.monotonic", lambda: now[0])
    recorder = Recorder(None, 0, "fidelity", Guard(limit=10), WATCHED, scaled=False, alone=False)
    for step in range(PENDING):
        now[0] += 60
        assert not recorder.full
        recorder.add(step, {"gradient": torch.tensor(1.0)}, {}, written=step % 50 == 0)
    assert recorder.full and [step for step, _, _ in recorder.settle()] == [0, 50, 100, 150]


def test_a_float16_step_that_is_skipped_is_harmless_and_a_loss_that_is_no_number_is_not() -> None:
    recorder = Recorder(None, 0, "fidelity", Guard(limit=10), WATCHED, scaled=True, alone=True)
    infinite, nothing = torch.tensor(math.inf), torch.tensor(math.nan)
    recorder.add(0, {"prior.l1": torch.tensor(0.1), "gradient": infinite}, {})
    assert [step for step, _, _ in recorder.settle()] == [0]
    recorder.add(1, {"prior.l1": nothing, "gradient": nothing}, {})
    with pytest.raises(BlowUp, match=r"prior\.l1 became nan at step 1"):
        recorder.settle()


def test_a_discriminator_that_wins_or_sleeps_is_said_once_in_words() -> None:
    guard = Guard(limit=10)
    notes = [guard.look(step, {"real_accuracy": 1.0, "fake_accuracy": 0.99}, WATCHED) for step in range(200)]
    (said,) = filter(None, notes)
    assert "the discriminator wins: it tells real from generated in 100% and 99%" in said
    again = Guard(**guard.to_dict())
    notes = [again.look(step, {"real_accuracy": 0.1, "fake_accuracy": 0.9}, WATCHED) for step in range(900)]
    assert [note.split(":")[0] for note in notes if note] == [
        "the discriminator plays again", "the discriminator sleeps"
    ]  # fmt: skip


@pytest.mark.parametrize("most", [0, 400, 1 << 20])
def test_a_checkpoint_comes_back_whatever_the_size_of_its_files(most: int, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    model = {"weight": torch.randn(8, 5, 3, generator=generator), "count": torch.tensor(7)}
    groups = {"model": model, "optimizer.generator": {"0.exp_avg": torch.randn(60, generator=generator)}}
    for step in (1, 2):
        save_state(tmp_path, Progress(step=step), {"recipe": "x"}, groups, most)
    files = sorted(tmp_path.glob("checkpoint-*.safetensors"))
    assert (len(files) == 1) == (most != 400) and len({file.name.split("-")[2] for file in files}) == 1
    assert not most or all(file.stat().st_size <= most for file in files)
    progress, facts, back = load_state(tmp_path) or pytest.fail("no checkpoint")
    assert progress == Progress(step=2) and facts == {"recipe": "x"}
    assert all(torch.equal(back[group][name], value) for group in groups for name, value in groups[group].items())


@pytest.mark.parametrize(
    "damage", ["cut index", "foreign index", "other version", "lost fact", "lost file", "cut file"]
)
def test_a_damaged_checkpoint_is_refused_in_one_line(damage: str, photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    assert train(recipe, photos, tmp_path / "run").returncode == 0
    index = tmp_path / "run" / INDEX
    (file,) = (tmp_path / "run").glob("checkpoint-*.safetensors")
    if damage == "lost file":
        file.unlink()
    elif damage == "cut file":
        file.write_bytes(file.read_bytes()[:-50])
    else:
        text = index.read_text()
        index.write_text(
            {
                "cut index": text[:100],
                "foreign index": "{}",
                "other version": text.replace('"version": 2', '"version": 1'),
                "lost fact": text.replace('"guard"', '"card"'),
            }[damage]
        )
    refused = train(recipe, photos, tmp_path / "run", "--resume")
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith("error: ") and "checkpoint" in line
    if damage == "lost fact":
        assert "lacks guard" in line
    else:
        with pytest.raises(CheckpointError):
            load_state(tmp_path / "run")


def test_a_folder_that_cannot_be_written_to_is_named(photos: Path, tmp_path: Path) -> None:
    recipe, occupied = tmp_path / "tiny.toml", tmp_path / "file"
    recipe.write_text(RECIPE)
    occupied.write_text("")
    refused = train(recipe, photos, occupied / "run")
    assert refused.returncode != 0 and str(occupied) in refused.stderr and "Traceback" not in refused.stderr
