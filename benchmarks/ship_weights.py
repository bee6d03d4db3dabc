"""From finished runs to the weights in the wheel: half precision, scores measured as stored, licence note.

python benchmarks/ship_weights.py --runs runs --data photos
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from train_zoo import ZOO, finished

from srzoo.checkpoint import load_model, read_header, save_model
from srzoo.data.pairs import ImagePair, pairs_from_folder, sample_pairs
from srzoo.scoring import evaluate

LICENCE = (
    "Weights: CC BY-NC 4.0, research use. Trained on photos from DIV2K (test set's LR images, academic research only), "
    "T91, BSDS500 (Berkeley, non-commercial research) and a set of public wallpapers; the perceptual stages also saw "
    "features of a SqueezeNet trained on ImageNet. The code's licence does not extend to them."
)
TRAINING_PARTS = ("reference", "large", "compact")
"""Shipped with its posterior, so that what the latent carries can be tested and training can go on."""


def test_sets(data: Path, scale: int) -> dict[str, list[ImagePair]]:
    """What models of a scale are scored on; sets that are not there at that scale are left out."""
    found = {
        "sample": sample_pairs(scale),
        "validation": pairs_from_folder(data / "val" / "DIV2Kvalid_256crop", scale),
    }
    for name in ("Set5", "Set14", "BSD100"):
        folder = data / "test" / name / f"X{scale}"
        if folder.is_dir():
            found[name] = pairs_from_folder(folder, scale)
    return {name: list(pairs) for name, pairs in found.items()}


def scores(path: Path, sets: dict[str, list[ImagePair]]) -> dict[str, Any]:
    """Mean scores of a model file on each set."""
    model = load_model(path)
    measured = {}
    for name, pairs in sets.items():
        result = evaluate(model, pairs)
        means = {metric: value for metric, value in result.mean.items() if metric != "seconds"}
        measured[name] = {**means, "protocol": result.protocol.hash, "data": result.data["fingerprint"]}
    return measured


@click.command()
@click.option("--runs", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("runs"))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("srzoo/weights"))
@click.argument("names", nargs=-1)
def main(runs: Path, data: Path, output: Path, names: tuple[str, ...]) -> None:
    """Write NAMES, or every finished run, as shipped weights."""
    output.mkdir(parents=True, exist_ok=True)
    for name, shipped in ZOO.items():
        path = finished(shipped, runs)
        if (names and name not in names) or not path.is_file():
            continue
        target = output / f"{name}.safetensors"
        extra: dict[str, Any] = {"training": read_header(path)["training"], "licence": LICENCE}
        sets = test_sets(data, load_model(path).scale)
        parts = name in TRAINING_PARTS
        save_model(load_model(path), target, half=True, training_parts=parts, extra=extra)
        measured = scores(target, sets)
        save_model(load_model(target), target, half=True, training_parts=parts, extra={**extra, "scores": measured})
        shown = ", ".join(f"{key} {value['psnr_y']:.3f}/{value['ssim_y']:.4f}" for key, value in measured.items())
        click.echo(f"{target} ({target.stat().st_size / 1e6:.2f} MB): {shown}")


if __name__ == "__main__":
    main()
