"""``srzoo show``: one part, preset, recipe or model file in full."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from srzoo.cli.catalogue import FOLDERS, files, match_folder
from srzoo.cli.output import json_option, print_fields, print_json, print_table
from srzoo.errors import BrokenPluginError, CheckpointError, UsageError
from srzoo.messages import suggestion
from srzoo.options import describe, resolve
from srzoo.parts import description
from srzoo.registry import KINDS, REGISTRY, ResolvedPart


@click.command()
@click.argument("what", metavar="KIND|MODEL")
@click.argument("name", required=False)
@json_option
def show(what: str, name: str | None, as_json: bool) -> None:
    """Explain one part, preset, recipe or model file.

    For a part: what it does, where it comes from, and every option with its type, default and range, as
    `srzoo build` and configurations take them. KIND is pre_encoder, encoder, latent, decoder, discriminator,
    upscaler, loss, dataset, degradation, preset, recipe or model; NAME is a name from `srzoo list`, also
    DISTRIBUTION:NAME or FAMILY/VARIANT. For a data set: where it comes from, its terms, what to download, and how it
    lies on disk.

    For a model, shipped or a file (*.safetensors): its parts with all their options, scale, training data, scores.

    \b
    Examples:
      srzoo show decoder shuffle
      srzoo show encoder timm/convnext_tiny
      srzoo show dataset div2k
      srzoo show preset reference
      srzoo show reference
      srzoo show model.safetensors --json
    """
    if name is None or match_folder(what) == "model":
        _show_model(name or what, as_json)
    elif folder := match_folder(what):
        _show_file(folder, name, as_json)
    else:
        _show_part(REGISTRY.resolve(what, name), as_json)


def _show_model(text: str, as_json: bool) -> None:
    file = files("model").get(text, Path(text))
    if file.suffix != ".safetensors":
        raise UsageError(_what_to_type(text))
    if not file.is_file():
        raise CheckpointError(f"there is no model file {text}: check the path")
    from srzoo.checkpoint import describe as describe_model

    (print_json if as_json else print_fields)(describe_model(file))


def _what_to_type(text: str) -> str:
    """Guess what someone meant who gave one word that is no model file."""
    kinds = [kind for kind in KINDS if any(ref.name == text for ref in REGISTRY.parts(kind))]
    kinds += [kind for kind in FOLDERS if text in files(kind)]
    if kinds:
        return f"say of which kind {text!r} is: " + " or ".join(f"srzoo show {kind} {text}" for kind in kinds)
    close = suggestion(text, files("model"))
    return (
        f"there is no model {text!r}{close}: write a model of srzoo list models, a *.safetensors file, or KIND NAME, "
        "such as srzoo show decoder shuffle"
    )


def _show_file(what: str, name: str, as_json: bool) -> None:
    from srzoo.config import read_named

    content = read_named(FOLDERS[what].name, name)
    if as_json:
        print_json({"kind": what, "name": name, "content": content})
    else:
        click.echo("\n".join(_toml(content)))


def _toml(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Write a table as lines of TOML, its tables after its values; what is derived ``from`` another is filled in."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{key} = {_toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from ("", f"[{path}{key}]", *_toml(value, f"{path}{key}."))


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)  # text and numbers are written as in JSON


def _show_part(part: ResolvedPart, as_json: bool) -> None:
    ref = part.ref
    cls = ref.load()
    given = {} if part.variant is None else {"variant": part.variant}
    values = resolve(cls, given, f"{ref.kind.name} {ref.name}")
    entries = {entry["variant"]: entry for entry in REGISTRY.catalogue(ref)}
    entry = entries.get(values.get("variant"))
    if entries and part.variant is not None and entry is None:
        hint = suggestion(part.variant, list(entries))
        raise UsageError(
            f"{ref.kind.name} {ref.name} has no variant {part.variant!r}{hint}: see: "
            f"srzoo list {ref.kind.plural} --family {ref.name}"
        )
    summary, _, details = description(cls).partition("\n")
    facts = {
        "kind": ref.kind.name,
        "name": ref.name,
        "summary": summary,
        "distribution": f"{ref.distribution} {ref.version}",
        "qualified": ref.qualified,
        "class": ref.value,
        "file": inspect.getsourcefile(cls),
    }
    options = [asdict(option) | {"default": values[option.name]} for option in describe(cls)]
    about = _about(cls, ref.qualified) if ref.kind.name == "dataset" else {}
    if as_json:
        print_json({**facts, "details": details.strip(), "variant": entry, "options": options, **about})
        return
    print_fields({key: value for key, value in facts.items() if value})
    if details.strip():
        click.echo(f"\n{details.strip()}")
    if about:
        click.echo()
        _print_about(about["about"], about["looked_for"])
    if entry:
        click.echo(f"\nvariant {entry['variant']}")
        print_fields({key: value for key, value in entry.items() if key != "variant"}, indent=2)
    click.echo()
    if options:
        columns = ("name", "type", "default", "allowed", "help")
        rows = [[json.dumps(row[key]) if key == "default" else row[key] for key in columns] for row in options]
        print_table(("option", *columns[1:]), rows)
    else:
        click.echo("no options")


def _about(cls: Any, owner: str) -> dict[str, Any]:
    """What a data set says of itself; none of its files is needed."""
    if not hasattr(cls, "about"):
        raise BrokenPluginError(f"data set {owner} says nothing of itself: give its class about = About(...)")
    return {"about": asdict(cls.about), "looked_for": list(cls.places)}


def _print_about(about: dict[str, Any], places: list[str]) -> None:
    images, layout = about.pop("images"), about.pop("layout")
    numbers = ", ".join(f"{number} ({split})" for split, number in images.items())
    print_fields({key: value for key, value in {**about, "images": numbers}.items() if value})
    click.echo("\n".join(("", "layout below the root", *(f"  {line}" for line in layout))))
    if places:
        click.echo(
            f"\nwithout root=FOLDER looked for in SRZOO_DATA, or else in the working folder, as {', '.join(places)}"
        )
