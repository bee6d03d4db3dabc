"""``srzoo train``: a recipe to a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srzoo.cli.build import overrides
from srzoo.cli.output import json_option, print_json, warn
from srzoo.cli.progress import progress_bar

if TYPE_CHECKING:
    from srzoo.train.loop import Report, Run

_MOST_SHOWN = 20
"""Photos that are named on the terminal; the run's folder has a list of all."""


@click.command()
@click.argument("recipe")
@click.option("--data", metavar="DIR", help="Folder that the recipe's data paths start from.  [default: $SRZOO_DATA]")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder of the run.  [default: runs/RECIPE]")  # fmt: skip
@click.option("--from", "start", type=click.Path(path_type=Path), metavar="FILE",
              help="Model file to start from in place of fresh weights.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint.")
@click.option("--device", default="auto", show_default=True, help="Where to compute: auto, cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: all]")
@click.option("--memory", type=click.FloatRange(0), default=4, show_default=True, metavar="GIB",
              help="Most memory for decoded photos; what exceeds it is read again when wanted.")  # fmt: skip
@click.option("--workers", type=click.IntRange(0), metavar="N",
              help="Threads that prepare crops ahead; 0 for none.  [default: half the processors, at most 8]",
              )  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE",
              help="Change the recipe, such as data.batch=4 or seed=1; repeatable.")  # fmt: skip
@json_option
def train(
    recipe: str,
    data: str | None,
    output: Path | None,
    start: Path | None,
    resume: bool,
    device: str,
    threads: int | None,
    memory: float,
    workers: int | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a model by a recipe, or go on with a run.

    RECIPE is a name from `srzoo list recipes` or a TOML file. The run's folder receives a checkpoint, ledger.csv with
    every loss term of every step, and one model file for each stage. Stopping it loses nothing that the last
    checkpoint holds; --resume goes on from there.

    A photo that cannot be read does not end a run: the next one takes its place, and the run says at its end which
    they were. If the column data_seconds of the ledger is much of a step, raise --workers, or --memory.

    \b
    Examples:
      srzoo train reference --data photos
      srzoo train reference --data photos --resume
      srzoo train blind --data photos --workers 4
      srzoo train recipe.toml --data photos --from model.safetensors -o runs/fine
      srzoo train recipe.toml --set data.train='["div2k"]' --set data.degradation=blur-down
    """
    import torch

    from srzoo.train.loop import UNUSED, Run
    from srzoo.train.recipe import data_folder, load_recipe
    from srzoo.zoo import usable_device

    if threads is not None:
        torch.set_num_threads(threads)
    chosen = load_recipe(recipe, overrides(None, None, None, {}, assignments))
    folder = output or Path("runs") / Path(recipe).stem
    place = usable_device(device)
    with progress_bar() as tell:
        run = Run(
            chosen,
            folder,
            data_folder(data, os.environ),
            device=place,
            start=start,
            memory=int(memory * 2**30),
            workers=_default_workers() if workers is None else workers,
            tell=tell,
        )
    run.begin(resume=resume)
    if run.precision != chosen.precision:
        warn(f"this device has no {chosen.precision} arithmetic of its own: training in {run.precision} instead")
    for problem in run.photos.problems:
        warn(problem)
    if run.photos.unused:
        warn(f"{_unused(run)} cannot be used, such as: {run.photos.unused[0]}")
    model = _watched(run)
    if as_json:
        facts = {"recipe": recipe, "recipe_hash": chosen.hash(), "model": model, "steps": run.progress.step}
        print_json({**facts, "photos": run.photos.count, "unused": run.photos.unused})
    else:
        click.echo(f"wrote {model}")
    for reason in run.photos.unused[:_MOST_SHOWN]:
        warn(reason)
    if run.photos.unused:
        warn(f"{_unused(run)} were not used: {folder / UNUSED} lists them")


def _default_workers() -> int:
    """Half the processors that this process may use: the other half trains."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, max(1, usable // 2))


def _unused(run: Run) -> str:
    return f"{len(run.photos.unused)} of {run.photos.found} photos"


def _watched(run: Run) -> Path:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[terms]}"),
        console=console,
        disable=not console.is_terminal,
    )
    tasks: dict[str, Any] = {}

    def watch(report: Report) -> None:
        name = report.stage.name
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=report.stage.steps, terms="", completed=report.step - 1)
        values = dict(report.values)
        speed, waited = values.pop("images_per_second"), values.pop("data_seconds")
        share = waited * speed / run.recipe.data.batch
        shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items() if key != "learning_rate")
        bar.update(tasks[name], completed=report.step, terms=f"{speed:.0f} images/s  data {share:.0%}  {shown}")
        if "val_psnr_y" in values:
            console.print(f"{name} {report.step}/{report.stage.steps}: validation {values['val_psnr_y']:.3f} dB")

    with bar:
        return run.run(watch)
