"""``srzoo build``: parts to a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srzoo.cli.options import NamedPath, scale_option, seed_option
from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.errors import UsageError
from srzoo.files import check_target
from srzoo.options import parse_assignment

if TYPE_CHECKING:
    from srzoo.scale import Scale


def overrides(
    scale: Scale | None,
    skips: bool | None,
    base: str | None,
    parts: dict[str, str | None],
    assignments: tuple[str, ...],
) -> dict[str, Any]:
    """What the command line changes in a preset, as `srzoo.config.merge` takes it."""
    from srzoo.config import merge

    parts = {**parts, "base": base}
    changes: dict[str, Any] = {kind: {"name": name} for kind, name in parts.items() if name is not None}
    for key, value in (("scale", scale), ("skips", skips)):
        if value is not None:
            changes[key] = value
    for text in assignments:
        path, value = parse_assignment(text)
        keys = [key.replace("-", "_") for key in path]
        if len(keys) > 2:
            raise UsageError(f"--set {text}: write PART.OPTION=VALUE, such as encoder.blocks=8")
        if len(keys) == 1:
            changes = merge(changes, {keys[0]: {"name": value} if keys[0] in parts else value})
        else:
            if not isinstance(changes.get(keys[0], {}), dict):
                raise UsageError(f"--set {text}: {keys[0]} was given as {changes[keys[0]]!r}, which has no options")
            changes = merge(changes, {keys[0]: {keys[1]: value}})
    return changes


@click.command()
@click.argument("preset", default="reference")
@click.option("--pre-encoder", metavar="NAME", help="First features of the LR image: srzoo list pre_encoders.")
@click.option("--encoder", metavar="NAME", help="Features from fine to deep: srzoo list encoders.")
@click.option("--latent", metavar="NAME", help="Latent variable on the deepest features: srzoo list latents.")
@click.option("--decoder", metavar="NAME", help="From features to the image: srzoo list decoders.")
@click.option("--discriminator", metavar="NAME", help="What judges images in training: srzoo list discriminators.")
@click.option("--base", metavar="NAME", help="Upscaler that the network adds to, such as bicubic, or none.")
@scale_option("Enlargement factor, such as 4, or 2.5 with a decoder for any scale.")
@click.option("--skips/--no-skips", default=None, help="Whether the decoder sees the encoder's maps.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="PART.OPTION=VALUE",
    help="An option of a part, such as decoder.blocks=4; srzoo show decoder NAME lists them. Repeatable.",
)
@seed_option("Seed of the initial weights.")
@click.option("--size", type=(click.IntRange(1, 65536),) * 2, default=(180, 320), show_default=True,
              metavar="H W", help="LR size for which MACs are stated.")  # fmt: skip
@click.option("-o", "--output", type=NamedPath(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the (untrained) model as one .safetensors file.")  # fmt: skip
@json_option
def build(
    preset: str,
    scale: Scale | None,
    skips: bool | None,
    base: str | None,
    assignments: tuple[str, ...],
    seed: int,
    size: tuple[int, int],
    output: Path | None,
    as_json: bool,
    **parts: str | None,
) -> None:
    """Assemble a model from parts and report what it is.

    What is not named comes from PRESET, a name from `srzoo list presets` or a TOML file. Naming another part drops the
    options that the preset gives to the old one. Every seam is checked before a tensor exists.

    \b
    Examples:
      srzoo build
      srzoo build --encoder resnet --decoder attn
      srzoo build --encoder timm/convnext_atto --scale 2 --set decoder.blocks=4
      srzoo build ablation-no-vae --decoder implicit --scale 2.5
      srzoo build ablation-no-skips --seed 1 -o model.safetensors
    """
    from srzoo.assembly import build_model
    from srzoo.config import preset as read_preset
    from srzoo.summary import summarize

    if output is not None and output.suffix != ".safetensors":
        raise UsageError(f"{output}: models are written as .safetensors; name the file {output.stem}.safetensors")
    if output is not None:
        check_target(output)
    config = read_preset(preset, overrides(scale, skips, base, parts, assignments))
    summary = summarize(config, size)
    if output is not None:
        from srzoo.checkpoint import save_model

        save_model(build_model(config, seed=seed), output, training_parts=True)
    if as_json:
        print_json({"preset": preset, "seed": seed, "output": output, **summary.to_dict()})
        return
    rows = [
        [
            row.kind.replace("_", "-"),
            *reversed(row.part.split(":")),
            row.takes,
            row.gives,
            row.parameters,
            round(row.macs / 1e9, 2),
        ]
        for row in summary.parts
    ]
    rows.append(["generator", None, None, None, None, summary.parameters, round(summary.macs / 1e9, 2)])
    columns = ("kind", "part", "distribution", "takes", "gives", "parameters", "GMACs")
    print_table(columns, rows, f"{preset}, x{summary.scale}; GMACs for an LR image of {size[1]}x{size[0]}")
    click.echo(f"\n{summary.flow}")
    extra = sum(row.training_parameters for row in summary.parts if row.kind != "discriminator")
    if extra:
        click.echo(f"\n{extra} further parameters are used in training only.")
    if output is not None:
        click.echo(f"\nwrote {output}")
        warn(f"{output} is untrained: give its parts to a recipe's [model] and see: srzoo train --help")
