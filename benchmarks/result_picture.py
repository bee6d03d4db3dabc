"""The README's picture: LR, bicubic, the fidelity stage, the reference and HR of one embedded photo.

python benchmarks/result_picture.py docs/images/result.png
"""

from __future__ import annotations

from pathlib import Path

import click
import matplotlib.pyplot as plt

import srzoo
from srzoo.data.pairs import sample_pairs

PHOTO, TOP, LEFT, SIDE = "astronaut", 20, 150, 160
"""Which photo, and the square that is shown, in HR pixels."""


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
def main(output: Path) -> None:
    """Write the picture to OUTPUT."""
    pair = next(each for each in sample_pairs(4) if each.name == PHOTO)
    panels = {"LR": srzoo.load("nearest").upscale(pair.lr)}
    panels |= {name: srzoo.load(name).upscale(pair.lr) for name in ("bicubic", "reference-fidelity", "reference")}
    panels["HR"] = pair.hr
    figure, axes = plt.subplots(1, len(panels), figsize=(2.2 * len(panels), 2.45))
    for axis, (name, pixels) in zip(axes, panels.items(), strict=True):
        axis.imshow(pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE], interpolation="nearest")
        axis.set_title(name, fontsize=10)
        axis.axis("off")
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.01, top=0.9, wspace=0.02)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    main()
