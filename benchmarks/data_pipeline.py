"""How long training waits for its data, and how many crops a second each degradation gives.

A recipe is trained for some steps with the crops made in the training thread, and again with them made ahead; then
every degradation makes crops in one thread, of photos that are decoded already.

    python benchmarks/data_pipeline.py --data photos --threads 2
    python benchmarks/data_pipeline.py --data photos --recipe blind --workers 2 --json
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch

from srzoo.train.data import open_crops, open_sets
from srzoo.train.loop import Report, Run
from srzoo.train.recipe import Recipe, load_recipe

MEMORY = 4 << 30
SETTLING = 5
"""Steps before the clock starts: LR of whole photos is made, and buffers are taken, in the first ones."""

CHAINS: dict[str, list[Any]] = {
    "bicubic": ["bicubic"],
    "blur-down": ["blur-down"],
    "blur, bicubic": [{"name": "blur"}, "bicubic"],
    "bicubic, noise": ["bicubic", "noise"],
    "bicubic, noise (Poisson)": ["bicubic", {"name": "noise", "poisson": 1.0}],
    "bicubic, jpeg": ["bicubic", "jpeg"],
    "real-esrgan": ["real-esrgan"],
}


class _EnoughError(Exception):
    """Raised to leave a run in the middle."""


def waiting(recipe: Recipe, data: Path, steps: int, workers: int) -> dict[str, float]:
    """Train for some steps; seconds in the median, and the share of all of them spent waiting for crops."""
    seen: list[tuple[float, float]] = []

    def watch(report: Report) -> None:
        if not report.values:
            return
        seen.append((recipe.data.batch / report.values["images_per_second"], report.values["data_seconds"]))
        if len(seen) == SETTLING + steps:
            raise _EnoughError

    with tempfile.TemporaryDirectory() as folder:
        run = Run(recipe, Path(folder) / "run", data, memory=MEMORY, workers=workers)
        with suppress(_EnoughError):
            run.run(watch)
    counted = seen[SETTLING:]
    step, waited = zip(*counted, strict=True)
    return {
        "workers": workers,
        "steps": len(counted),
        "step_seconds": median(step),
        "data_seconds": median(waited),
        "share_waited": sum(waited) / sum(step),
    }


def crops_per_second(name: str, data: Path, steps: list[Any], seconds: float) -> float:
    """How many crops of a recipe's size one thread makes, of the photos of its first data set, in a second of its own.

    The clock is that of the thread, so that what else the machine does counts little.
    """
    plain = load_recipe(name)
    recipe = load_recipe(name, {"data": {"train": plain.data.train[:1], "degradation": steps}})
    crops = open_crops(recipe, open_sets(recipe, data), recipe.network().scale, MEMORY, lambda done, total, what: None)
    for index in range(len(crops.photos)):
        crops.photos.lr(index)
    made, began = 0, time.thread_time()
    while time.thread_time() - began < seconds:
        made += 1
        crops.batch(0, made, range(1), recipe.data.crop)
    return made / (time.thread_time() - began)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--recipe", "name", default="reference", show_default=True)
@click.option("--steps", type=click.IntRange(1), default=40, show_default=True, help="Steps that count.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Threads that make crops ahead.")
@click.option("--threads", type=click.IntRange(1), help="Threads of the network.  [default: all]")
@click.option("--seconds", type=float, default=3.0, show_default=True, help="Time for each degradation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(data: Path, name: str, steps: int, workers: int, threads: int | None, seconds: float, as_json: bool) -> None:
    """Measure the data pipeline on photos below DATA."""
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_recipe(name, {"validate_every": 10**9, "save_every": 10**9})
    waits = [waiting(recipe, data, steps, each) for each in (0, workers)]
    torch.set_num_threads(1)
    speeds = {label: crops_per_second(name, data, chain, seconds) for label, chain in CHAINS.items()}
    facts = {
        "recipe": name,
        "batch": recipe.data.batch,
        "crop": recipe.data.crop,
        "processors": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if as_json:
        click.echo(json.dumps({**facts, "waiting": waits, "crops_per_second": speeds}, indent=2))
        return
    click.echo(", ".join(f"{key} {value}" for key, value in facts.items()))
    for row in waits:
        step, waited = row["step_seconds"] * 1e3, row["data_seconds"] * 1e3
        click.echo(
            f"{row['workers']} workers: a step takes {step:.0f} ms, of which {waited:.1f} ms are waited for crops "
            f"(medians); {row['share_waited']:.1%} of all time is waited"
        )
    for label, speed in speeds.items():
        click.echo(f"{label}: {speed:.0f} crops in a second of processor time")


if __name__ == "__main__":
    main()
