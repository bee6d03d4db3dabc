"""Write the catalogue of timm backbones: which levels each has, and how it is to be handled.

    python benchmarks/timm_catalogue.py [PATTERN ...] [--lines FILE]

Each variant is built on the meta device, where tensors have shapes but no numbers, and run at several sizes; the first
way of handling it in which all its maps are what is said of them is taken. FILE collects one JSON line per variant, so
that a broken run goes on where it stopped. The catalogue is written when every variant that timm has was measured. Run
it again when timm has new ones.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from math import lcm
from pathlib import Path
from typing import Any

import timm
import torch

from srzoo.layers.backbones import (
    CHOSEN_SIZE,
    DYNAMIC_SIZE,
    MARGIN,
    RESAMPLED,
    RGB_ONLY,
    TOKENS,
    Backbone,
    Entry,
    UnfitError,
    trained_size,
)
from srzoo.layers.variants import CATALOGUE


class Trial:
    """A variant under test."""

    def __init__(self, variant: str) -> None:
        self.trained_at = trained_size(variant)
        network = Backbone(Entry(variant, (), (), 1), (), (), 1, None, 0).on_meta(3)
        info = network.feature_info
        strides = tuple(int(stride) for stride in info.reduction())
        self.plain = Entry(variant, tuple(info.out_indices), strides, 1)
        self.channels = list(info.channels())
        self.params = sum(each.numel() for each in network.parameters())
        self._networks: dict[tuple[frozenset[str], int], Any] = {}

    def check(self, entry: Entry, size: int = 0) -> None:
        """Compare the maps with what the entry says.

        Raises:
            UnfitError: They differ, or there are none.
        """
        chosen = (size or entry.fixed_size or entry.multiple) if CHOSEN_SIZE in entry.handling else 0
        backbone = Backbone(entry, entry.indices, (), entry.multiple, entry.fixed_size, chosen)
        channels = 3 if RGB_ONLY in entry.handling else 40
        key = (entry.handling, chosen)
        if key not in self._networks:
            self._networks[key] = backbone.on_meta(channels)
        side = chosen or entry.fixed_size or entry.multiple
        height, width = (side, side) if entry.fixed_size else (3 * side, 2 * side)
        with torch.no_grad():
            maps = backbone.check(self._networks[key], channels, height, width)
        if [each.shape[1] for each in maps] != self.channels:
            raise UnfitError(f"its maps have {[each.shape[1] for each in maps]} channels, not {self.channels}")

    def ways(self) -> Iterator[Entry]:
        """How the variant might be handled, the way with the fewest limits first."""
        if any(deep % fine for fine, deep in pairwise(self.plain.strides)):
            yield self.resampled()
            return
        deepest = lcm(*self.plain.strides)
        size = -(-self.trained_at // deepest) * deepest
        plain = replace(self.plain, multiple=deepest)
        yield plain
        yield replace(plain, handling=frozenset({DYNAMIC_SIZE}))
        for multiple in range(2 * deepest, size, deepest):
            if size % multiple == 0:
                yield replace(plain, multiple=multiple)
        yield replace(plain, multiple=size, handling=frozenset({CHOSEN_SIZE}))
        yield replace(plain, multiple=size)
        for handling in (RGB_ONLY, MARGIN, TOKENS):
            yield replace(plain, handling=frozenset({handling}))
            yield replace(plain, multiple=3 * deepest, handling=frozenset({handling}))
        yield replace(plain, fixed_size=size, handling=frozenset({CHOSEN_SIZE}))
        yield replace(plain, fixed_size=size)
        yield self.resampled()

    def resampled(self) -> Entry:
        """The last way: a level takes the stride of the one before where its own is no multiple of that."""
        strides: list[int] = []
        for stride in self.plain.strides:
            strides.append(strides[-1] if strides and stride % strides[-1] else stride)
        handling = frozenset({CHOSEN_SIZE, RESAMPLED})
        entry = replace(self.plain, strides=tuple(strides), multiple=lcm(*strides), handling=handling)
        return replace(entry, fixed_size=self.trained_at)

    def check_other_size(self, entry: Entry) -> None:
        """A size can be chosen only if others work, too."""
        if CHOSEN_SIZE not in entry.handling:
            return
        deepest = lcm(*entry.strides)
        size = entry.fixed_size or entry.multiple
        others = [size + deepest, size - deepest, *([2 * size] if entry.fixed_size else [])]
        for other in others:
            try:
                return self.check(entry, other)
            except UnfitError as error:
                problem = error
        raise problem


def measure(variant: str) -> dict[str, Any]:
    """The catalogue's row of a variant, or the reasons why it has none."""
    trial, problems = Trial(variant), []
    for entry in trial.ways():
        try:
            trial.check(entry)
            trial.check_other_size(entry)
        except UnfitError as error:
            problems.append(str(error)[:200])
            continue
        return {
            "variant": variant,
            "params": trial.params,
            "strides": list(entry.strides),
            "channels": trial.channels,
            "multiple": entry.multiple,
            "fixed_size": entry.fixed_size,
            "handling": sorted(entry.handling),
            "indices": list(entry.indices),
        }
    return {"variant": variant, "refused": list(dict.fromkeys(problems))}


def main() -> None:
    """Measure what is not measured yet, and write the catalogue when all is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--lines", type=Path, default=Path("timm-catalogue.jsonl"))
    arguments = parser.parse_args()
    arguments.lines.touch()
    rows = {row["variant"]: row for row in map(json.loads, arguments.lines.read_text(encoding="utf-8").splitlines())}
    variants = timm.list_models()
    with arguments.lines.open("a", encoding="utf-8") as lines:
        for variant in variants:
            if variant not in rows and any(fnmatchcase(variant, pattern) for pattern in arguments.patterns):
                try:
                    rows[variant] = measure(variant)
                except Exception as error:
                    rows[variant] = {"variant": variant, "refused": [f"{type(error).__name__}: {error}"]}
                lines.write(json.dumps(rows[variant]) + "\n")
                lines.flush()
    refused = {variant: row["refused"] for variant, row in rows.items() if "refused" in row}
    for variant, problems in refused.items():
        print(f"{variant}: {' | '.join(problems)}")
    taken = [rows[variant] for variant in variants if variant in rows and variant not in refused]
    kinds = Counter("fixed" if row["fixed_size"] else "any" for row in taken)
    print(f"{len(taken)} of {len(variants)} fit ({dict(kinds)}), {len(refused)} refused")
    if set(variants) == set(rows):
        CATALOGUE.write_text("[\n" + ",\n".join(map(json.dumps, taken)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
