"""Does the adversarial stage earn its place? Models side by side on what their losses did not look at.

For each model and set: PSNR, SSIM, LR-PSNR; the feature distance on maps of SqueezeNet that the perceptual loss uses,
and on those that it leaves out; the distance of power spectra; NIQE, which needs no HR. Sampled rows decode at
temperature 1. Rows of `fidelity` are of the file that the recipe of this name leaves, with which the others began.

    python benchmarks/perception_evidence.py --data photos -o benchmarks/results/perception.json
    python benchmarks/perception_evidence.py --data photos --sets validation runs/mine/adversarial.safetensors
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from unseen import SEEN, UNSEEN, Distances

import srzoo
from srzoo.data.pairs import pairs_from_folder
from srzoo.features import SqueezeFeatures
from srzoo.files import write_atomically
from srzoo.model import SRModel

SETS = {"validation": "val/DIV2Kvalid_256crop", "Set14": "test/Set14/X4", "BSD100": "test/BSD100/X4"}
METRICS = ("psnr_y", "ssim_y", "lr_psnr", "spectrum", "niqe")
SHIPPED = ("reference-fidelity", "reference-perceptual", "reference", "large-fidelity", "large")


def judged(name: str, temperature: float, pairs: list[Any]) -> dict[str, float]:
    """Means over a set; gray images, which have no colours for SqueezeNet, count for the other metrics alone."""
    model = srzoo.load(name)
    assert isinstance(model, SRModel)
    scores = srzoo.evaluate(model, pairs, metrics=METRICS, temperature=temperature).mean
    distances = Distances(tuple(SqueezeFeatures.TAPS))
    rows = [
        distances.means(model.upscale(pair.lr, temperature=temperature), pair.hr) for pair in pairs if pair.hr.ndim == 3
    ]
    means = {tap: float(np.mean([row[tap] for row in rows])) for tap in distances.taps}
    return {
        **{metric: float(scores[metric]) for metric in METRICS},
        "features_used": float(np.mean([means[tap] for tap in SEEN])),
        "features_unused": float(np.mean([means[tap] for tap in UNSEEN])),
        **means,
    }


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--sets", default=",".join(SETS), show_default=True)
@click.option("--most", type=click.IntRange(1), help="Images of each set.  [default: all]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("models", nargs=-1)
def main(data: Path, sets: str, most: int | None, output: Path | None, models: tuple[str, ...]) -> None:
    """Judge MODELS, or those that ship."""
    found = []
    for name in sets.split(","):
        pairs = list(pairs_from_folder(data / SETS[name], 4))[:most]
        for model in models or SHIPPED:
            for temperature in (0.0, 1.0):
                row = {"set": name, "model": Path(model).stem, "temperature": temperature}
                row |= judged(model, temperature, pairs)
                found.append(row)
                shown = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float))
                click.echo(f"{name}  {model}  {shown}", err=True)
    if output is not None:
        write_atomically(output, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
