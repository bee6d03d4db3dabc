"""What each part contributes, over several seeds: train `compact` and its ablations, score them, keep every result.

Each stage is scored by PSNR, and by what its losses did not look at: the deeper maps of SqueezeNet and the power
spectrum. One file for each recipe and seed, so that seeds and machines can be added one after another; what is there
is skipped, what was interrupted goes on.

    python benchmarks/ablations.py train --data photos --runs runs/ablations --jobs 2
    python benchmarks/ablations.py table

The fidelity stage can also be given a budget of GPU size, for once, since what helps for ten minutes need not help for
longer; `score` keeps the results of runs that were trained elsewhere, and takes no more than their model files.

    python benchmarks/ablations.py train --long --data photos --runs runs/long --seeds 0 --device cuda
    python benchmarks/ablations.py score --long --data photos --runs runs/long
    python benchmarks/ablations.py table --long
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from train_zoo import ABLATIONS, branch_off, command
from unseen import by_squeezenet

import srzoo
from srzoo.checkpoint import read_header
from srzoo.config import merge
from srzoo.data.pairs import pairs_from_folder
from srzoo.files import write_atomically
from srzoo.train.recipe import Recipe, load_recipe
from srzoo.train.state import INDEX

RESULTS = Path(__file__).parent / "results"
GROUND = "compact"
RECIPES = (GROUND, *(f"ablation-{name}" for name in ABLATIONS), "ablation-no-discriminator")
WHAT = {
    "ablation-no-skips": "skips",
    "ablation-no-attention": "self-attention",
    "ablation-no-vae": "the conditional latent, against none",
    "ablation-gaussian": "the conditional latent, against one that sees LR alone",
    "ablation-no-pre-encoder": "the pre-encoder",
    "ablation-no-base": "the residual over bicubic",
    "ablation-no-discriminator": "the discriminator, against the perceptual loss alone",
    "ablation-resnet": "`strided` for `resnet` as encoder",
    "ablation-deconv": "`attn` for `deconv` as decoder",
    "ablation-dense": "`attn` for `dense` as decoder",
}
LONG: Mapping[str, Any] = {
    "data": {"crop": 48, "batch": 16},
    "validate_every": 3000,
    "log_every": 10,
    "stages": {"fidelity": {"steps": 3000, "warm_up": 200, "ema": 0.999}, "adversarial": {"steps": 0}},
}
"""What changes in the recipes for a GPU: the fidelity stage alone, with ten times the pixels."""
STAGE_ITSELF = "the adversarial stage, against the fidelity stage alone"
SETS = {"validation": "val/DIV2Kvalid_256crop", "Set5": "test/Set5/X4", "Set14": "test/Set14/X4"}
JUDGED = 30
"""Validation crops on which features and spectra are compared."""


@dataclass(frozen=True)
class Column:
    """One number by which a model is ahead of another."""

    title: str
    stage: int
    """0 for the fidelity stage, -1 for the last."""
    measure: str
    place: str
    more_is_better: bool = True

    def of(self, result: dict[str, Any]) -> float:
        """The number of a result; more is better."""
        stage = list(result["scores"].values())[self.stage]
        value = float(stage[self.measure][self.place])
        return value if self.more_is_better else -value


COLUMNS = (
    *(Column(f"fidelity, {name}, dB", 0, "psnr_y", name) for name in SETS),
    *(Column(f"final, {name}, dB", -1, "psnr_y", name) for name in SETS),
    Column("final, unused features", -1, "unused_features", "validation", more_is_better=False),
    Column("final, spectrum, dB", -1, "spectrum", "validation", more_is_better=False),
)


@dataclass(frozen=True)
class Budget:
    """How long is trained, and where what came of it lies."""

    results: Path
    changes: Mapping[str, Any]
    recipes: tuple[str, ...]
    columns: tuple[Column, ...]

    def recipe(self, name: str, seed: int) -> Recipe:
        """A recipe within the budget."""
        return load_recipe(name, merge(self.changes, {"seed": seed}))

    def result_file(self, name: str, seed: int) -> Path:
        """Where the result of a recipe and a seed lies; another recipe of the same name has another."""
        return self.results / f"{name}-{self.recipe(name, seed).hash()}-{seed}.json"

    def assignments(self, seed: int) -> Iterator[str]:
        """The changes as ``--set`` takes them."""
        yield f"seed={seed}"
        waiting: list[tuple[tuple[str, ...], Any]] = [((), self.changes)]
        while waiting:
            path, value = waiting.pop()
            if isinstance(value, Mapping):
                waiting += [((*path, key), each) for key, each in value.items()]
            else:
                yield f"{'.'.join(path)}={value}"

    def found(self) -> dict[tuple[str, int], dict[str, Any]]:
        """What was measured with the recipes as they are now, by recipe and seed."""
        rows = [json.loads(path.read_text()) for path in sorted(self.results.glob("*.json"))]
        return {
            (row["recipe"], row["seed"]): row
            for row in rows
            if row["recipe_hash"] == self.recipe(row["recipe"], row["seed"]).hash()
        }


OWN = Budget(RESULTS / "ablations", {}, RECIPES, COLUMNS)
GPU = Budget(RESULTS / "ablations-long", LONG, RECIPES[:-1], tuple(each for each in COLUMNS if not each.stage))


def scored(path: Path, data: Path) -> dict[str, dict[str, float]]:
    """PSNR on each set; features and spectra on validation crops."""
    model = srzoo.load(path)
    pairs = {name: list(pairs_from_folder(data / place, 4)) for name, place in SETS.items()}
    few, distances = pairs["validation"][:JUDGED], by_squeezenet()
    shown = [distances.means(model.upscale(pair.lr), pair.hr) for pair in few]
    return {
        "psnr_y": {
            name: srzoo.evaluate(model, found, metrics=("psnr_y",)).mean["psnr_y"] for name, found in pairs.items()
        },
        "unused_features": {"validation": float(np.mean([list(row.values()) for row in shown]))},
        "spectrum": {"validation": srzoo.evaluate(model, few, metrics=("spectrum",)).mean["spectrum"]},
    }


def start_where_shared(recipe: Recipe, folder: Path, parent: Recipe, ground: Path) -> None:
    """Do not train what `compact` of the same seed has trained to the bit."""
    done = ground / f"{recipe.stages[0].name}.safetensors"
    shared = recipe.network() == parent.network() and recipe.stages[0] == parent.stages[0]
    if shared and folder != ground and done.is_file() and not (folder / INDEX).is_file():
        branch_off(recipe, folder, parent, ground)


def work(budget: Budget, recipe: str, seed: int, data: Path, runs: Path, device: str) -> str:
    """Train one model, score its stages, and keep that; returns what is to be said."""
    folder, chosen = runs / f"{recipe}-{seed}", budget.recipe(recipe, seed)
    folder.mkdir(parents=True, exist_ok=True)
    start_where_shared(chosen, folder, budget.recipe(GROUND, seed), runs / f"{GROUND}-{seed}")
    began = time.monotonic()
    line = [*command(recipe, data, folder, changes=budget.assignments(seed)), "--device", device]
    with (folder / "log.txt").open("ab") as log:
        done = subprocess.run(line, stdout=log, stderr=log)
    if done.returncode:
        return f"{recipe} {seed} failed: see {folder / 'log.txt'}"
    return keep(budget, recipe, seed, data, folder, (time.monotonic() - began) / 60)


def keep(budget: Budget, recipe: str, seed: int, data: Path, folder: Path, minutes: float | None = None) -> str:
    """Score the stages of a run, and keep that; returns what is to be said."""
    chosen = budget.recipe(recipe, seed)
    models = {stage.name: folder / f"{stage.name}.safetensors" for stage in chosen.stages}
    last = [*models.values()][-1]  # a stage before it may be that of the run which this one branched off from
    if (trained := read_header(last)["training"]["recipe_hash"]) != chosen.hash():
        raise click.ClickException(f"{last} was trained by another recipe ({trained})")
    found = {
        "recipe": recipe,
        "recipe_hash": chosen.hash(),
        "seed": seed,
        "steps": {stage.name: stage.steps for stage in chosen.stages},
        **({} if minutes is None else {"minutes": minutes}),
        "scores": {name: scored(path, data) for name, path in models.items()},
    }
    budget.results.mkdir(parents=True, exist_ok=True)
    write_atomically(budget.result_file(recipe, seed), (json.dumps(found, indent=1) + "\n").encode())
    return f"{recipe} {seed}: {found['scores']}"


def rows(budget: Budget) -> Iterator[tuple[str, ...]]:
    """For each part: in how many seeds, and by how much `compact` is ahead without the change, in each column."""
    found, columns = budget.found(), budget.columns
    for recipe, what in WHAT.items():
        pairs = [
            (found[GROUND, seed], row)
            for (name, seed), row in found.items()
            if name == recipe and (GROUND, seed) in found
        ]
        if pairs:
            ahead = ([column.of(ground) - column.of(row) for ground, row in pairs] for column in columns)
            yield (what, str(len(pairs)), *map(_summary, ahead))
    grounds = [row for (name, _), row in found.items() if name == GROUND]
    if grounds and any(column.stage for column in columns):
        gains = (
            [column.of(row) - replace(column, stage=0).of(row) for row in grounds] if column.stage else []
            for column in columns
        )
        yield (STAGE_ITSELF, str(len(grounds)), *map(_summary, gains))


def _summary(gains: list[float]) -> str:
    """Mean over seeds, and their standard deviation where there are several."""
    if not gains:
        return ""
    spread = f" ± {statistics.stdev(gains):.3f}" if len(gains) > 1 else ""
    return f"{statistics.mean(gains):+.3f}{spread}"


data_option = click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
runs_option = click.option("--runs", type=click.Path(file_okay=False, path_type=Path), required=True)
budget_option = click.option("--long", "budget", flag_value=GPU, default=OWN, help="The budget for a GPU.")
seeds_option = click.option("--seeds", default="0,1,2", show_default=True)
recipes_argument = click.argument("recipes", nargs=-1)


@click.group()
def main() -> None:
    """Train and score ablations, or print the table of what was scored."""


def missing(budget: Budget, seeds: str, recipes: tuple[str, ...]) -> list[tuple[str, int]]:
    """What has no result yet: all recipes with the first seed, then with the next."""
    wanted = [(recipe, int(seed)) for seed in seeds.split(",") for recipe in recipes or budget.recipes]
    return [each for each in wanted if not budget.result_file(*each).is_file()]


@main.command()
@data_option
@runs_option
@budget_option
@seeds_option
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@recipes_argument
def train(data: Path, runs: Path, budget: Budget, seeds: str, jobs: int, device: str, recipes: tuple[str, ...]) -> None:
    """Train and score what is missing: all RECIPES with the first seed, then with the next."""
    with ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(work, budget, *each, data, runs, device) for each in missing(budget, seeds, recipes)]
        for told in as_completed(tasks):
            click.echo(told.result())


@main.command()
@data_option
@runs_option
@budget_option
@seeds_option
@recipes_argument
def score(data: Path, runs: Path, budget: Budget, seeds: str, recipes: tuple[str, ...]) -> None:
    """Score what was trained elsewhere: RUNS/RECIPE-SEED/STAGE.safetensors."""
    for recipe, seed in missing(budget, seeds, recipes):
        folder = runs / f"{recipe}-{seed}"
        if all((folder / f"{stage.name}.safetensors").is_file() for stage in budget.recipe(recipe, seed).stages):
            click.echo(keep(budget, recipe, seed, data, folder))
        else:
            click.echo(f"{recipe} {seed}: not trained in {runs}")


@main.command()
@budget_option
def table(budget: Budget) -> None:
    """Print a row for each part."""
    for row in rows(budget):
        click.echo(" | ".join(row))


if __name__ == "__main__":
    main()
