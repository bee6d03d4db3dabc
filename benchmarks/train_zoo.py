"""Train everything that ships: the reference, its ablations and the narrow seed, by one recipe and one budget.

Runs as many recipes side by side as asked for, resumes what was interrupted, and skips what is done. The ablation
without a discriminator shares the reference's first stage to the bit, so it branches off where that ended.

    python benchmarks/train_zoo.py --data photos --runs runs --jobs 2
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click
from safetensors.torch import load_file

from srzoo.train.loop import CHECKPOINT
from srzoo.train.recipe import load_recipe
from srzoo.train.state import Progress, save_state

RECIPES = (
    "reference",
    "ablation-no-vae",
    "ablation-no-skips",
    "ablation-no-attention",
    "ablation-gaussian",
    "ablation-no-base",
    "ablation-no-pre-encoder",
    "ablation-resnet",
    "ablation-no-discriminator",
    "ablation-deconv",
    "ablation-dense",
    "seed-narrow",
)
"""In the order in which they are trained."""

FINISHED = {"ablation-no-discriminator": "perceptual.safetensors"}


def finished(name: str, runs: Path) -> Path:
    """The file that a run leaves when it is through."""
    return runs / name / FINISHED.get(name, "adversarial.safetensors")


BRANCHES = {"ablation-no-discriminator": "reference"}
"""Runs whose first stage is that of another."""


def branch_off(name: str, runs: Path) -> None:
    """Put a run where its parent's first stage ended: the same state that it would have reached itself."""
    parent, folder, recipe = runs / BRANCHES[name], runs / name, load_recipe(name)
    first = recipe.stages[0]
    if first != load_recipe(BRANCHES[name]).stages[0]:
        raise click.ClickException(f"{name} does not share its first stage with {BRANCHES[name]}")
    weights = load_file(parent / f"{first.name}.safetensors")
    progress = Progress(step=first.steps, stage=1)
    save_state(folder / CHECKPOINT, progress, {"recipe": recipe.hash()}, {"model": weights})


def command(name: str, data: Path, runs: Path, threads: int) -> list[str]:
    """How one recipe is trained."""
    line = [sys.executable, "-m", "srzoo", "train", name, "--data", str(data), "--output", str(runs / name)]
    return [*line, "--resume", "--threads", str(threads)]


def ready(name: str, runs: Path) -> bool:
    """Whether a run's parent has got far enough."""
    return name not in BRANCHES or (runs / BRANCHES[name] / "fidelity.safetensors").is_file()


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Recipes at a time.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of each.")
@click.argument("names", nargs=-1)
def main(data: Path, runs: Path, jobs: int, threads: int, names: tuple[str, ...]) -> None:
    """Train NAMES, or everything that ships."""
    waiting = [name for name in names or RECIPES if not finished(name, runs).is_file()]
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: list[str] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            name = next((each for each in waiting if ready(each, runs)), "")
            if not name:
                break
            waiting.remove(name)
            (runs / name).mkdir(parents=True, exist_ok=True)
            if name in BRANCHES and not (runs / name / CHECKPOINT).is_file():
                branch_off(name, runs)
            with (runs / name / "log.txt").open("ab") as log:
                running[name] = subprocess.Popen(command(name, data, runs, threads), stdout=log, stderr=log)
            click.echo(f"started {name}")
        ended = [name for name, process in running.items() if process.poll() is not None]
        for name in ended:
            code = running.pop(name).returncode
            click.echo(f"{name} ended with {code}")
            if code:
                failed.append(name)
        if waiting and not running:
            raise click.ClickException(f"{', '.join(waiting)}: what they branch off from was not trained")
        if not ended:
            time.sleep(2)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}; see log.txt in their folders")


if __name__ == "__main__":
    main()
