"""``srzoo eval``: the scores of one model, or of finished images, image by image."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srzoo.cli.options import Amount, Named, NamedPath, data_option, device_option, scale_option, seed_option
from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.cli.progress import progress_bar
from srzoo.errors import UsageError
from srzoo.files import check_target, write_atomically

if TYPE_CHECKING:
    from srzoo.scale import Scale
    from srzoo.scoring import Evaluation, Explanation


@click.command("eval")
@click.argument("model", type=Named(), required=False, metavar="MODEL")
@data_option
@scale_option("Enlargement factor, such as 4, or 2.5 with a model for any scale.  [default: the model's own]")
@click.option("--protocol", default="classic", show_default=True, metavar="NAME[,RULE=VALUE...]",
              help="Rules of measurement; see docs/protocols.md.")  # fmt: skip
@click.option("--metrics", metavar="NAME,NAME...",
              help="What to measure.  [default: the protocol's PSNR and SSIM, and lr_psnr]")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Samples to draw of each image, for metrics that compare them.")  # fmt: skip
@click.option("--temperature", type=Amount(0), default=0.0, show_default=True,
              help="Standard deviation of the latent's noise; 0 takes its mean.")  # fmt: skip
@seed_option("Seed of that noise.")
@click.option("--explain-protocol", is_flag=True,
              help="Score the same images under every protocol and every usual slip, side by side.")  # fmt: skip
@click.option("--csv", "table", type=NamedPath(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the scores of each image as CSV, too.")  # fmt: skip
@device_option
@click.option("--list-metrics", is_flag=True, help="Print the metrics there are, and end.")
@json_option
def evaluate(
    model: str | None,
    data: str | None,
    scale: Scale | None,
    protocol: str,
    metrics: str | None,
    samples: int,
    temperature: float,
    seed: int,
    explain_protocol: bool,
    table: Path | None,
    device: str,
    list_metrics: bool,
    as_json: bool,
) -> None:
    """Measure a model, or finished images, on a data set under a fixed protocol.

    MODEL is a shipped model, a model file (*.safetensors), an upscaler such as bicubic, or a folder of images that
    any program has enlarged; those are matched with HR by name, baby_x4_SwinIR.png with baby.png. A + behind a
    model is its self-ensemble, as in the papers: the mean over the image turned and mirrored in eight ways. For
    each image: PSNR and SSIM on luma, as the papers report them (psnr_y in dB, ssim_y), and the PSNR of the shrunk
    result against the LR image (lr_psnr: does it still agree with what was given?). Where the folder holds no LR/,
    and at scales that are not whole, LR is made by MATLAB's bicubic. A folder without --data is scored by metrics
    that need no HR.

    Another tool's number differs? --explain-protocol shows what each of its rules costs on the same images.

    \b
    Examples:
      srzoo eval bicubic
      srzoo eval reference --data set5
      srzoo eval reference-fidelity+ --data set5
      srzoo eval model.safetensors --data photos --csv scores.csv
      srzoo eval reference --temperature 0.8 --seed 1 --json
      srzoo eval results/SwinIR --data set5 --scale 4
      srzoo eval bicubic --data set5 --protocol classic,border=0
      srzoo eval bicubic --data set5 --explain-protocol
      srzoo eval reference --metrics psnr_y,best_of_n,calibration --samples 10 --temperature 0.8
      srzoo eval results/SwinIR --metrics niqe
    """
    if list_metrics:
        _list_metrics(as_json)
        return
    if model is None:
        raise click.MissingParameter(param_hint="'MODEL'", param_type="argument")
    from srzoo import api, zoo

    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    if explain_protocol and (names is not None or samples > 1 or table is not None):
        raise UsageError("--explain-protocol prints one table: leave out --metrics, --samples and --csv")
    if table is not None:
        check_target(table)
    used: Any = model
    about: dict[str, Any] = {"model": model, "trained": None, "settings": {}}
    if api.finished_folder(model) is None:
        used = zoo.load(model, scale, device)
        about["trained"] = used.trained
        about["settings"] = {"temperature": temperature, "seed": seed, **({"samples": samples} if samples > 1 else {})}
        if (temperature or samples > 1) and not used.draws_samples:
            warn(f"{model} draws no samples: --temperature and --samples change nothing")
        if not used.trained:
            warn(f"{model} is untrained: its scores say nothing about its design")
    elif temperature or seed or samples > 1:
        raise UsageError(f"{model} holds finished images: leave out --temperature, --seed and --samples")
    rules: dict[str, Any] = {"scale": scale, "protocol": protocol, "temperature": temperature, "seed": seed}
    if explain_protocol:
        with progress_bar() as tell:
            explanation = api.explain_protocol(used, data, device=device, progress=tell, **rules)
        _show_explanation(about, explanation, as_json)
        return
    with progress_bar() as tell:
        result = api.evaluate(used, data, metrics=names, samples=samples, device=device, progress=tell, **rules)
    for note in result.notes:
        warn(note)
    try:
        if as_json:
            print_json({**about, **result.to_dict()})
        else:
            _show_scores(about, result)
    finally:  # also where whoever reads the output has had enough
        if table is not None:
            _write_csv(table, result.images)


def _list_metrics(as_json: bool) -> None:
    from srzoo.metrics.catalogue import METRICS
    from srzoo.scoring.plan import OWN_METRICS

    rows = [(name, each.unit, "higher", "image", each.summary) for name, each in OWN_METRICS.items()]
    rows += [
        (name, each.unit, "higher" if each.higher_is_better else "lower", each.level, each.summary)
        for name, each in METRICS.items()
    ]
    columns = ("metric", "unit", "better", "of", "what")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


def _show_scores(about: Mapping[str, Any], result: Evaluation) -> None:
    columns = [name for name in result.images[0] if name != "name"]
    rows = [_row(image["name"], columns, image) for image in result.images]
    rows.append(_row("mean", columns, result.mean))
    scale, settings = result.data["scale"], about["settings"]
    print_table(("image", *columns), rows, f"{about['model']}, x{scale}" if scale else about["model"])
    for name, value in result.set.items():
        click.echo(f"{name} of the set: {_rounded(name, value)}")
    drawn = f", temperature {settings['temperature']:g}" if settings else ""
    sources = {"given": ", LR as stored beside HR", "made": ", LR made of HR"}
    lr = sources.get(result.data.get("lr", ""), f", LR {result.data['lr']}" if "lr" in result.data else "")
    click.echo(f"\ndata {result.data['fingerprint']}, {result.data['images']} images{lr}{drawn}")
    if result.protocol is not None:
        click.echo(f"protocol {result.protocol.describe()}")


def _row(name: str, columns: Sequence[str], scores: Mapping[str, Any]) -> list[Any]:
    return [name, *(_rounded(column, scores[column]) for column in columns)]


def _rounded(name: str, value: float) -> float:
    return round(value, 3 if "psnr" in name or name == "seconds" else 4)


def _write_csv(file: Path, images: tuple[dict[str, Any], ...]) -> None:
    stream = StringIO()
    writer = csv.DictWriter(stream, list(images[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(images)
    write_atomically(file, stream.getvalue().encode(errors="surrogateescape"))


def _show_explanation(about: Mapping[str, Any], explanation: Explanation, as_json: bool) -> None:
    if as_json:
        print_json({**about, **explanation.to_dict()})
        return
    base, *others = explanation.rows
    rows: list[list[Any]] = [[f"protocol {base.protocol.name}", round(base.psnr, 3), round(base.ssim, 4), None, None]]
    for row in others:
        psnr_difference, ssim_difference = explanation.differences(row)
        name = f"protocol {row.protocol.name}" if row.kind == "protocol" else row.change
        differences = [_signed(psnr_difference, 3), _signed(ssim_difference, 4)]
        rows.append([name, round(row.psnr, 3), round(row.ssim, 4), *differences])
    scale, images = explanation.data["scale"], explanation.data["images"]
    print_table(
        ("change", "PSNR", "SSIM", "PSNR differs", "SSIM differs"), rows, f"{about['model']}, x{scale}, {images} images"
    )
    click.echo(f"\nprotocol {base.protocol.describe()}")
    for row in others:
        if row.kind == "protocol":
            click.echo(f"protocol {row.protocol.name}: {row.change}")
    for reason in explanation.left_out:
        click.echo(f"left out: {reason}")


def _signed(difference: float | None, digits: int) -> str:
    return "" if difference is None else f"{difference:+.{digits}f}"
