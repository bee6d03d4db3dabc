"""Does the adversarial stage earn its place? Models side by side on what their losses did not look at.

For each model and set: PSNR, SSIM, LR-PSNR; the feature distance on maps of SqueezeNet that the perceptual loss uses,
on those that it leaves out, and on maps of EfficientNet-Lite0, which no training looked at; the distance of power
spectra; NIQE, which needs no HR. Rows of `fidelity` are of the file that the recipe of this name leaves, with which
the others began.

    python benchmarks/perception_evidence.py --data photos -o benchmarks/results/perception.json
    python benchmarks/perception_evidence.py --data photos --sets validation runs/mine/adversarial.safetensors
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from unseen import SEEN, UNSEEN, Distances, by_efficientnet, by_squeezenet

import srzoo
from srzoo.data.pairs import pairs_from_folder
from srzoo.features import SqueezeFeatures
from srzoo.files import write_atomically
from srzoo.model import SRModel

SETS = {"validation": "val/DIV2Kvalid_256crop", "Set14": "test/Set14/X4", "BSD100": "test/BSD100/X4"}
MOST = {"BSD100": 30}
"""Images of a set that are judged unless told otherwise, where not all are; the first ones."""
METRICS = ("psnr_y", "ssim_y", "lr_psnr", "spectrum", "niqe")
SHIPPED = ("reference-fidelity", "reference-perceptual", "reference", "large-fidelity", "large")
SAMPLED = ("reference", "large")
"""Those whose samples are judged as well, at temperature 1."""


def judged(name: str, temperature: float, pairs: list[Any], judges: tuple[Distances, ...]) -> dict[str, float]:
    """Means over a set; gray images, which have no colours for the judges, count for the other metrics alone."""
    model = srzoo.load(name)
    assert isinstance(model, SRModel)
    scores = srzoo.evaluate(model, pairs, metrics=METRICS, temperature=temperature).mean
    rows = []
    for pair in pairs:
        if pair.hr.ndim == 3:
            sr = model.upscale(pair.lr, temperature=temperature)
            rows.append({tap: mean for judge in judges for tap, mean in judge.means(sr, pair.hr).items()})
    means = {tap: float(np.mean([row[tap] for row in rows])) for tap in rows[0]}
    return {
        **{metric: float(scores[metric]) for metric in METRICS},
        "features_used": float(np.mean([means[tap] for tap in SEEN])),
        "features_unused": float(np.mean([means[tap] for tap in UNSEEN])),
        "features_other": float(np.mean([means[tap] for tap in judges[1].taps])),
        **means,
    }


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--sets", default=",".join(SETS), show_default=True)
@click.option("--most", type=click.IntRange(1), help="Images of each set.  [default: all; of BSD100 30]")
@click.option(
    "--efficientnet",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its weights, as timm has them.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("models", nargs=-1)
def main(
    data: Path, sets: str, most: int | None, efficientnet: Path | None, output: Path | None, models: tuple[str, ...]
) -> None:
    """Judge MODELS, or those that ship."""
    found = []
    judges = (by_squeezenet(tuple(SqueezeFeatures.TAPS)), by_efficientnet(efficientnet))
    for name in sets.split(","):
        pairs = list(pairs_from_folder(data / SETS[name], 4))[: most or MOST.get(name)]
        for model in models or SHIPPED:
            for temperature in (0.0, 1.0) if model in SAMPLED else (0.0,):
                row = {"set": name, "model": Path(model).stem, "temperature": temperature}
                row |= judged(model, temperature, pairs, judges)
                found.append(row)
                shown = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float))
                click.echo(f"{name}  {model}  {shown}", err=True)
    if output is not None:
        write_atomically(output, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
