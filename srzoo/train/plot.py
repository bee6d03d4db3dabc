"""A run's ledger as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
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
    units = read_ledger(folder / UNITS) if (folder / UNITS).is_file() else []
    wanted: list[Callable[[Axes], None] | None] = [
        _panel("loss terms, before weighting", rows, losses, log=True),
        _panel("norm of each term's gradient at the image", rows, at_image, log=True),
        _panel("validation PSNR on Y, dB", rows, ["val_psnr_y"], marks=True),
        _panel("learning rate; norm of the weights' gradient", rows, ["learning_rate", "gradient"], log=True),
        _panel("share of logits on the right side", rows, _GAME),
        _panel("discriminator", rows, _ITS, log=True),
        partial(_draw_units, rows=units) if units else None,
        _panel("images per second", rows, ["images_per_second"]),
    ]
    panels = [draw for draw in wanted if draw is not None]
    height = -(-len(panels) // 2)
    figure = Figure(figsize=(14, 3 * height + 1), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(height, 2, sharex=True, squeeze=False).flatten()
    for axes, draw in zip(places, panels, strict=False):
        draw(axes)
        _mark_stages(axes, rows)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    _stretch_stages(places[0], rows)
    for axes in places[max(0, len(panels) - 2) : len(panels)]:
        axes.xaxis.set_tick_params(labelbottom=True)
        axes.set_xlabel("step, from 0")
    figure.suptitle(str(folder))
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    picture = folder / PICTURE
    write_atomically(picture, stream.getvalue())
    return picture


def _curve(rows: Rows, name: str, over: int) -> tuple[list[float], list[float]]:
    """Steps and values of a column: running means over one part in ``over`` of what it has in a stage.

    No number stands between stages, so that no line is drawn there.
    """
    steps: list[float] = []
    means: list[float] = []
    for _, stage in groupby(rows, key=lambda row: row["stage"]):
        points = [(int(row["step"]), float(row[name])) for row in stage if row.get(name)]
        finite = [(step, value) for step, value in points if math.isfinite(value)]
        if finite:
            steps += [*(step for step, _ in finite), finite[-1][0]]
            means += [*_smoothed([value for _, value in finite], max(1, len(finite) // over)), math.nan]
    return steps, means


def _smoothed(values: Sequence[float], over: int) -> list[float]:
    """Running means over ``over`` values, fewer at the ends."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    half = over // 2
    bounds = ((max(0, at - half), min(len(values), at + half + 1)) for at in range(len(values)))
    return [(sums[end] - sums[begin]) / (end - begin) for begin, end in bounds]


def _panel(
    title: str, rows: Rows, names: Sequence[str], *, log: bool = False, marks: bool = False
) -> Callable[[Axes], None] | None:
    """What draws columns, smoothed unless each value is marked; None where they hold nothing."""
    curves = {name: _curve(rows, name, len(rows) if marks else 40) for name in names}
    curves = {name: curve for name, curve in curves.items() if curve[0]}
    if not curves:
        return None

    def draw(axes: Axes) -> None:
        _entitle(axes, title)
        axes.grid(alpha=0.3)
        for number, (name, (steps, values)) in enumerate(curves.items()):
            # Curves may lie on one another, as those of both sides of a paired game do.
            style = "--" if number and len(curves) == 2 else "-"
            axes.plot(steps, values, style, marker="o" if marks else None, lw=1.2, label=name.removeprefix("at_image."))
        least = min(value for _, values in curves.values() for value in values if math.isfinite(value))
        if log and least > 0:
            axes.set_yscale("log")
        elif log:
            axes.set_yscale("symlog", linthresh=1e-3)
        axes.legend(fontsize="x-small", ncols=2)

    return draw


def _entitle(axes: Axes, title: str) -> None:
    """A title with room below it for the names of stages."""
    axes.set_title(title, fontsize="medium", pad=16)


def _draw_units(axes: Axes, rows: Rows) -> None:
    """Nats of each channel of the latent over time, one row a channel: gray up to where a channel counts as active."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    _entitle(axes, f"latent: nats per unit of each channel; gray below {ACTIVE:g}, not active")
    names = [name for name in rows[0] if name.startswith("kl.")]
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
    """A line where a stage begins, with its name above."""
    for step, name in _begins(rows):
        axes.axvline(step, color="gray", lw=0.8, ls=":")
        axes.annotate(
            name, (step, 1), (2, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="bottom", fontsize="x-small", color="gray",
        )  # fmt: skip
