"""``srzoo upscale``: image files, enlarged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srzoo.cli.options import Amount, Named, NamedPath, device_option, scale_option, seed_option
from srzoo.cli.output import warn
from srzoo.cli.progress import Tell, progress_bar
from srzoo.errors import ImageError, SrzooError, UsageError
from srzoo.messages import one_line

if TYPE_CHECKING:
    from srzoo.images import Image
    from srzoo.model import Model
    from srzoo.scale import Scale

NO_ALPHA = (".jpg", ".jpeg", ".bmp")
"""Suffixes of formats without transparency."""


@click.command()
@click.argument("source", metavar="IN", type=NamedPath(path_type=Path))
@click.argument("target", metavar="OUT", type=NamedPath(path_type=Path))
@click.option("--model", type=Named(), metavar="MODEL",
              help="A model of `srzoo list models`, a model file or an upscaler such as bicubic; with a + behind it, "
                   "the mean over the image turned and mirrored in eight ways (self-ensemble).  "
                   "[default: reference, or reference-x2 or -x3 for that scale]",
              )  # fmt: skip
@scale_option("Enlargement factor, such as 4, or 2.5 with a model for any scale.  [default: the model's own]")
@click.option("--temperature", type=Amount(0), default=0.0, show_default=True,
              help="Standard deviation of the latent's noise, by which samples differ; 0 takes its mean.")  # fmt: skip
@seed_option("Seed of that noise.")
@click.option("--tile", type=click.IntRange(0), default=512, show_default=True, metavar="N",
              help="Largest side, in input pixels, that is enlarged at once; 0 for no tiles.")  # fmt: skip
@device_option
@click.option("--compare", type=NamedPath(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write nearest, bicubic and the result side by side, for looking at; for one image.")  # fmt: skip
def upscale(
    source: Path,
    target: Path,
    model: str | None,
    scale: Scale | None,
    temperature: float,
    seed: int,
    tile: int,
    device: str,
    compare: Path | None,
) -> None:
    """Enlarge an image, or every image in a folder.

    IN is an image file and OUT the file to write, over one that is there, its suffix choosing the format; or both
    are folders, where OUT is made if need be, a file that cannot be enlarged does not stop the others, and images
    of formats that are not written, such as GIF, are named. Transparency, colour profile and the 16 bits of PNG
    files are kept; of several frames or pages the first is taken. Large images are enlarged in tiles, which needs
    less memory the smaller they are. Sizes are rounded down.

    \b
    Examples:
      srzoo upscale photo.png large.png
      srzoo upscale photo.png large.png --scale 2
      srzoo upscale photo.png faithful.png --model reference-fidelity
      srzoo upscale photo.png slower-and-better.png --model large-fidelity+
      srzoo upscale photo.png large.png --temperature 0.8 --seed 3 --compare compare.png
      srzoo upscale photos enlarged --model bicubic --scale 2
      srzoo upscale photo.png large.png --model any-scale.safetensors --scale 2.5
      srzoo upscale scan.png large.png --tile 128
    """
    jobs = _jobs(source, target)
    if compare is not None:
        if source.is_dir() or compare.resolve() in (source.resolve(), jobs[0][1].resolve()):
            raise UsageError(f"--compare {compare}: it is for one image, and needs a file of its own")
        _check_writable(compare)
    from srzoo import zoo

    model = model or zoo.reference(scale)
    loaded = zoo.load(model, scale, device)
    if temperature and not loaded.draws_samples:
        warn(f"{model} draws no samples: --temperature changes nothing")
    if source.is_dir():
        _make(target)
    work = _Work(loaded, temperature, seed, tile)
    if not loaded.trained:
        warn(f"{model} is untrained: what it draws means nothing; train it first, or use --model bicubic")
    failed = []
    with progress_bar() as tell:
        for index, (file, out) in enumerate(jobs):
            try:
                image, result = work.enlarge(file, out, _part(tell, index, len(jobs), file))
                if compare is not None:
                    _write_comparison(compare, image, result, loaded.scale, model)
            except Exception as error:  # whatever is wrong with one file, the others of a folder are enlarged
                if not source.is_dir():
                    raise
                failed.append(file.name)
                warn(str(error) if isinstance(error, SrzooError) else f"{file}: {one_line(error)}")
    enlarged = f"by {model}, x{loaded.scale}"
    if not source.is_dir():
        height, width = result.pixels.shape[:2]
        click.echo(f"wrote {jobs[0][1]}: {width}x{height}, {enlarged}")
    elif len(failed) < len(jobs):
        click.echo(f"wrote {len(jobs) - len(failed)} of {len(jobs)} images to {target}, {enlarged}")
    if failed:
        rest = f"; the others are in {target}" if len(failed) < len(jobs) else ""
        raise ImageError(f"{len(failed)} of {len(jobs)} images failed: {', '.join(failed)}{rest}")


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """What to read and where to write it."""
    from srzoo.images import SUFFIXES, list_images, unlisted_images

    if source.is_dir():
        if target.exists() and (not target.is_dir() or target.samefile(source)):
            raise UsageError(f"{target} cannot take the images of {source}: name another folder")
        if not target.exists() and target.suffix.lower() in SUFFIXES:
            raise UsageError(f"{source} is a folder, and {target} the name of an image: name a folder to make")
        files = list_images(source)
        if left := [file.name for file in unlisted_images(source)]:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            warn(f"left out, since only {', '.join(SUFFIXES)} are written: {', '.join(left[:3])}{more}")
        return [(file, target / file.name) for file in files]
    out = target / source.name if target.is_dir() else target
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageError(f"{out} is the input itself, which is never overwritten: name another file")
    _check_writable(out)
    return [(source, out)]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None


def _check_writable(file: Path) -> None:
    from srzoo.files import check_target
    from srzoo.images import SUFFIXES

    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot write {file}: name a file that ends in {', '.join(SUFFIXES)}")
    check_target(file)


def _part(tell: Tell, index: int, count: int, file: Path) -> Tell:
    """Progress over the tiles of one of several files."""

    def tell_tiles(done: int, tiles: int, what: str) -> None:
        tell(index * tiles + done, count * tiles, file.name)

    tell_tiles(0, 1, "")
    return tell_tiles


@dataclass(frozen=True)
class _Work:
    """What is done to every image."""

    model: Model
    temperature: float
    seed: int
    tile: int

    def enlarge(self, source: Path, out: Path, tell: Tell) -> tuple[Image, Image]:
        """Enlarge one file; hand back what was read and what was written."""
        from srzoo.images import largest_side, read_image, write_image
        from srzoo.pixels import with_colours_spread
        from srzoo.resize import imresize
        from srzoo.scale import scaled
        from srzoo.seams import is_out_of_memory

        image = read_image(source)
        most, side = largest_side(out), scaled(max(image.pixels.shape[:2]), self.model.scale)
        if most is not None and side > most:
            raise ImageError(f"{out} would have {side} pixels per side, and {out.suffix} holds {most}: write a .png")
        if image.alpha is not None and out.suffix.lower() in NO_ALPHA:
            if not image.opaque:
                raise ImageError(f"{source} has transparency, which {out.suffix} cannot hold: write a .png")
            image = replace(image, alpha=None)
        seen = image.pixels if image.alpha is None else with_colours_spread(image.pixels, image.alpha)
        try:
            pixels = self.model.upscale(
                seen,
                temperature=self.temperature,
                seed=self.seed,
                tile=self.tile,
                progress=lambda done, tiles: tell(done, tiles, ""),
            )
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            side = max(image.pixels.shape[:2])
            smaller = max(16, min(self.tile or side, side) // 2)
            raise ImageError(f"not enough memory to enlarge {source}: give smaller tiles, --tile {smaller}") from None
        alpha = None
        if image.alpha is not None:
            height, width = pixels.shape[:2]
            alpha = imresize(image.alpha, scale=self.model.scale)[:height, :width].astype(image.alpha.dtype)
        result = replace(image, pixels=pixels, alpha=alpha)
        write_image(out, result)
        return image, result


def _write_comparison(file: Path, image: Image, result: Image, scale: Scale, name: str) -> None:
    """Nearest neighbours, bicubic and the result in one row under their names; transparency is left out."""
    import numpy as np
    from PIL import Image as pillow
    from PIL import ImageDraw

    from srzoo.images import write_image
    from srzoo.zoo import load

    small = image.pixels
    shown = [load("nearest", scale).upscale(small), load("bicubic", scale).upscale(small), result.pixels]
    panels = [pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8) for pixels in shown]
    height, width = panels[0].shape[:2]
    caption, gap = 16, 4
    sheet = pillow.new("RGB", (3 * width + 2 * gap, height + caption), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (panel, text) in enumerate(zip(panels, ("nearest", "bicubic", name), strict=True)):
        left = index * (width + gap)
        sheet.paste(pillow.fromarray(panel).convert("RGB"), (left, caption))
        draw.text((left + 2, 2), text, fill="black")
    profile = image.icc_profile if small.ndim == 3 else None  # a profile for gray does not fit the sheet's colours
    write_image(file, replace(image, pixels=np.asarray(sheet), alpha=None, icc_profile=profile, exif=None, depth=8))
