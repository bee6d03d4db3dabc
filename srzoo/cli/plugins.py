"""``srzoo plugins``: who offers which parts, and what is broken."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from srzoo.cli.options import Amount
from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.registry import KINDS, OWN, REGISTRY, Distribution, PartRef, probe


@click.command()
@click.option("--timeout", type=Amount(0, min_open=True), default=120.0, show_default=True,
              metavar="SECONDS", help="How long importing one part may take.")  # fmt: skip
@json_option
def plugins(timeout: float, as_json: bool) -> None:
    """List who offers which parts, and what is broken.

    Every third party's parts are imported in a process of their own, which takes a few seconds; what they do when they
    are used, `srzoo check` finds out. A plugin says for which contract it was written, 1 unless it does.
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
    distributions = REGISTRY.distributions()
    problems = _problems([found.parts for found in distributions if found.name != OWN and found.parts], timeout)
    found = [_describe(distribution, problems) for distribution in distributions]
    if as_json:
        print_json(found)
        return
    rows = [
        [entry["name"], entry["version"], entry["contracts"], kind, part["name"], part["state"]]
        for entry in found
        for kind, parts in entry["parts"].items()
        for part in parts
    ]
    print_table(("distribution", "version", "contract", "kind", "part", "state"), rows)
    for entry in found:
        if entry["problem"]:
            warn(f"{entry['name']} {entry['version']}: {entry['problem']}")
        for parts in entry["parts"].values():
            for part in parts:
                if part["problem"]:
                    warn(part["problem"])
    if len(found) == 1:
        click.echo("no third-party distribution offers parts")


def _problems(groups: list[tuple[PartRef, ...]], seconds: float) -> dict[PartRef, str]:
    """What is wrong with each part of each distribution; as many are looked at at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda refs: probe(refs, seconds), groups))
    return {ref: each for refs, told in zip(groups, found, strict=True) for ref, each in zip(refs, told, strict=True)}


def _describe(distribution: Distribution, problems: Mapping[PartRef, str]) -> dict[str, Any]:
    """A distribution, its parts by kind, and what is wrong with each."""
    parts = {
        kind: [_state(ref, problems) for ref in distribution.parts if ref.kind.name == kind]
        + [_withheld(ref) for ref in distribution.withheld if ref.kind.name == kind]
        for kind in KINDS
    }
    return {
        "name": distribution.name,
        "version": distribution.version,
        "contracts": list(distribution.contracts),
        "problem": distribution.problem,
        "parts": {kind: found for kind, found in parts.items() if found},
    }


def _state(ref: PartRef, problems: Mapping[PartRef, str]) -> dict[str, str]:
    if ref not in problems:
        return {"name": ref.name, "value": ref.value, "state": "built in", "problem": ""}
    state = "broken" if problems[ref] else "ok"
    return {"name": ref.name, "value": ref.value, "state": state, "problem": problems[ref]}


def _withheld(ref: PartRef) -> dict[str, str]:
    """A part whose distribution's problem is told once, for all of them."""
    return {"name": ref.name, "value": ref.value, "state": "not used", "problem": ""}
