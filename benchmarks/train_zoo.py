"""Train everything that ships, by the recipes that ship.

Runs as many recipes side by side as asked for, resumes what was interrupted, and skips what is done. Recipes whose
first stage is another's, to the bit, branch off where that ended.

    python benchmarks/train_zoo.py --data photos --runs runs --jobs 2
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
from safetensors.torch import load_file

from srzoo.train.recipe import Recipe, load_recipe
from srzoo.train.state import INDEX, LEFT, Progress, save_state


@dataclass(frozen=True)
class Shipped:
    """A model of the zoo, and the run that it comes from."""

    recipe: str
    stage: str = "adversarial"
    """Stage whose model it is."""
    parent: str = ""
    """Recipe with whose first stage the run begins."""


ABLATIONS = (
    "no-vae", "no-skips", "no-attention", "gaussian", "no-base", "no-pre-encoder", "resnet", "deconv", "dense"
)  # fmt: skip

ZOO = {
    "reference-fidelity": Shipped("reference-fidelity", "squared"),
    "reference": Shipped("reference", "samples", parent="fidelity"),
    "reference-perceptual": Shipped("perceptual", parent="fidelity"),
    "large-fidelity": Shipped("large-fidelity", "squared"),
    "large": Shipped("large", "samples"),
    "reference-x2": Shipped("reference-x2", "squared"),
    "reference-x3": Shipped("reference-x3", "squared"),
    "compact-fidelity": Shipped("compact", "fidelity"),
    "compact": Shipped("compact"),
    "ablation-no-discriminator": Shipped("ablation-no-discriminator", parent="compact"),
    **{f"ablation-{name}": Shipped(f"ablation-{name}") for name in ABLATIONS},
    "seed": Shipped("seed-narrow"),
}
"""What ships, in the order in which it is trained."""


def finished(shipped: Shipped, runs: Path) -> Path:
    """The file that a run leaves of the stage that ships."""
    return runs / shipped.recipe / f"{shipped.stage}.safetensors"


def branch_off(recipe: Recipe, folder: Path, parent: Recipe, parent_folder: Path) -> None:
    """Put a run where its parent's first stage ended: the same state that it would have reached itself."""
    first = recipe.stages[0]
    if (
        recipe.network() != parent.network()
        or any(getattr(recipe, name) != getattr(parent, name) for name in ("seed", "precision", "start", "data"))
        or first != parent.stages[0]
    ):
        raise click.ClickException(f"{folder.name} does not share its first stage with {parent_folder.name}")
    folder.mkdir(parents=True, exist_ok=True)
    model = f"{first.name}.safetensors"
    shutil.copyfile(parent_folder / model, folder / model)
    weights = load_file(folder / model)
    facts = {"recipe": recipe.hash(), "guard": {"limit": recipe.guard.limit}, "scaler": {}}
    save_state(folder, Progress(step=first.steps, stage=1), facts, {"model": weights, f"{LEFT}{first.name}": weights})


def command(recipe: str, data: Path, folder: Path, threads: int = 1, changes: Iterable[str] = ()) -> list[str]:
    """How a recipe is trained in a folder of its own, or gone on with."""
    line = [sys.executable, "-m", "srzoo", "train", recipe, "--data", str(data), "--output", str(folder)]
    return [*line, "--resume", "--threads", str(threads), *(word for change in changes for word in ("--set", change))]


def ready(shipped: Shipped, runs: Path) -> bool:
    """Whether the run that this one branches off from has got far enough."""
    if not shipped.parent:
        return True
    return (runs / shipped.parent / f"{first_stage(shipped.recipe)}.safetensors").is_file()


def first_stage(recipe: str) -> str:
    """Name of a recipe's first stage."""
    return load_recipe(recipe).stages[0].name


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Recipes at a time.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of each.")
@click.argument("names", nargs=-1)
def main(data: Path, runs: Path, jobs: int, threads: int, names: tuple[str, ...]) -> None:
    """Train the models NAMES, or everything that ships."""
    if unknown := [name for name in names if name not in ZOO]:
        raise click.ClickException(f"{unknown[0]} does not ship; names are {', '.join(ZOO)}")
    wanted = [ZOO[name] for name in names or ZOO]
    parents = [Shipped(each.parent, first_stage(each.parent)) for each in wanted if each.parent]
    waiting = {each.recipe: each for each in (*parents, *wanted) if not finished(each, runs).is_file()}
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: list[str] = []
    while waiting or running:
        while len(running) < jobs and (found := next((each for each in waiting.values() if ready(each, runs)), None)):
            del waiting[found.recipe]
            folder = runs / found.recipe
            if found.parent and not (folder / INDEX).is_file():
                branch_off(load_recipe(found.recipe), folder, load_recipe(found.parent), runs / found.parent)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "log.txt").open("ab") as log:
                line = command(found.recipe, data, folder, threads)
                running[found.recipe] = subprocess.Popen(line, stdout=log, stderr=log)
            click.echo(f"started {found.recipe}")
        for name in [name for name, process in running.items() if process.poll() is not None]:
            code = running.pop(name).returncode
            click.echo(f"{name} ended with {code}")
            if code:
                failed.append(name)
        if waiting and not running and not any(ready(each, runs) for each in waiting.values()):
            raise click.ClickException(f"{', '.join(waiting)}: what they branch off from failed")
        time.sleep(2)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}; see log.txt in their folders")


if __name__ == "__main__":
    main()
