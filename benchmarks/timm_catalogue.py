"""Write the catalogue of timm backbones: every variant that takes images of any size and shrinks from level to level.

    python benchmarks/timm_catalogue.py [PATTERN ...]

Each variant is built on the meta device, where tensors have shapes but no numbers, and run at several sizes; it is
listed where all its maps are what timm says of them. Run it again when timm has new variants.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from fnmatch import fnmatchcase
from math import lcm
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import Format

CATALOGUE = Path(__file__).parent.parent / "srzoo/components/encoders/timm_backbone.catalogue.json"
SIZES = ((1, 2), (3, 2), (5, 7))
"""Heights and widths to try, in multiples of the deepest stride."""


class Unfit(Exception):
    """The variant cannot be an encoder; the message says why, in words that many variants share."""


def measure(variant: str) -> dict[str, Any]:
    """The catalogue's entry of a variant.

    Raises:
        Unfit: It needs a fixed size, is not hierarchical, or its maps are not what it says of them.
    """
    defaults = timm.get_pretrained_cfg(variant)
    if defaults is not None and defaults.fixed_input_size:
        raise Unfit("fixed input size")
    entry = None
    for channels in (40, 3):  # neither features of a pre-encoder nor RGB may be refused
        try:
            with torch.device("meta"):
                backbone = timm.create_model(variant, features_only=True, in_chans=channels).eval()
        except Exception as error:
            raise Unfit(f"not built: {type(error).__name__}") from error
        strides, widths = backbone.feature_info.reduction(), backbone.feature_info.channels()
        if len(set(strides)) < 2 or strides != sorted(strides) or any(stride != int(stride) for stride in strides):
            raise Unfit("not hierarchical")
        for factors in SIZES:
            _compare(backbone, channels, [factor * lcm(*strides) for factor in factors])
        params = sum(parameter.numel() for parameter in backbone.parameters())
        entry = {"variant": variant, "params": params, "strides": strides, "channels": widths}
    assert entry is not None
    return entry


def _compare(backbone: Any, channels: int, size: list[int]) -> None:
    try:
        with torch.no_grad():
            maps = backbone(torch.empty(2, channels, *size, device="meta"))
    except Exception as error:
        raise Unfit(f"not run: {type(error).__name__}") from error
    if getattr(backbone, "output_fmt", Format.NCHW) == Format.NHWC:
        maps = [each.permute(0, 3, 1, 2) for each in maps]
    said = zip(backbone.feature_info.channels(), backbone.feature_info.reduction(), strict=True)
    if [tuple(each.shape[1:]) for each in maps] != [(c, size[0] // s, size[1] // s) for c, s in said]:
        raise Unfit("maps differ from what is said of them")


def main(patterns: list[str]) -> None:
    """Measure the variants that match, print why others are left out, and write the file when all were measured."""
    entries, reasons = [], Counter[str]()
    for variant in timm.list_models():
        if patterns and not any(fnmatchcase(variant, pattern) for pattern in patterns):
            continue
        try:
            entries.append(measure(variant))
        except Unfit as error:
            reasons[str(error)] += 1
            print(f"{variant}: {error}", flush=True)
    print(f"{len(entries)} listed; left out: {dict(reasons)}")
    if not patterns:
        CATALOGUE.write_text("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
