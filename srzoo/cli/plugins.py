"""``srzoo plugins``: who offers which parts, and what is broken."""

from __future__ import annotations

from typing import Any

import click

from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.registry import KINDS, OWN, REGISTRY, Distribution, PartRef, probe


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List who offers which parts, and what is broken.

    Every third-party part is imported in a process of its own, which takes a few seconds each.
    A plugin is any installed distribution that declares parts: pip install adds one, pip uninstall removes it.
    The environment variable SRZOO_PLUGINS switches third parties off: empty for all of them, or a list of the
    distributions to keep.

    \b
    Examples:
      srzoo plugins
      srzoo plugins --json
      SRZOO_PLUGINS= srzoo list
      SRZOO_PLUGINS=srzoo-spandrel srzoo plugins
    """
    found = [_describe(distribution) for distribution in REGISTRY.distributions()]
    if as_json:
        print_json(found)
        return
    rows = [
        [entry["name"], entry["version"], kind, part["name"], part["state"]]
        for entry in found
        for kind, parts in entry["parts"].items()
        for part in parts
    ]
    print_table(("distribution", "version", "kind", "part", "state"), rows)
    for entry in found:
        if entry["problem"]:
            warn(f"{entry['name']} {entry['version']}: {entry['problem']}")
        for parts in entry["parts"].values():
            for part in parts:
                if part["problem"]:
                    warn(part["problem"])
    if len(found) == 1:
        click.echo("no third-party distribution offers parts")


def _describe(distribution: Distribution) -> dict[str, Any]:
    """A distribution, its parts by kind, and what is wrong with each."""
    parts = {kind: [_check(ref) for ref in distribution.parts if ref.kind.name == kind] for kind in KINDS}
    return {
        "name": distribution.name,
        "version": distribution.version,
        "problem": distribution.problem,
        "parts": {kind: found for kind, found in parts.items() if found},
    }


def _check(ref: PartRef) -> dict[str, str]:
    if ref.distribution == OWN:
        return {"name": ref.name, "value": ref.value, "state": "built in", "problem": ""}
    problem = probe(ref)
    return {"name": ref.name, "value": ref.value, "state": "broken" if problem else "ok", "problem": problem}
