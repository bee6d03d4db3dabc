"""``srzoo list``: what is at hand, without importing any of it."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import click

from srzoo.cli.catalogue import FOLDERS, file_summary, files, match_folder, part_summary
from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.errors import PartNotFoundError, UsageError
from srzoo.messages import suggestion
from srzoo.registry import KINDS, REGISTRY, PartRef, find_kind


@click.command("list")
@click.argument("kind", required=False)
@click.option("--family", metavar="NAME", help="List the variants of one part, such as timm, from its catalogue.")
@click.option("--filter", "pattern", metavar="PATTERN", default="*", help="Only names like this, such as 'convnext*'.")
@json_option
def list_parts(kind: str | None, family: str | None, pattern: str, as_json: bool) -> None:
    """List the parts, presets, recipes and trained models at hand.

    KIND is one of pre_encoders, encoders, latents, decoders, discriminators, upscalers, losses, datasets,
    degradations, presets, recipes and models; without it everything is listed. Nothing is imported, so that a part may
    be listed and yet be broken: `srzoo plugins` finds that out. What `name` says is what other commands take.

    A family is a part with many variants, each written FAMILY/VARIANT.

    \b
    Examples:
      srzoo list
      srzoo list models
      srzoo list decoders
      srzoo list encoders --family timm --filter 'convnext*'
      srzoo list presets --json
    """
    rows = _variants(kind, family) if family else _everything(kind)
    rows = [row for row in rows if fnmatchcase(row["name"].partition("/")[2] if family else row["name"], pattern)]
    if as_json:
        print_json(rows)
    elif rows:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        print_table(columns, [[row.get(column) for column in columns] for row in rows])
    else:
        warn("nothing found: try srzoo list without KIND and --filter")
    for found in REGISTRY.distributions():
        if found.problem and not found.switched_off:
            warn(f"{found.name} {found.version}: {found.problem}")


def _everything(kind: str | None) -> list[dict[str, Any]]:
    """Rows of one kind, or of all."""
    folder = match_folder(kind or "")
    if kind is not None and not folder:
        return [_row(ref) for ref in REGISTRY.parts(_known_kind(kind))]
    rows = [] if folder else [_row(ref) for name in KINDS for ref in REGISTRY.parts(name)]
    for what in [folder] if folder else FOLDERS:
        rows += [
            {"kind": what, "name": name, "distribution": "srzoo", "summary": file_summary(file)}
            for name, file in files(what).items()
        ]
    return rows


def _known_kind(text: str) -> str:
    """Check a kind; the message knows of presets, recipes and models, too."""
    try:
        return find_kind(text).name
    except UsageError as error:
        known = [kind.plural for kind in KINDS.values()] + [f"{what}s" for what in FOLDERS]
        raise UsageError(
            f"there is no kind {text!r}{suggestion(text, known)}: write one of {', '.join(known)}"
        ) from error


def _row(ref: PartRef) -> dict[str, Any]:
    return {
        "kind": ref.kind.name,
        "name": _typed_name(ref),
        "distribution": ref.distribution,
        "summary": part_summary(ref),
    }


def _typed_name(ref: PartRef) -> str:
    """The shortest name that means this part: the qualified one where others claim the bare one."""
    rivals = [other for other in REGISTRY.parts(ref.kind.name) if other.name == ref.name]
    return ref.name if ref == rivals[0] and (len(rivals) == 1 or ref.distribution == "srzoo") else ref.qualified


def _variants(kind: str | None, family: str) -> list[dict[str, Any]]:
    """Rows of a family's catalogue."""
    if kind is not None and match_folder(kind):
        raise UsageError(f"{match_folder(kind)}s have no families: leave out --family, or name a kind of part")
    refs = _families(KINDS if kind is None else [_known_kind(kind)], family)
    rows = [
        {"kind": ref.kind.name, "name": f"{_typed_name(ref)}/{entry['variant']}"}
        | {key: value for key, value in entry.items() if key != "variant"}
        for ref in refs
        for entry in REGISTRY.catalogue(ref)
    ]
    if not rows:
        raise UsageError(
            f"{refs[0].kind.name} {family!r} ships no catalogue: see: srzoo show {refs[0].kind.name} {family}"
        )
    return rows


def _families(kinds: Iterable[str], family: str) -> list[PartRef]:
    """The parts that are called ``family``, one per kind at most."""
    found, problems = [], []
    for kind in kinds:
        try:
            found.append(REGISTRY.resolve(kind, family).ref)
        except PartNotFoundError as error:
            problems.append(error)
    if len(problems) == 1 and not found:
        raise problems[0]
    if not found:
        raise PartNotFoundError(f"there is no part {family!r} of any kind: see: srzoo list")
    return found
