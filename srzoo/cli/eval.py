"""``srzoo eval``: one model's scores, image by image."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import click

from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.cli.progress import progress_bar

_COLUMNS = ("psnr_y", "ssim_y", "lr_psnr", "seconds")


@click.command("eval")
@click.argument("model")
@click.option("--data", metavar="DIR", help="Folder of HR images, or of HR/ and LR/.  [default: five embedded photos]")
@click.option("--scale", type=click.IntRange(1, 16), help="Enlargement factor.  [default: the model's own]")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, show_default=True,
              help="Standard deviation of the latent's noise; 0 takes its mean.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of that noise.")
@click.option("--csv", "table", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the scores of each image as CSV, too.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="Where to compute: auto, cpu, cuda, cuda:1, mps.")
@json_option
def evaluate(
    model: str,
    data: str | None,
    scale: int | None,
    temperature: float,
    seed: int,
    table: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure a model on a data set under a fixed protocol.

    MODEL is a shipped model, a model file (*.safetensors) or an upscaler such as bicubic. For each image: PSNR and SSIM
    on luma, as the papers report them (psnr_y in dB, ssim_y), and the PSNR of the shrunk result against the LR image
    (lr_psnr: does it still agree with what was given?). Where the folder holds no LR/, LR is made by MATLAB's bicubic.

    \b
    Examples:
      srzoo eval bicubic
      srzoo eval reference --data Set5/HR
      srzoo eval model.safetensors --data Set5 --csv scores.csv
      srzoo eval reference --temperature 0.8 --seed 1 --json
    """
    from srzoo import api, zoo

    with progress_bar() as tell:
        loaded = zoo.load(model, scale, device)
        result = api.evaluate(loaded, data, temperature=temperature, seed=seed, progress=tell)
    if not loaded.trained:
        warn(f"{model} is untrained: its scores say nothing about its design")
    if table is not None:
        _write_csv(table, result.images)
    settings = {"temperature": temperature, "seed": seed}
    if as_json:
        print_json({"model": model, "trained": loaded.trained, "settings": settings, **result.to_dict()})
        return
    rows = [_row(image["name"], image) for image in result.images]
    print_table(("image", *_COLUMNS), [*rows, _row("mean", result.mean)], f"{model}, x{loaded.scale}")
    click.echo(f"\ndata {result.data['fingerprint']}, {result.data['images']} images, temperature {temperature:g}")
    click.echo(f"protocol {result.protocol.describe()}")


def _row(name: str, scores: dict[str, Any]) -> list[Any]:
    digits = {"psnr_y": 3, "ssim_y": 4, "lr_psnr": 3, "seconds": 3}
    return [name, *(round(scores[column], digits[column]) for column in _COLUMNS)]


def _write_csv(file: Path, images: tuple[dict[str, Any], ...]) -> None:
    from srzoo.checkpoint import write_atomically

    stream = StringIO()
    writer = csv.DictWriter(stream, ("name", *_COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(images)
    write_atomically(file, stream.getvalue().encode())
