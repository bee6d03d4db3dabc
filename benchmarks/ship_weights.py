"""From finished runs to the weights in the wheel: half precision, scores measured as stored, licence note.

Beside its own scores, a model that went through a second stage carries those of its first, in full precision.

    python benchmarks/ship_weights.py --runs runs --data photos
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from train_zoo import RECIPES, finished

from srzoo.checkpoint import load_model, read_header, save_model
from srzoo.data.pairs import ImagePair, pairs_from_folder, sample_pairs
from srzoo.scoring import evaluate
from srzoo.train.losses import Perceptual

LICENCE = (
    "Weights: CC BY-NC 4.0, research use. Trained on photos from DIV2K (test set's LR images, academic research only), "
    "T91, BSDS500 (Berkeley, non-commercial research) and a set of public wallpapers; the perceptual stages also saw "
    "features of a SqueezeNet trained on ImageNet. The code's licence does not extend to them."
)
TRAINING_PARTS = ("reference",)
"""Shipped with its posterior, so that what the latent carries can be tested and training can go on."""


def stages(runs: Path) -> dict[str, Path]:
    """Name in the zoo of each finished run's model file."""
    found = {"reference-fidelity": runs / "reference" / "fidelity.safetensors"}
    for name in RECIPES:
        found["seed" if name == "seed-narrow" else name] = finished(name, runs)
    return {name: path for name, path in found.items() if path.is_file()}


def scores(path: Path, sets: dict[str, list[ImagePair]]) -> dict[str, Any]:
    """Mean scores of a model file on each set; the feature distance is by the network that the loss uses."""
    model = load_model(path)
    perceptual = Perceptual()
    measured = {}
    for name, pairs in sets.items():
        result = evaluate(model, pairs)
        means = {metric: value for metric, value in result.mean.items() if metric != "seconds"}
        distances = [
            float(perceptual(_tensor(model.upscale(pair.lr)), _tensor(pair.hr), _tensor(pair.lr)))
            for pair in pairs
            if pair.hr.ndim == 3
        ]
        means["feature_distance"] = sum(distances) / len(distances)
        measured[name] = {**means, "protocol": result.protocol.hash, "data": result.data["fingerprint"]}
    return measured


def _tensor(pixels: np.ndarray) -> torch.Tensor:  # type: ignore[type-arg]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


@click.command()
@click.option("--runs", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("runs"))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("srzoo/weights"))
@click.argument("names", nargs=-1)
def main(runs: Path, data: Path, output: Path, names: tuple[str, ...]) -> None:
    """Write NAMES, or every finished run, as shipped weights."""
    output.mkdir(parents=True, exist_ok=True)
    sets = {
        "sample": sample_pairs(4),
        "validation": pairs_from_folder(data / "val" / "DIV2Kvalid_256crop", 4),
        "Set5": pairs_from_folder(data / "test" / "Set5" / "X4", 4),
        "Set14": pairs_from_folder(data / "test" / "Set14" / "X4", 4),
    }
    for name, path in stages(runs).items():
        if names and name not in names:
            continue
        target = output / f"{name}.safetensors"
        extra = {"training": read_header(path)["training"], "licence": LICENCE}
        fidelity = path.parent / "fidelity.safetensors"
        if path != fidelity and fidelity.is_file():
            extra["fidelity_scores"] = scores(fidelity, sets)
        parts = name in TRAINING_PARTS
        save_model(load_model(path), target, half=True, training_parts=parts, extra=extra)
        measured = scores(target, sets)
        save_model(load_model(target), target, half=True, training_parts=parts, extra={**extra, "scores": measured})
        shown = ", ".join(f"{key} {value['psnr_y']:.3f}/{value['ssim_y']:.4f}" for key, value in measured.items())
        click.echo(f"{target} ({target.stat().st_size / 1e6:.2f} MB): {shown}")


if __name__ == "__main__":
    main()
