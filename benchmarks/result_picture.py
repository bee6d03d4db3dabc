"""Pictures of what models make of the embedded photos: the README's, and that of the stages.

python benchmarks/result_picture.py docs/images/result.png
python benchmarks/result_picture.py docs/images/stages.png --stages
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import matplotlib.pyplot as plt

import srzoo
from srzoo.data.pairs import ImagePair, sample_pairs

PATCHES = {"astronaut": (20, 150), "chelsea": (60, 130), "motorcycle_left": (150, 330)}
"""Photos, and top and left of the square that is shown, in HR pixels."""

SIDE = 160


def panels(pair: ImagePair, stages: bool) -> dict[str, Any]:
    """Images by title, from LR or the fidelity stage to HR."""
    names = ("reference-fidelity", "reference-perceptual", "reference")
    models = {name: srzoo.load(name) for name in (names if stages else ("nearest", "bicubic", names[0], names[2]))}
    made = {"LR" if name == "nearest" else name: model.upscale(pair.lr) for name, model in models.items()}
    if stages:
        made["reference, a sample"] = models["reference"].upscale(pair.lr, temperature=1.0)  # type: ignore[call-arg]
    return made | {"HR": pair.hr}


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--stages", is_flag=True, help="The three models of one fidelity stage on three photos.")
def main(output: Path, stages: bool) -> None:
    """Write the picture to OUTPUT."""
    photos = [pair for pair in sample_pairs(4) if pair.name in (PATCHES if stages else ("astronaut",))]
    rows = [panels(pair, stages) for pair in photos]
    size = (2.2 * len(rows[0]), 2.2 * len(rows) + 0.25)
    figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout="constrained")
    for row, pair, images in zip(axes, photos, rows, strict=True):
        top, left = PATCHES[pair.name]
        for axis, (name, pixels) in zip(row, images.items(), strict=True):
            axis.imshow(pixels[top : top + SIDE, left : left + SIDE], interpolation="nearest")
            axis.set_title(name, fontsize=10)
            axis.axis("off")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    main()
