"""Quality against cost, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srzoo.benchmark.report import Row
from srzoo.benchmark.run import Benchmark
from srzoo.errors import UsageError
from srzoo.files import check_target, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

FORMATS = (".png", ".svg", ".pdf")
"""Suffixes that `plot` writes."""

_OFFSETS = [(8 * side, 11 * step) for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6) for side in (1, -1)]
"""Where a label may stand, in points from its mark, from best to worst."""


def check_plot_file(file: Path) -> None:
    """Refuse a file that `plot` could not write.

    Raises:
        UsageError: Its suffix is unknown, or its folder is not there or not to be written to.
    """
    if file.suffix.lower() not in FORMATS:
        raise UsageError(f"cannot plot to {file}: name a file that ends in {', '.join(FORMATS)}")
    check_target(file)


def plot(benchmark: Benchmark, file: Path) -> None:
    """Write PSNR against multiply-accumulates, one labelled mark for each model whose cost is known.

    Raises:
        UsageError: `check_plot_file` refuses it, or there is nothing to show.
        WriteError: The file cannot be written.
    """
    check_plot_file(file)
    rows = [row for row in benchmark.board.rows if row.macs and isfinite(row.psnr_y)]
    if not rows:
        raise UsageError(f"nothing to plot to {file}: no model has both a finite PSNR and MACs")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    giga = [(row.macs or 0) / 1e9 for row in rows]
    axes.scatter(giga, [row.psnr_y for row in rows], s=36, zorder=3)
    axes.set_xscale("log")
    axes.margins(x=0.2, y=0.12)
    height, width = benchmark.size
    data = benchmark.board.data
    axes.set_xlabel(f"GMACs for an LR image of {width}x{height}")
    axes.set_ylabel("PSNR on luma (dB)")
    protocol = f"{benchmark.board.protocol['name']} {benchmark.board.protocol['hash']}"
    images = f"{data['images']} images ({data['fingerprint']})"
    axes.set_title(f"x{data['scale']}, {images}, protocol {protocol}", fontsize="medium")
    axes.grid(alpha=0.3)
    figure.draw_without_rendering()  # labels are placed by the pixels that they take
    figure.set_layout_engine("none")
    _label(axes, rows)
    stream = BytesIO()
    figure.savefig(stream, format=file.suffix[1:].lower(), dpi=150)
    write_atomically(file, stream.getvalue())


def _label(axes: Axes, rows: Sequence[Row]) -> None:
    """Name every mark, each beside it where no mark and no earlier name stands, or where the fewest do."""
    points = [((row.macs or 0) / 1e9, row.psnr_y) for row in rows]
    marks = axes.transData.transform(points)
    frame = axes.bbox
    taken: list[Bbox] = []
    for row, point in zip(rows, points, strict=True):
        name = Path(row.model).name.replace(".safetensors", "")
        boxes: dict[tuple[int, int], Bbox] = {}
        for offset in _OFFSETS:
            trial = _annotate(axes, name, point, offset)
            boxes[offset] = trial.get_window_extent()
            trial.remove()

        def crowding(offset: tuple[int, int], boxes: dict[tuple[int, int], Bbox] = boxes) -> int:
            box = boxes[offset]
            outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
            names = sum(bool(box.overlaps(other)) for other in taken)
            covered = sum(bool(box.contains(*mark)) for mark in marks)
            total: int = names + covered + len(rows) * int(outside)
            return total

        best = min(_OFFSETS, key=crowding)
        _annotate(axes, name, point, best, {"arrowstyle": "-", "lw": 0.5, "alpha": 0.5} if best[1] else None)
        taken.append(boxes[best])


def _annotate(
    axes: Axes, name: str, point: tuple[float, float], offset: tuple[int, int], line: dict[str, Any] | None = None
) -> Annotation:
    side = "left" if offset[0] > 0 else "right"
    return axes.annotate(
        name, point, offset, textcoords="offset points", ha=side, va="center", fontsize="small", arrowprops=line
    )
