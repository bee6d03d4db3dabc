"""timm's backbones by name, for parts that offer them as variants."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import timm

from srzoo.errors import OptionError
from srzoo.layers.backbones import Entry
from srzoo.messages import suggestion

CATALOGUE = Path(__file__).parent.parent / "components" / "encoders" / "timm_backbone.catalogue.json"
"""Every variant and how it is handled; it lies where ``srzoo list`` looks for that of encoder ``timm``."""

LISTING = "see: srzoo list encoders --family timm"
"""What to type to see all variants."""


@cache
def _catalogue() -> dict[str, Entry]:
    """The variants whose maps were measured to be what they say, by name."""
    return {row["variant"]: Entry.read(row) for row in json.loads(CATALOGUE.read_text(encoding="utf-8"))}


def find_variant(variant: str, owner: str) -> Entry:
    """The catalogue's entry of a variant.

    Args:
        variant: Its name in timm.
        owner: Whose variant, as messages should call it, such as ``encoder timm``.

    Raises:
        OptionError: There is none.
    """
    known = _catalogue()
    installed = timm.is_model(variant)
    if variant in known and installed:
        return known[variant]
    if variant in known:
        raise OptionError(f"{owner}: timm {timm.__version__} has no {variant!r} yet: pip install -U timm")
    if installed:
        raise OptionError(f"{owner}: {variant!r} is not in the catalogue of what fits: {LISTING}")
    raise OptionError(f"{owner}: there is no variant {variant!r}{suggestion(variant, known)}; {LISTING}")


def normalisation(variant: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of RGB by which a variant's input was normalised in training."""
    defaults = timm.get_pretrained_cfg(variant)
    return (defaults.mean, defaults.std) if defaults is not None else ((0.0,), (1.0,))
