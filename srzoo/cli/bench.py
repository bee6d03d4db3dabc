"""``srzoo bench``: several models under the same rules, ranked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srzoo.cli.options import Named, NamedPath, data_option, device_option
from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.cli.progress import progress_bar
from srzoo.errors import SrzooError, WriteError

if TYPE_CHECKING:
    from srzoo.benchmark.report import Board, Row
    from srzoo.benchmark.run import Benchmark

MOST_CHANGES = 4
"""How many differences between two models are printed."""


@click.command()
@click.argument("models", nargs=-1, type=Named(), metavar="[MODEL]...")
@data_option
@click.option("--scale", type=click.IntRange(1, 16), default=4, show_default=True, help="Enlargement factor.")
@click.option("--results", type=NamedPath(file_okay=False, path_type=Path), metavar="DIR",
              help="Keep each result as a file here, and use again what is here already.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Measure again what --results already holds.")
@click.option("--plot", "picture", type=NamedPath(dir_okay=False, path_type=Path), metavar="FILE",
              help="Draw quality against cost: .png, .svg or .pdf.")  # fmt: skip
@device_option
@json_option
def bench(
    models: tuple[str, ...],
    data: str | None,
    scale: int,
    results: Path | None,
    fresh: bool,
    picture: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure models under the same rules, on the same images, and rank them.

    MODEL is a shipped model, a model file (*.safetensors) or an upscaler such as bicubic; without any, all shipped
    models of that scale and the plain upscalers are measured. A + behind a model, such as large-fidelity+, takes
    its self-ensemble, eight times as costly, which has a row of its own. The best PSNR on luma comes first. MACs,
    seconds and memory are those of one image that is enlarged to 1280x720. Where `compact` and its ablations are on
    the board, a second table shows what each part contributes.

    A result is found again by the protocol, the pixels of the data, the model's parts and weights, and, for costs, the
    machine: change any of these, and it is measured anew. A model that cannot be measured does not stop the others, but
    makes the exit code 1.

    \b
    Examples:
      srzoo bench
      srzoo bench reference bicubic my-model.safetensors --data set5
      srzoo bench large-fidelity large-fidelity+
      srzoo bench --results results --plot quality.svg
      srzoo bench bicubic lanczos --scale 2 --json
    """
    from srzoo.benchmark import plot
    from srzoo.benchmark.run import run
    from srzoo.data.pairs import pairs_of

    if fresh and results is None:
        raise click.UsageError("--fresh needs the --results that it measures again")
    if picture is not None:
        plot.check_plot_file(picture)
    with progress_bar() as tell:
        pairs = pairs_of(data, scale)
        names = list(models) or None
        outcome = run(names, pairs, scale=scale, results=results, fresh=fresh, device=device, progress=tell)
    for row in outcome.board.rows:
        if not row.trained:
            warn(f"{row.model} is untrained: its scores say nothing about its design")
    try:
        if as_json:
            print_json(outcome.to_dict())
        else:
            _print(outcome)
    finally:  # also where whoever reads the output has had enough
        if picture is not None and outcome.board.rows:
            plot.plot(outcome, picture)
    if outcome.failed:
        told = "; ".join(f"{name}: {error}" for name, error in outcome.failed.items())
        asked = {*outcome.failed, *(row.model for row in outcome.board.rows)}  # a model whose cost fails is in both
        raise SrzooError(f"{len(outcome.failed)} of {len(asked)} failed: {told}")
    if outcome.unkept:
        raise WriteError(f"{len(outcome.unkept)} results were not kept, such as: {outcome.unkept[0]}")


def _print(outcome: Benchmark) -> None:
    board = outcome.board
    if board.rows:
        columns = ("rank", "model", "psnr_y", "ssim_y", "lr_psnr", "params/K", "macs/G", "seconds", "memory/MB")
        print_table(columns, [_cells(row) for row in board.rows])
        click.echo("\n".join(_conditions(outcome)))
    if board.contributions:
        _print_contributions(board)
    for name, kinds in outcome.reused.items():
        click.echo(f"reused, not measured now: {name} ({' and '.join(kinds)})")


def _cells(row: Row) -> list[Any]:
    return [
        row.rank,
        row.model if row.trained else f"{row.model} (untrained)",
        round(row.psnr_y, 3),
        round(row.ssim_y, 4),
        round(row.lr_psnr, 2),
        None if row.params is None else round(row.params / 1e3, 1),
        None if row.macs is None else round(row.macs / 1e9, 2),
        None if row.seconds is None else round(row.seconds, 3),
        None if row.memory is None else round(row.memory / 1e6),
    ]


def _conditions(outcome: Benchmark) -> list[str]:
    """Under what the numbers were measured."""
    board, machine, (height, width) = outcome.board, outcome.environment, outcome.size
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    settings = ", ".join(f"{name} {value}" for name, value in board.settings.items())
    return [
        "",
        f"protocol {board.protocol['name']} v{board.protocol['version']} ({board.protocol['hash']}): {settings}",
        f"data {board.data['fingerprint']}: {board.data['images']} images, x{board.data['scale']}",
        f"cost of one LR image of {width}x{height}: {machine['device']} ({machine['device_name']}), "
        f"{machine['threads']} threads, {versions}",
    ]


def _print_contributions(board: Board) -> None:
    rows = [
        [each.ablation, each.baseline, _rounded(each.psnr_y, 3), _rounded(each.ssim_y, 4), _shortened(each.change)]
        for each in board.contributions
    ]
    title = "\nwhat each part contributes: the ablation less what it is held against, of the same training"
    print_table(("ablation", "against", "psnr_y", "ssim_y", "change"), rows, title)


def _shortened(change: str) -> str:
    """The first few of many differences; --json has them all."""
    first, others = change.split("; ")[:MOST_CHANGES], change.split("; ")[MOST_CHANGES:]
    return "; ".join(first) + (f"; and {len(others)} more" if others else "")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
