"""Training through the command line: a run, its resumption, its refusals."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import srzoo
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training import RECIPE, numbers, train

from srzoo.assembly import choose
from srzoo.checkpoint import load_model, read_header
from srzoo.config import PartConfig, shipped
from srzoo.train.loop import Report, Run
from srzoo.train.precision import usable_precision
from srzoo.train.recipe import load_recipe
from srzoo.train.record import LEDGER, UNITS

KILLED = """
import os, signal, sys
import torch._dynamo  # the optimizers would, in each process
from srzoo.cli import main
from srzoo.train.loop import Run

step, sync = Run._step, os.fsync

def die(): os.kill(os.getpid(), signal.SIGKILL)

def begin_again_and_be_killed(what, moment, resume):
    seen = []

    def watched_step(run, *arguments):
        if what == "step" and run.progress.step == moment:
            die()
        return step(run, *arguments)

    def watched_sync(file):
        seen.append(file)
        if what == "write" and len(seen) == moment:
            die()
        return sync(file)

    Run._step, os.fsync = watched_step, watched_sync
    main(["train", *sys.argv[1:], *(["--resume"] if resume else [])])

# The writes of a run are a checkpoint's tensors, its index, the ledgers, and so on: some moments lie between them.
moments = ("write", 1), ("step", 3), ("write", 2), ("write", 3), ("step", 7), ("write", 5), ("step", 9)
for number, (what, moment) in enumerate(moments):
    if (child := os.fork()) == 0:
        begin_again_and_be_killed(what, moment, number > 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""A program that trains and is killed, seven times. It forks before anything is computed."""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def test_a_run_leaves_models_a_ledger_and_says_where(recipe: Path, photos: Path, tmp_path: Path) -> None:
    done = train(recipe, photos, tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["steps"] == 10
    model = load_model(facts["model"])
    assert model.trained and model.scale == 2
    header = read_header(facts["model"])
    assert header["training"]["stages"] == ["fidelity", "adversarial"]
    assert header["training"]["photos"]["count"] == 3
    with (tmp_path / "run" / "ledger.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(10))
    assert rows[0]["prior.l1"] and not rows[0]["discriminator"] and rows[-1]["discriminator"]
    assert float(rows[-1]["val_psnr_y"]) > 10
    assert "validation" in done.stderr


def test_a_ledger_is_drawn_and_told_to_tensorboard(recipe: Path, photos: Path, tmp_path: Path) -> None:
    assert train(recipe, photos, tmp_path / "run").returncode == 0
    drawn = srzoo("train", "--plot", tmp_path / "run", "--json")
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(json.loads(drawn.stdout)["picture"]) as picture:
        assert min(picture.size) > 1000 and len(set(picture.convert("L").tobytes())) > 50
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    values = {event.step: event.value for event in events.Scalars("prior/l1")}
    rows = {int(row["step"]): row["prior.l1"] for row in numbers(tmp_path / "run" / LEDGER) if row["prior.l1"]}
    assert values == pytest.approx({step: float(text) for step, text in rows.items()}, rel=1e-5)


def test_a_latent_without_a_finite_number_does_not_keep_the_rest_from_being_drawn(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_text("step,stage,prior.l1,learning_rate\n0,fidelity,0.1,0.001\n1,fidelity,0.2,0.001\n")
    (tmp_path / UNITS).write_text("step,stage,kl.0,kl.1\n0,fidelity,nan,nan\n")
    drawn = srzoo("train", "--plot", tmp_path)
    assert drawn.returncode == 0 and "wrote" in drawn.stdout + drawn.stderr


def test_what_cannot_be_drawn_or_trained_is_said_in_one_line(recipe: Path, tmp_path: Path) -> None:
    for arguments, says in (
        (("--plot", tmp_path), "has no ledger.csv"),
        (("--plot", tmp_path, recipe), "trains nothing"),
        ((), "name a recipe"),
        ((recipe, "--from", ""), "it is empty"),
        ((recipe, "--output", ""), "it is empty"),
        ((recipe, "--memory", 1e300), "--memory"),
        ((recipe, "--workers", 10**6), "--workers"),
        ((recipe, "--shard", 1e300), "--shard"),
    ):
        refused = srzoo("train", *arguments)
        assert refused.returncode in (1, 2) and says in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


def test_a_killed_run_resumes_to_the_same_weights_and_ledger(recipe: Path, photos: Path, tmp_path: Path) -> None:
    samples = 'energy = { weight = 1.0, network = "pixels" }'
    changed = RECIPE.replace("consistency = 1.0", f"consistency = 1.0, {samples}")
    recipe.write_text(changed.replace("temperature = 1.0", "temperature = 1.0\nkeep = { fidelity = 0.25 }"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(recipe, photos, whole).returncode == 0
    command = [sys.executable, "-c", KILLED, recipe, "--data", photos, "--output", parts, "--threads", "1"]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert killed.stdout.split() == ["-9"] * 7, killed.stderr
    assert train(recipe, photos, parts).returncode == 1, "an unfinished run is not overwritten"
    (parts / ".checkpoint-9-0-1-of-1.safetensors.1.part").write_bytes(b"what a killed process was writing")
    assert train(recipe, photos, parts, "--resume").returncode == 0
    assert not list(parts.glob(".*.part"))
    for stage in ("fidelity", "adversarial"):
        one, other = (weights(folder / f"{stage}.safetensors") for folder in (whole, parts))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    for ledger in (LEDGER, UNITS):
        assert numbers(whole / ledger) == numbers(parts / ledger)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["stages.adversarail.steps=0"], "there is no stage 'adversarail' to change (did you mean 'adversarial'?)"),
        (["stages.fidelty.steps=3"], "there is no stage 'fidelty' to change (did you mean 'fidelity'?)"),
        (["stages.fidelity.steps=0", "stages.adversarial.steps=0"], "every stage has steps = 0"),
    ],
)
def test_stages_that_are_not_there_cannot_be_changed(changes: list[str], says: str, tmp_path: Path) -> None:
    given = [word for change in changes for word in ("--set", change)]
    refused = srzoo("train", "compact", "--data", tmp_path, "--output", tmp_path / "run", *given)
    assert refused.returncode == 2 and says in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_one_data_set_needs_no_list_and_a_rate_that_never_arrives_is_told(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    given = ("--set", "data.train=train", "--set", "stages.fidelity.warm_up=6")
    done = train(recipe, photos, tmp_path / "run", *given)
    assert done.returncode == 0
    assert "stage fidelity: its rate still climbs at its end, since warm_up = 6 of 6 steps" in done.stderr


def test_a_run_that_is_asked_to_stop_ends_with_a_checkpoint_and_goes_on_to_the_same_bits(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    assert train(recipe, photos, tmp_path / "whole").returncode == 0
    chosen, parts = load_recipe(str(recipe)), tmp_path / "parts"
    for wanted in (1, 3, 9):  # the last is no step that is saved anyway
        run = Run(chosen, parts, photos, resume=True)

        def watch(report: Report, run: Run = run, wanted: int = wanted) -> None:
            if run.progress.step == wanted:
                run.stop()

        with pytest.raises(KeyboardInterrupt):
            run.run(watch)
        assert run.saved_step == run.progress.step == wanted
    Run(chosen, parts, photos, resume=True).run(lambda report: None)
    for stage in ("fidelity", "adversarial"):
        one, other = (weights(folder / f"{stage}.safetensors") for folder in (tmp_path / "whole", parts))
        assert all(torch.equal(one[name], other[name]) for name in one)
    for ledger in (LEDGER, UNITS):
        assert numbers(tmp_path / "whole" / ledger) == numbers(parts / ledger)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_order(number: signal.Signals, recipe: Path, photos: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("steps = 6", "steps = 100000").replace("save_every = 2", "save_every = 90000"))
    line = ["train", recipe, "--data", photos, "--output", tmp_path / "run", "--threads", "1"]
    command = [sys.executable, "-m", "srzoo", *map(str, line)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        next(text for text in started.stderr if "validation" in text)
        started.send_signal(number)
        said = started.stderr.read()
    assert started.returncode == 128 + number and "Traceback" not in said
    held = re.search(r"holds the state after (\d+) of (\d+) steps; go on with --resume", said)
    assert held is not None and held[1] == held[2] and int(held[1]) >= 4


def test_a_processor_that_only_imitates_bf16_trains_in_float32_and_says_so(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    done = train(recipe, photos, tmp_path / "run", "--set", "precision=bf16")
    assert done.returncode == 0, done.stderr
    used = read_header(tmp_path / "run" / "adversarial.safetensors")["training"]["precision"]
    assert used == usable_precision("bf16", torch.device("cpu"))
    assert ("training in float32" in done.stderr) == (used == "float32")


def test_a_run_starts_from_a_model_file(recipe: Path, photos: Path, tmp_path: Path) -> None:
    assert train(recipe, photos, tmp_path / "first").returncode == 0
    start = tmp_path / "first" / "fidelity.safetensors"
    tuned = tmp_path / "tuned.toml"
    tuned.write_text(RECIPE.replace("steps = 6", "steps = 1\nwarm_up = 1000"))
    assert train(tuned, photos, tmp_path / "second", "--from", start).returncode == 0
    before, after = weights(start), weights(tmp_path / "second" / "fidelity.safetensors")
    assert max(float((before[name] - after[name]).abs().max()) for name in before) < 1e-4


def test_another_recipe_does_not_resume_a_run(recipe: Path, photos: Path, tmp_path: Path) -> None:
    assert train(recipe, photos, tmp_path / "run").returncode == 0
    recipe.write_text(RECIPE.replace("crop = 8", "crop = 12"))
    refused = train(recipe, photos, tmp_path / "run", "--resume")
    assert refused.returncode == 1 and "another recipe" in refused.stderr


def test_a_run_on_other_photos_goes_on_and_says_that_it_is_another(recipe: Path, photos: Path, tmp_path: Path) -> None:
    assert train(recipe, photos, tmp_path / "run").returncode == 0
    (photos / "train" / "one-more.png").write_bytes(next((photos / "train").iterdir()).read_bytes())
    done = train(recipe, photos, tmp_path / "run", "--resume")
    assert done.returncode == 0 and "its photos have changed" in done.stderr


def test_a_seed_may_be_any_whole_number(recipe: Path, photos: Path, tmp_path: Path) -> None:
    done = train(recipe, photos, tmp_path / "run", "--set", f"seed={10**30}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("validate_every", "validat_every"), "did you mean 'validate_every'"),
        (("steps = 6", "step = 6"), "unknown key 'stages.fidelity.step' (did you mean 'steps'?): known are accumulate"),
        (("crop = 8", "crp = 8"), "unknown key 'data.crp' (did you mean 'crop'?): known are batch, crop"),
        (("steps = 6", "steps = 0"), "stages.fidelity.steps"),
        (('train = ["train"]', 'train = ["nowhere"]'), "nowhere"),
        (("crop = 8", "crop = 512"), "no photo in"),
        (("{ l1 = 1.0 }", "{ l2 = 1.0 }"), "there is no loss 'l2'"),
        (('name = "adversarial"', 'name = "fidelity"'), "names of their own"),
        (
            ("steps = 6", "steps = 6\nkeep.adversarial = 0.5"),
            "stage fidelity keeps some of adversarial, which is no stage",
        ),
        (("steps = 4", "steps = 4\nkeep.fidelity = 1.0"), "stages.adversarial.keep.fidelity"),
        (("steps = 6", "steps = 6\nlearning_rate = inf"), "stages.fidelity.learning_rate"),
        (("{ l1 = 1.0 }", "{ l1 = inf }"), "stages.fidelity.prior.l1"),
        (("{ l1 = 1.0 }", "{ perceptual = 1.0 }"), "SRZOO_WEIGHTS"),
        (("hinge = 0.1, consistency", "perceptual = 0.1, consistency"), "SRZOO_WEIGHTS"),
        (("{ l1 = 1.0 }", "{ l1 = 1.0, relativistik = 0.0 }"), "did you mean 'relativistic'"),
        (("prior = { l1 = 1.0 }", "prior = { l1 = 0.0 }"), "needs a loss on the image"),
        (("prior = { l1 = 1.0 }", "prior = { l1 = 1.0, kl = 1.0 }"), "name it in posterior"),
        (("levels = 2", "levels = 5"), "too small for discriminator"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(
    change: tuple[str, str], says: str, recipe: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    assert change[0] in RECIPE
    recipe.write_text(RECIPE.replace(*change))
    refused = train(recipe, photos, tmp_path / "run")
    assert refused.returncode in (1, 2)
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_a_term_that_is_not_finite_is_named(recipe: Path, photos: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("steps = 6", "steps = 6\nlearning_rate = 1e30\nwarm_up = 0"))
    stopped = train(recipe, photos, tmp_path / "run")
    assert stopped.returncode == 1
    assert "became" in stopped.stderr and "at step" in stopped.stderr


@pytest.mark.parametrize("name", sorted(shipped("recipes")))
def test_a_shipped_recipe_is_whole(name: str) -> None:
    recipe = load_recipe(name)
    for stage in recipe.stages:
        for _, terms in stage.branches():
            assert terms
            for loss, term in terms.items():
                choose("loss", PartConfig(name=loss, options=term.options))


def test_every_ablation_has_the_budget_of_compact_and_another_network_or_other_losses() -> None:
    whole = load_recipe("compact")
    names = [name for name in shipped("recipes") if name.startswith("ablation-")]
    assert len(names) >= 10
    for name in names:
        ablation = load_recipe(name)
        assert [stage.steps for stage in ablation.stages] == [stage.steps for stage in whole.stages]
        assert ablation.data == whole.data and ablation.seed == whole.seed
        assert (ablation.network() != whole.network()) != (ablation.stages != whole.stages)
