"""What each part contributes, over several seeds: train `compact` and its ablations, score them, keep every result.

One file for each recipe and seed, so that seeds and machines can be added one after another; what is there is skipped,
what was interrupted goes on.

    python benchmarks/ablations.py train --data photos --runs runs/ablations --seeds 0,1,2 --jobs 2
    python benchmarks/ablations.py table
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from train_zoo import ABLATIONS

from srzoo.checkpoint import load_model, write_atomically
from srzoo.data.pairs import pairs_from_folder
from srzoo.scoring import evaluate
from srzoo.train.recipe import load_recipe

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
SETS = ("validation", "Set5", "Set14")


def result_file(recipe: str, seed: int) -> Path:
    """Where the result of a recipe and a seed lies; another recipe of the same name has another."""
    return RESULTS / f"{recipe}-{load_recipe(recipe, {'seed': seed}).hash()}-{seed}.json"


def work(recipe: str, seed: int, data: Path, runs: Path) -> str:
    """Train one model, score its stages, and keep that; returns what is to be said."""
    folder, chosen = runs / f"{recipe}-{seed}", load_recipe(recipe, {"seed": seed})
    folder.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "srzoo", "train", recipe, "--data", str(data), "--output", str(folder)]
    began = time.monotonic()
    with (folder / "log.txt").open("ab") as log:
        done = subprocess.run([*line, "--resume", "--threads", "1", "--set", f"seed={seed}"], stdout=log, stderr=log)
    if done.returncode:
        return f"{recipe} {seed} failed: see {folder / 'log.txt'}"
    places = {
        "validation": data / "val" / "DIV2Kvalid_256crop",
        **{name: data / "test" / name / "X4" for name in SETS[1:]},
    }
    scores = {
        stage.name: {
            name: evaluate(load_model(folder / f"{stage.name}.safetensors"), pairs_from_folder(place, 4)).mean["psnr_y"]
            for name, place in places.items()
        }
        for stage in chosen.stages
    }
    found = {
        "recipe": recipe,
        "recipe_hash": chosen.hash(),
        "seed": seed,
        "steps": {stage.name: stage.steps for stage in chosen.stages},
        "minutes": (time.monotonic() - began) / 60,
        "psnr_y": scores,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_atomically(result_file(recipe, seed), (json.dumps(found, indent=1) + "\n").encode())
    return f"{recipe} {seed}: {scores}"


def results() -> dict[tuple[str, int], dict[str, Any]]:
    """What was measured with the recipes as they are now, by recipe and seed."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    return {
        (row["recipe"], row["seed"]): row
        for row in found
        if row["recipe_hash"] == load_recipe(row["recipe"], {"seed": row["seed"]}).hash()
    }


def rows(found: Mapping[tuple[str, int], dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """For each part: in how many seeds, and by how much `compact` is ahead without the change, fidelity and final."""
    for recipe, what in WHAT.items():
        pairs = [
            (found[GROUND, seed], row)
            for (name, seed), row in found.items()
            if name == recipe and (GROUND, seed) in found
        ]
        if pairs:
            ahead = (_ahead(pairs, stage, name) for stage in (0, -1) for name in SETS)
            yield (what, str(len(pairs)), *ahead)


def _ahead(pairs: list[tuple[dict[str, Any], dict[str, Any]]], stage: int, name: str) -> str:
    """Mean over seeds, and their standard deviation where there are several."""
    gains = [
        list(ground["psnr_y"].values())[stage][name] - list(other["psnr_y"].values())[stage][name]
        for ground, other in pairs
    ]
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
        for told in pool.map(lambda each: work(*each, data, runs), open_ones):
            click.echo(told)


@main.command()
def table() -> None:
    """Print a row for each part."""
    for row in rows(results()):
        click.echo(" | ".join(row))


if __name__ == "__main__":
    main()
