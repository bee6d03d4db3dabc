"""Pictures of what models make of the embedded photos: the README's, that of the stages, and that of samples.

python benchmarks/result_picture.py docs/images/result.png
python benchmarks/result_picture.py docs/images/stages.png --show stages
python benchmarks/result_picture.py docs/images/samples.png --show samples
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import matplotlib.pyplot as plt
import numpy as np

import srzoo
from srzoo.data.pairs import ImagePair, sample_pairs
from srzoo.model import Model

PATCHES = {"astronaut": (20, 150), "chelsea": (60, 130), "motorcycle_left": (150, 330)}
"""Photos, and top and left of the square that is shown, in HR pixels."""

SIDE = 160

SAMPLES = 10
"""Of which the standard deviation is shown."""

BRIGHTEST = 24.0
"""Standard deviation, in grey levels of 255, that is drawn brightest."""

Panels = Mapping[str, Any]
"""Images by title."""


def result(pair: ImagePair) -> Panels:
    """From LR over the fidelity stage and the whole to HR."""
    names = {
        "LR": "nearest",
        "bicubic": "bicubic",
        "reference-fidelity": "reference-fidelity",
        "reference": "reference",
    }
    return {title: srzoo.load(name).upscale(pair.lr) for title, name in names.items()} | {"HR": pair.hr}


def stages(pair: ImagePair) -> Panels:
    """What is trained for fidelity, for the perceptual loss alone, and through all stages; and a sample of that."""
    made = {
        name: srzoo.load(name).upscale(pair.lr) for name in ("reference-fidelity", "reference-perceptual", "reference")
    }
    return made | {"reference, a sample": sample(srzoo.load("reference"), pair, 0), "HR": pair.hr}


def samples(pair: ImagePair) -> Panels:
    """The mean, two samples, how far samples differ, and HR."""
    model = srzoo.load("reference")
    drawn = [sample(model, pair, index) for index in range(SAMPLES)]
    spread = np.stack(drawn).astype(np.float32).std(axis=0, ddof=1).mean(axis=2)
    shown = {"reference": model.upscale(pair.lr), "a sample": drawn[0], "another": drawn[1]}
    return shown | {"standard deviation": spread, "HR": pair.hr}


def sample(model: Model, pair: ImagePair, index: int) -> Any:
    """A sample of that number at temperature 1."""
    return model.upscale(pair.lr, temperature=1.0, sample=index)


SHOWN: Mapping[str, tuple[Callable[[ImagePair], Panels], tuple[str, ...]]] = {
    "result": (result, ("astronaut",)),
    "stages": (stages, tuple(PATCHES)),
    "samples": (samples, tuple(PATCHES)),
}
"""What makes a row of each picture, and of which photos."""


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--show", type=click.Choice(tuple(SHOWN)), default="result", show_default=True)
def main(output: Path, show: str) -> None:
    """Write the picture to OUTPUT."""
    make, names = SHOWN[show]
    photos = [pair for pair in sample_pairs(4) if pair.name in names]
    rows = [make(pair) for pair in photos]
    size = (2.2 * len(rows[0]), 2.2 * len(rows) + 0.25)
    figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout="constrained")
    for row, pair, images in zip(axes, photos, rows, strict=True):
        top, left = PATCHES[pair.name]
        for axis, (title, pixels) in zip(row, images.items(), strict=True):
            cut = pixels[top : top + SIDE, left : left + SIDE]
            axis.imshow(cut, interpolation="nearest", vmin=0, vmax=BRIGHTEST, cmap="magma")
            axis.set_title(title, fontsize=10)
            axis.axis("off")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    main()
