"""What the adversarial stage buys, as a picture: each distance from HR in shares of the fidelity stage's.

Reads what `perception_evidence.py` and `distribution_evidence.py` wrote, and measures nothing.

    python benchmarks/evidence_picture.py docs/images/evidence.png
"""

from __future__ import annotations

import json
from pathlib import Path

import click

RESULTS = Path(__file__).parent / "results"
DISTANCES = {
    "distribution": "distribution,\nEfficientNet",
    "spectrum": "power spectrum",
    "features_unused": "image by image,\nunused SqueezeNet",
    "features_other": "image by image,\nEfficientNet",
}
"""What is drawn from top to bottom, and how it is called."""
SHOWN = {
    ("reference-perceptual", "mean"): ("perceptual loss alone", "s", "tab:gray"),
    ("reference", "mean"): ("reference", "o", "tab:blue"),
    ("reference", "sample"): ("reference, a sample", "D", "tab:orange"),
}
"""Model and kind of image: name, mark and colour."""

Scores = dict[tuple[str, str, str], dict[str, float]]
"""By set, model and kind."""


def scores() -> Scores:
    """What was measured."""
    found: Scores = {}
    for row in json.loads((RESULTS / "perception.json").read_text()):
        kind = "sample" if row["temperature"] else "mean"
        found[row["set"], row["model"], kind] = {name: row[name] for name in DISTANCES if name in row}
    for row in json.loads((RESULTS / "distribution.json").read_text()):
        found.setdefault((row["set"], row["model"], row["kind"]), {})["distribution"] = row["mean"]
    return found


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Draw FILE."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = scores()
    sets = list(dict.fromkeys(name for name, _, _ in found))
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(sets), sharey=True), sets, strict=True):
        base = found[name, "fidelity", "mean"]
        for (model, kind), (label, marker, colour) in SHOWN.items():
            shares = [found[name, model, kind][distance] / base[distance] for distance in DISTANCES]
            look = {"color": colour, "marker": marker, "alpha": 0.85, "zorder": 3}
            axes.scatter(shares, range(len(shares)), 42, label=label, **look)
        axes.axvline(1, color="black", lw=1)
        axes.set_xlim(0, 1.12)
        axes.margins(y=0.15)
        axes.set_title(name, fontsize="medium")
        axes.grid(alpha=0.3)
        axes.set_yticks(range(len(DISTANCES)), list(DISTANCES.values()))
    axes.invert_yaxis()
    figure.supxlabel("distance from HR; the fidelity stage is 1, less is better", fontsize="medium")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
