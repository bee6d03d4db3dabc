"""A run's ledger as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from srzoo.errors import TrainingError
from srzoo.files import write_atomically
from srzoo.train.latent import ACTIVE
from srzoo.train.ledger import read_ledger
from srzoo.train.record import LEDGER, UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "ledger.png"
"""Name of the picture in the folder of a run."""

Rows = Sequence[dict[str, str]]

_TAKEN = ("step", "stage", "note", "images_per_second", "data_seconds", "val_psnr_y", "learning_rate", "active_units")
_GAME = ("real_accuracy", "fake_accuracy")
_ITS = ("discriminator", "r1", "discriminator_gradient")


def plot_run(folder: Path) -> Path:
    """Draw the ledger of a run: losses, what each asks of the image, the discriminator, the latent, quality, and speed.

    Returns:
        The picture's file, in the run's folder.

    Raises:
        TrainingError: The folder has no ledger, or it is empty.
        WriteError: The picture cannot be written.
    """
    path = folder / LEDGER
    if not path.is_file():
        raise TrainingError(f"{folder} has no {LEDGER}: name the folder of a run, such as runs/reference")
    rows = read_ledger(path)
    if not rows:
        raise TrainingError(f"{path} has no rows yet: wait for the first steps")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in rows[0] if name not in (*_TAKEN, *_GAME)]
    at_image = [name for name in names if name.startswith("at_image.")]
    losses = [name for name in names if name not in at_image and name not in ("gradient", *_ITS)]
    figure = Figure(figsize=(14, 12), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(4, 2, sharex=True)
    _draw(panels[0, 0], "loss terms, before weighting", rows, losses, log=True)
    _draw(panels[0, 1], "norm of each term's gradient at the image", rows, at_image, log=True)
    _draw(panels[1, 0], "validation PSNR on Y, dB", rows, ["val_psnr_y"], marks=True)
    _draw(panels[1, 1], "learning rate; norm of the weights' gradient", rows, ["learning_rate", "gradient"], log=True)
    _draw(panels[2, 0], "share of logits on the right side", rows, _GAME)
    _draw(panels[2, 1], "discriminator", rows, [name for name in _ITS if name in names], log=True)
    _draw_units(panels[3, 0], folder)
    _draw(panels[3, 1], "images per second", rows, ["images_per_second"])
    _stretch_stages(panels[0, 0], rows)
    for row in panels:
        for axes in row:
            _mark_stages(axes, rows)
    for axes in panels[-1]:
        axes.set_xlabel("step")
    figure.suptitle(str(folder))
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    picture = folder / PICTURE
    write_atomically(picture, stream.getvalue())
    return picture


def _curve(rows: Rows, name: str, over: int) -> tuple[list[int], list[float]]:
    """Steps and values of a column: running means over one part in ``over`` of what it has in a stage."""
    steps: list[int] = []
    means: list[float] = []
    for _, stage in groupby(rows, key=lambda row: row["stage"]):
        points = [(int(row["step"]), float(row[name])) for row in stage if row.get(name)]
        finite = [(step, value) for step, value in points if math.isfinite(value)]
        steps += [step for step, _ in finite]
        means += _smoothed([value for _, value in finite], max(1, len(finite) // over))
    return steps, means


def _smoothed(values: Sequence[float], over: int) -> list[float]:
    """Running means over ``over`` values, fewer at the ends."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    half = over // 2
    bounds = ((max(0, at - half), min(len(values), at + half + 1)) for at in range(len(values)))
    return [(sums[end] - sums[begin]) / (end - begin) for begin, end in bounds]


def _draw(axes: Axes, title: str, rows: Rows, names: Sequence[str], *, log: bool = False, marks: bool = False) -> None:
    """The columns, smoothed unless each value is marked."""
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    curves = {name: _curve(rows, name, len(rows) if marks else 40) for name in names}
    curves = {name: curve for name, curve in curves.items() if curve[0]}
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, marker="o" if marks else None, lw=1.2, label=name.removeprefix("at_image."))
    if not curves:
        axes.text(0.5, 0.5, "none in this run", ha="center", va="center", transform=axes.transAxes, alpha=0.6)
        return
    if log and min(min(values) for _, values in curves.values()) > 0:
        axes.set_yscale("log")
    elif log:
        axes.set_yscale("symlog", linthresh=1e-3)
    axes.legend(fontsize="x-small", ncols=2)


def _draw_units(axes: Axes, folder: Path) -> None:
    """Nats of each channel of the latent over time, one row a channel: gray up to where a channel counts as active."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    path = folder / UNITS
    rows = read_ledger(path) if path.is_file() else []
    axes.set_title(f"latent: nats per unit of each channel; gray below {ACTIVE:g}, not active", fontsize="medium")
    names = [name for name in (rows[0] if rows else {}) if name.startswith("kl.")]
    if not names:
        axes.text(0.5, 0.5, "none in this run", ha="center", va="center", transform=axes.transAxes, alpha=0.6)
        return
    thinned = rows[:: max(1, len(rows) // 500)]
    grid = [[float(row[name] or "nan") for row in thinned] for name in names]
    steps = [int(row["step"]) for row in thinned]
    scale = LogNorm(ACTIVE, max([100 * ACTIVE, *(nats for line in grid for nats in line if math.isfinite(nats))]))
    colours = colormaps["viridis"].with_extremes(under="lightgray", bad="lightgray")
    image = axes.pcolormesh(steps, range(len(names)), grid, shading="nearest", cmap=colours, norm=scale)
    axes.set_ylabel("channel")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.figure.colorbar(image, ax=axes, extend="min")


def _begins(rows: Rows) -> list[tuple[int, str]]:
    """The first step and the name of each stage."""
    return [(int(next(stage)["step"]), name) for name, stage in groupby(rows, key=lambda row: row["stage"])]


def _stretch_stages(axes: Axes, rows: Rows) -> None:
    """Give each stage a width that grows with the root of its steps, so that a short one behind a long one is seen."""
    import numpy as np
    from matplotlib.ticker import FixedLocator, MaxNLocator

    bounds = [step for step, _ in _begins(rows)] + [int(rows[-1]["step"]) + 1]
    widths = [(after - before) ** 0.5 for before, after in pairwise(bounds)]
    places = np.cumsum([0.0, *widths])
    ends = [bounds[0] - 1e6, *bounds, bounds[-1] + 1e6]  # beyond the first and last step, for margins
    spots = [places[0] - 1e6 / widths[0], *places, places[-1] + 1e6 / widths[-1]]
    axes.set_xscale("function", functions=(lambda x: np.interp(x, ends, spots), lambda x: np.interp(x, spots, ends)))
    axes.set_xlim(bounds[0], bounds[-1])
    ticks = [
        tick
        for (before, after), width in zip(pairwise(bounds), widths, strict=True)
        for tick in MaxNLocator(max(1, round(6 * width / places[-1])), integer=True).tick_values(before, after)
        if before <= tick < after
    ]
    axes.xaxis.set_major_locator(FixedLocator(ticks))


def _mark_stages(axes: Axes, rows: Rows) -> None:
    """A line, with its name, where a stage begins."""
    for step, name in _begins(rows):
        axes.axvline(step, color="gray", lw=0.8, ls=":")
        axes.annotate(
            name, (step, 1), (2, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", fontsize="x-small", color="gray",
        )  # fmt: skip
