"""``srzoo data``: data sets looked at, and made ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srzoo.cli.options import Named, NamedPath
from srzoo.cli.output import json_option, print_fields, print_json, warn
from srzoo.cli.progress import progress_bar
from srzoo.errors import DataError

if TYPE_CHECKING:
    from srzoo.data.verify import Report

_MOST = 20
"""Lines of one sort that are printed; --json has all."""


@click.group()
def data() -> None:
    """Check data sets, and make them ready.

    A data set is written NAME[,OPTION=VALUE...], with a name from `srzoo list datasets` and the options that
    `srzoo show dataset NAME` lists; its option root says where it lies, else it is looked for in SRZOO_DATA. Or it is
    the path of a folder, or of a pack. The --data of eval and bench takes the same.

    \b
    Examples:
      srzoo data verify set5
      srzoo data verify ./photos --against set5 --against set14
      srzoo data prepare div2k,root=/mnt/DIV2K -o div2k.safetensors --pack
    """


@data.command(short_help="Say which copy of a data set this is, and what is odd about it.")
@click.argument("dataset", type=Named(), metavar="DATA")
@click.option("--scale", type=click.IntRange(2, 16), default=4, show_default=True,
              help="Enlargement factor that LR is looked for.")  # fmt: skip
@click.option("--against", type=Named(), multiple=True, metavar="DATA",
              help="Another data set, such as one to test on: tell which photos both hold. Repeatable.")  # fmt: skip
@json_option
@click.pass_context
def verify(context: click.Context, dataset: str, scale: int, against: tuple[str, ...], as_json: bool) -> None:
    """Say which copy of a data set this is, and what is odd about it.

    All images are decoded. Printed are the fingerprints of their pixels, whatever their file format, whether they are
    the copy that published numbers were measured on, how LR was made, and warnings: HR cropped by more than the scale,
    LR not antialiased or by another method, HR and LR that do not lie over one another, files with one name, the same
    pixels twice, and photos that --against holds, too, be they cut, resized, brightened or saved as JPEG.

    The exit status is 1 where something cannot be used; warnings leave it 0.

    \b
    Examples:
      srzoo data verify set5
      srzoo data verify set14,root=benchmark/Set14 --scale 2
      srzoo data verify ./photos --against set5 --against set14 --against bsd100
      srzoo data verify div2k,split=valid --json
    """
    from srzoo.data.reference import open_dataset
    from srzoo.data.verify import verify as look

    opened = open_dataset(dataset)
    others = [(text, open_dataset(text)) for text in against]
    with progress_bar() as tell:
        report = look(opened, scale, name=dataset, against=others, tell=tell)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if report.broken:
        context.exit(1)


def _print(report: Report) -> None:
    print_fields(_fields(report))
    for lines, what in ((report.warnings, "warnings"), (report.broken, "things that cannot be used")):
        for line in lines[:_MOST]:
            warn(line)
        if len(lines) > _MOST:
            warn(f"{len(lines) - _MOST} more {what}: see --json")
    found = [f"{len(report.warnings)} odd"] if report.warnings else []
    found += [f"{len(report.broken)} that cannot be used"] if report.broken else []
    click.echo(f"\n{report.images} images can be used; things found: {', '.join(found) or 'nothing odd'}")


def _fields(report: Report) -> dict[str, Any]:
    fields: dict[str, Any] = {"data": report.data, "scale": report.scale, "images": report.images}
    if report.sizes:
        same = report.sizes["different"] == 1
        sizes = f"{report.sizes['smallest']} to {report.sizes['largest']}, {report.sizes['different']} different"
        fields["HR sizes"] = report.sizes["smallest"] if same else sizes
    if report.kinds:
        fields["files of other kinds"] = ", ".join(f"{number} {kind}" for kind, number in report.kinds.items())
    for name, value in report.fingerprints.items():
        title = {"hr": "HR", "lr": "LR", "pairs": "both, as srzoo eval prints it"}[name]
        fields[f"fingerprint of {title}"] = value + (f", {report.usual[name]}" if name in report.usual else "")
    for entry in report.lr:
        exact = "every pixel" if not entry["differing"] else f"{1 - entry['differing']:.1%} of the pixels"
        fields[f"LR of {entry['images']} images"] = f"{entry['method']}: {exact}"
    if report.edges:
        pixels = report.edges["pixels"]
        for method, differing in report.edges.items():
            if method != "pixels":
                fields[f"not {method}"] = f"{differing} of {pixels} LR pixels ({differing / pixels:.2%})"
    elif report.images:
        fields["LR"] = f"none for x{report.scale}: srzoo makes it by MATLAB's bicubic, symmetric edges"
    return fields


@data.command(short_help="Write HR and LR of every photo, whole or in crops, as files or a pack.")
@click.argument("dataset", type=Named(), metavar="DATA")
@click.option("-o", "--output", type=NamedPath(path_type=Path), required=True, metavar="OUT",
              help="Folder to make, or with --pack the file, which ends in .safetensors.")  # fmt: skip
@click.option("--scale", type=click.IntRange(2, 16), default=4, show_default=True, help="Enlargement factor.")
@click.option("--edge", type=click.Choice(["clamp", "symmetric"]),
              help="Make LR by MATLAB's bicubic with this edge rule, even where DATA holds LR.  "
                   "[default: DATA's own LR, else symmetric]")  # fmt: skip
@click.option("--crop", type=click.IntRange(1), metavar="N", help="Cut HR into squares of this side, in pixels.")
@click.option("--stride", type=click.IntRange(1), metavar="N",
              help="Distance of neighbouring squares.  [default: their side]")  # fmt: skip
@click.option("--pack", is_flag=True, help="Write one file of uncompressed images, which training reads crop by crop.")
@json_option
def prepare(
    dataset: str,
    output: Path,
    scale: int,
    edge: Any,
    crop: int | None,
    stride: int | None,
    pack: bool,
    as_json: bool,
) -> None:
    """Write HR, cropped to multiples of the scale, and LR of every photo.

    OUT is a folder with HR/ and LR/ as PNG, or with --pack one file; either is DATA for every other command. It
    appears when all is written, and is never overwritten. Photos smaller than --crop stay whole; squares at the right
    and the bottom end with the photo. LR is made from the whole photo before anything is cut.

    A photo that cannot be used is left out and named at the end, where the exit status is 1.

    \b
    Examples:
      srzoo data prepare ./photos -o pairs
      srzoo data prepare set5,root=Set5 -o set5-clamp --edge clamp
      srzoo data prepare div2k,root=/mnt/DIV2K -o crops --crop 480 --stride 240
      srzoo data prepare div2k,root=/mnt/DIV2K -o div2k-x4.safetensors --pack
    """
    from srzoo.data.prepare import Plan
    from srzoo.data.prepare import prepare as make
    from srzoo.data.reference import open_dataset

    if stride is not None and crop is None:
        raise click.UsageError("--stride needs the --crop that it moves on")
    plan = Plan(scale, edge, crop or 0, stride or 0)
    opened = open_dataset(dataset)
    with progress_bar() as tell:
        made = make(opened, output, plan, source=dataset, packed=pack, tell=tell)
    for line in made.left_out[:_MOST]:
        warn(line)
    if made.rounded:
        warn(f"{made.rounded} photos of 16 bits were rounded to 8")
    if as_json:
        print_json({"output": output, "plan": plan.__dict__, **made.__dict__})
    else:
        click.echo(f"wrote {output}: {made.pieces} image pairs from {made.images} photos, x{scale}, {made.fingerprint}")
    if made.left_out:
        raise DataError(f"{len(made.left_out)} photos could not be used, see above; the others are in {output}")
