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
from unseen import (
    SAMPLED,
    SEEN,
    SHIPPED,
    UNSEEN,
    Distances,
    by_efficientnet,
    by_squeezenet,
    evidence_options,
    judged_pairs,
)

import srzoo
from srzoo.features import SqueezeFeatures
from srzoo.files import write_atomically
from srzoo.model import SRModel

METRICS = ("psnr_y", "ssim_y", "lr_psnr", "spectrum", "niqe")


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
@evidence_options
def main(
    data: Path, sets: str, most: int | None, efficientnet: Path | None, output: Path | None, models: tuple[str, ...]
) -> None:
    """Judge MODELS, or those that ship."""
    found = []
    judges = (by_squeezenet(tuple(SqueezeFeatures.TAPS)), by_efficientnet(efficientnet))
    for name in sets.split(","):
        pairs = judged_pairs(data, name, most)
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
