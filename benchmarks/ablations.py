"""What each part contributes, over several seeds: train `compact` and its ablations, score them, keep every result.

Each stage is scored by PSNR, and by what its losses did not look at: the deeper maps of SqueezeNet and the power
spectrum. One file for each recipe and seed, so that seeds and machines can be added one after another; what is there
is skipped, what was interrupted goes on.

    python benchmarks/ablations.py train --data photos --runs runs/ablations --seeds 0,1,2 --jobs 2
    python benchmarks/ablations.py table
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
from unseen import Distances

import srzoo
from srzoo.data.pairs import pairs_from_folder
from srzoo.files import write_atomically
from srzoo.train.recipe import Recipe, load_recipe
from srzoo.train.state import INDEX

RESULTS = Path(__file__).parent / "results" / "ablations"
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


def result_file(recipe: str, seed: int) -> Path:
    """Where the result of a recipe and a seed lies; another recipe of the same name has another."""
    return RESULTS / f"{recipe}-{load_recipe(recipe, {'seed': seed}).hash()}-{seed}.json"


def scored(path: Path, data: Path) -> dict[str, dict[str, float]]:
    """PSNR on each set; features and spectra on validation crops."""
    model = srzoo.load(path)
    pairs = {name: list(pairs_from_folder(data / place, 4)) for name, place in SETS.items()}
    few, distances = pairs["validation"][:JUDGED], Distances()
    shown = [distances.means(model.upscale(pair.lr), pair.hr) for pair in few]
    return {
        "psnr_y": {
            name: srzoo.evaluate(model, found, metrics=("psnr_y",)).mean["psnr_y"] for name, found in pairs.items()
        },
        "unused_features": {"validation": float(np.mean([list(row.values()) for row in shown]))},
        "spectrum": {"validation": srzoo.evaluate(model, few, metrics=("spectrum",)).mean["spectrum"]},
    }


def start_where_shared(recipe: Recipe, folder: Path, ground: Path) -> None:
    """Do not train what `compact` of the same seed has trained to the bit."""
    parent = load_recipe(GROUND, {"seed": recipe.seed})
    done = ground / f"{recipe.stages[0].name}.safetensors"
    shared = recipe.network() == parent.network() and recipe.stages[0] == parent.stages[0]
    if shared and folder != ground and done.is_file() and not (folder / INDEX).is_file():
        branch_off(recipe, folder, parent, ground)


def work(recipe: str, seed: int, data: Path, runs: Path) -> str:
    """Train one model, score its stages, and keep that; returns what is to be said."""
    folder, chosen = runs / f"{recipe}-{seed}", load_recipe(recipe, {"seed": seed})
    folder.mkdir(parents=True, exist_ok=True)
    start_where_shared(chosen, folder, runs / f"{GROUND}-{seed}")
    began = time.monotonic()
    with (folder / "log.txt").open("ab") as log:
        done = subprocess.run(command(recipe, data, folder, changes=[f"seed={seed}"]), stdout=log, stderr=log)
    if done.returncode:
        return f"{recipe} {seed} failed: see {folder / 'log.txt'}"
    found = {
        "recipe": recipe,
        "recipe_hash": chosen.hash(),
        "seed": seed,
        "steps": {stage.name: stage.steps for stage in chosen.stages},
        "minutes": (time.monotonic() - began) / 60,
        "scores": {stage.name: scored(folder / f"{stage.name}.safetensors", data) for stage in chosen.stages},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_atomically(result_file(recipe, seed), (json.dumps(found, indent=1) + "\n").encode())
    return f"{recipe} {seed}: {found['minutes']:.1f} minutes, {found['scores']}"


def results() -> dict[tuple[str, int], dict[str, Any]]:
    """What was measured with the recipes as they are now, by recipe and seed."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    return {
        (row["recipe"], row["seed"]): row
        for row in found
        if row["recipe_hash"] == load_recipe(row["recipe"], {"seed": row["seed"]}).hash()
    }


def rows(found: Mapping[tuple[str, int], dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """For each part: in how many seeds, and by how much `compact` is ahead without the change, in each column."""
    for recipe, what in WHAT.items():
        pairs = [
            (found[GROUND, seed], row)
            for (name, seed), row in found.items()
            if name == recipe and (GROUND, seed) in found
        ]
        if pairs:
            ahead = ([column.of(ground) - column.of(row) for ground, row in pairs] for column in COLUMNS)
            yield (what, str(len(pairs)), *map(_summary, ahead))
    grounds = [row for (name, _), row in found.items() if name == GROUND]
    if grounds:
        gains = (
            [column.of(row) - replace(column, stage=0).of(row) for row in grounds] if column.stage else []
            for column in COLUMNS
        )
        yield (STAGE_ITSELF, str(len(grounds)), *map(_summary, gains))


def _summary(gains: list[float]) -> str:
    """Mean over seeds, and their standard deviation where there are several."""
    if not gains:
        return ""
    spread = f" ± {statistics.stdev(gains):.3f}" if len(gains) > 1 else ""
    return f"{statistics.mean(gains):+.3f}{spread}"


@click.group()
def main() -> None:
    """Train and score ablations, or print the table of what was scored."""


@main.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs/ablations"))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.argument("recipes", nargs=-1)
def train(data: Path, runs: Path, seeds: str, jobs: int, recipes: tuple[str, ...]) -> None:
    """Train what is missing: all RECIPES with the first seed, then with the next."""
    wanted = [(recipe, int(seed)) for seed in seeds.split(",") for recipe in recipes or RECIPES]
    with ThreadPoolExecutor(jobs) as pool:
        open_ones = [each for each in wanted if not result_file(*each).is_file()]
        for told in as_completed([pool.submit(work, *each, data, runs) for each in open_ones]):
            click.echo(told.result())


@main.command()
def table() -> None:
    """Print a row for each part."""
    for row in rows(results()):
        click.echo(" | ".join(row))


if __name__ == "__main__":
    main()
