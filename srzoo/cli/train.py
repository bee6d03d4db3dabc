"""``srzoo train``: a recipe to a model."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srzoo.cli.options import Amount, NamedPath, device_option
from srzoo.cli.output import json_option, print_json, warn
from srzoo.cli.progress import progress_bar
from srzoo.errors import UsageError
from srzoo.options import parse_assignment

if TYPE_CHECKING:
    from rich.console import Console

    from srzoo.train.loop import Report, Run

_MOST_SHOWN = 20
"""Photos that are named on the terminal; the run's folder has a list of all."""

_QUIET = 60.0
"""Seconds from one line to the next where there is no terminal for a bar."""


@click.command()
@click.argument("recipe", required=False)
@click.option(
    "--data",
    type=NamedPath(),
    metavar="DIR",
    help="Folder that the recipe's data paths start from.  [default: $SRZOO_DATA]",
)
@click.option("-o", "--output", type=NamedPath(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder of the run.  [default: runs/RECIPE]")  # fmt: skip
@click.option("--from", "start", type=NamedPath(), metavar="MODEL",
              help="Model to start from, by name or file; what does not fit stays fresh.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint, if there is one.")
@click.option("--plot", type=NamedPath(file_okay=False, path_type=Path), metavar="RUN",
              help="Draw the ledger of the run in that folder, and do nothing else.")  # fmt: skip
@device_option
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads.  [default: all]")
@click.option(
    "--compile", "compiled", is_flag=True, help="Put the networks through torch.compile first, which takes minutes."
)
@click.option("--graphs/--no-graphs", default=True, show_default=True,
              help="On a GPU, record steps and replay them, in place of launching every kernel anew.")  # fmt: skip
@click.option("--memory", type=Amount(0, 1e6), default=4, show_default=True, metavar="GIB",
              help="Most memory of this machine for decoded photos; the rest is read when wanted.")  # fmt: skip
@click.option("--workers", type=click.IntRange(0, 256), metavar="N",
              help="Threads of each process that prepare crops ahead; 0 for none.  "
                   "[default: half of its share of the processors, at most 8]",
              )  # fmt: skip
@click.option("--shard", type=Amount(0.01, 1e6), metavar="MIB",
              help="Cut checkpoints into files of at most this size.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE",
              help="Change the recipe, such as seed=1 or stages.fidelity.steps=500; repeatable.")  # fmt: skip
@json_option
def train(
    recipe: str | None,
    data: str | None,
    output: Path | None,
    start: str | None,
    resume: bool,
    plot: Path | None,
    device: str,
    threads: int | None,
    compiled: bool,
    graphs: bool,
    memory: float,
    workers: int | None,
    shard: float | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a model by a recipe, go on with a run, or draw its ledger.

    RECIPE is a name from `srzoo list recipes` or a TOML file. The run's folder receives a checkpoint, ledger.csv with
    every loss term of every step, or of every nth (log_every), and one model file for each stage. Ctrl-C and SIGTERM
    write a checkpoint first; stopping it by force loses nothing that the last one holds. --resume goes on from there,
    to the same bits as without the stop.

    Under torchrun, several processes share each batch: the same crops, the same losses.

    A photo that cannot be read does not end a run: the next one takes its place, and the run says at its end which
    they were. If the column data_seconds of the ledger is much of a step, raise --workers, or --memory.

    \b
    Examples:
      srzoo train compact --data . --set data.train='["photos"]' --set data.validation=validation
      srzoo train recipe.toml --data . --resume
      srzoo train --plot runs/reference
      srzoo train blind --data datasets --workers 4
      srzoo train recipe.toml --data . --from reference-fidelity -o runs/fine
      srzoo train recipe.toml --set data.train='["div2k"]' --set data.degradation=blur-down
      torchrun --nproc-per-node=4 -m srzoo train reference --data datasets
    """
    if plot is not None:
        _plot(plot, recipe, as_json)
        return
    if recipe is None:
        raise UsageError("name a recipe: srzoo list recipes shows those that ship, srzoo train --help examples")
    from srzoo.train.recipe import data_folder, load_recipe

    chosen = load_recipe(recipe, _changes(assignments) | ({"start": start} if start else {}))
    folder = output or Path("runs") / Path(recipe).stem
    photos = data_folder(data, os.environ)

    import torch  # what is slow to import comes after what can be refused at once

    from srzoo.train.engine import processes_here
    from srzoo.train.loop import UNUSED, Run
    from srzoo.zoo import usable_device

    if threads is not None:
        torch.set_num_threads(threads)
    place = usable_device(device)
    with progress_bar() as tell:
        run = Run(
            chosen,
            folder,
            photos,
            device=place,
            resume=resume,
            memory=int(memory * 2**30) // processes_here(),
            workers=_default_workers(processes_here()) if workers is None else workers,
            compiled=compiled,
            graphs=graphs,
            shard=int((shard or 0) * 2**20),
            tell=tell,
        )
    if run.leads:
        _announce(run)
    model = _watched(run)
    if not run.leads:
        return
    if as_json:
        facts = {"recipe": recipe, "recipe_hash": chosen.hash(), "model": model, "steps": run.progress.step}
        print_json({**facts, "photos": run.photos.count, "unused": run.photos.unused})
    else:
        click.echo(f"wrote {model}")
    for reason in run.photos.unused[:_MOST_SHOWN]:
        warn(reason)
    if run.photos.unused:
        warn(f"{_unused(run)} were not used: {folder / UNUSED} lists them")


def _changes(assignments: tuple[str, ...]) -> dict[str, Any]:
    """What ``--set`` changes in a recipe, as `srzoo.config.merge` takes it."""
    from srzoo.config import merge

    changes: dict[str, Any] = {}
    for text in assignments:
        path, value = parse_assignment(text)
        for key in reversed(path):
            value = {key: value}
        changes = merge(changes, value)
    return changes


def _plot(folder: Path, recipe: str | None, as_json: bool) -> None:
    from srzoo.train.plot import plot_run

    if recipe is not None:
        raise UsageError(f"--plot draws a run that is there and trains nothing; leave {recipe!r} away")
    picture = plot_run(folder)
    if as_json:
        print_json({"picture": picture})
    else:
        click.echo(f"wrote {picture}")


def _announce(run: Run) -> None:
    """Say before the first step what a person would want to know of a run."""
    if run.precision != run.recipe.precision:
        warn(f"this device has no {run.recipe.precision} arithmetic of its own: training in {run.precision} instead")
    for stage in run.recipe.stages:
        if stage.warm_up >= stage.steps:
            warn(
                f"stage {stage.name}: its rate still climbs at its end, since warm_up = {stage.warm_up} of "
                f"{stage.steps} steps; set stages.{stage.name}.warm_up"
            )
    for difference in run.differs:
        warn(f"the run goes on, but not to the same bits as without a stop: {difference}")
    if run.start is not None:
        fresh = f"; fresh: {', '.join(run.start.fresh[:3])}" if run.start.fresh else ""
        more = f" and {len(run.start.fresh) - 3} more" if len(run.start.fresh) > 3 else ""
        click.echo(f"started from {run.start.source}: took {run.start.taken} weight tensors{fresh}{more}", err=True)
    for problem in run.photos.problems[:_MOST_SHOWN]:
        warn(problem)
    if len(run.photos.problems) > _MOST_SHOWN:
        warn(f"and {len(run.photos.problems) - _MOST_SHOWN} more like these")
    if run.photos.unused:
        warn(f"{_unused(run)} cannot be used, such as: {run.photos.unused[0]}")


def _default_workers(processes: int) -> int:
    """Half the processors that each process of this machine may use: the other half trains."""
    from srzoo.data.prefetch import processors

    return min(8, max(1, processors() // processes // 2))


def _unused(run: Run) -> str:
    return f"{len(run.photos.unused)} of {run.photos.found} photos"


def _watched(run: Run) -> Path:
    """Train; on a terminal with a bar, and elsewhere with a line now and then, so that a log shows that it goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    whole = Column(no_wrap=True)
    bar = Progress(
        TextColumn("{task.description}", table_column=whole),
        BarColumn(bar_width=20),
        TextColumn("{task.completed}/{task.total}", table_column=whole),
        TimeRemainingColumn(table_column=whole),
        TextColumn("{task.fields[terms]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        console=console,
        expand=True,
        disable=not (console.is_terminal and run.leads),
    )
    tasks: dict[str, Any] = {}
    spoken = time.monotonic()

    def watch(report: Report) -> None:
        nonlocal spoken
        if not run.leads:
            return
        name = report.stage.name
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=report.stage.steps, terms="", completed=report.step - 1)
        if not report.values:
            bar.update(tasks[name], completed=report.step)
        elif terms := _terms(report, run.recipe.batch(report.stage)):
            bar.update(tasks[name], terms=terms)
            if not console.is_terminal and time.monotonic() - spoken >= _QUIET:
                spoken = time.monotonic()
                console.print(f"{name} {report.step}/{report.stage.steps}: {terms}", markup=False, soft_wrap=True)
        if "val_psnr_y" in report.values:
            psnr = report.values["val_psnr_y"]
            console.print(f"{name} {report.step}/{report.stage.steps}: validation {psnr:.3f} dB")
        if report.note:
            console.print(f"{name} {report.step}/{report.stage.steps}: {report.note}", markup=False, soft_wrap=True)

    with bar, _stopping_in_order(run, console):
        return run.run(watch)


@contextmanager
def _stopping_in_order(run: Run, console: Console) -> Iterator[None]:
    """Let Ctrl-C or SIGTERM end the run with a checkpoint, and a second one without; say what is kept.

    Where several processes share a batch each ends as it ever would: it may be waiting for another.
    """
    received: list[int] = []

    def ask(number: int, frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        run.stop()
        console.print("stopping after this step; once more stops at once", markup=False)

    at_hand = run.alone and threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM) if at_hand}
    try:
        yield
    except KeyboardInterrupt:
        if run.leads:
            kept = f"{run.folder} holds the state after {run.saved_step} of {run.progress.step} steps"
            console.print(f"stopped: {kept}; go on with --resume", markup=False, soft_wrap=True)
        sys.exit(128 + (received or [signal.SIGINT])[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terms(report: Report, batch: int) -> str:
    """The numbers beside a progress bar; as many as fit are shown."""
    values = report.values
    if "images_per_second" not in values:
        return ""
    speed, waited = values["images_per_second"], values["data_seconds"]
    shown = [f"{name} {value:.4g}" for name, value in values.items() if name.startswith(("prior.", "posterior."))]
    return f"{speed:.0f} images/s  data {waited * speed / batch:.0%}  {'  '.join(shown)}"
