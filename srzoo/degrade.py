"""From the names of degradations to what makes LR of HR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srzoo.assembly import choose
from srzoo.config import PartConfig
from srzoo.data.chain import Chain
from srzoo.options import construct

Step = PartConfig | str | Mapping[str, Any]
"""A degradation: its name, or a table with ``name`` and options."""

LITERATURE = (PartConfig(name="bicubic"),)
"""What LR images are made by unless something else is asked for."""


def build_chain(scale: int, steps: Sequence[Step] = LITERATURE) -> Chain:
    """Look degradations up, check their options, and chain them.

    ``build_chain(4, ["blur-down", {"name": "jpeg", "quality": [40, 60]}]).apply(hr, seed=1)`` gives LR for an array.

    Args:
        scale: Factor by which the image becomes smaller.
        steps: First to last.

    Raises:
        PartNotFoundError: No distribution offers a step.
        OptionError: An option is unknown or out of range.
        ConfigError: Not exactly one step shrinks.
        BrokenPluginError: A step cannot be made.
    """
    built, names = [], []
    for config in map(PartConfig.model_validate, steps):
        chosen = choose("degradation", config)
        cls = chosen.part.ref.load()
        built.append(construct(cls, scale, options=chosen.options, owner=chosen.owner))
        names.append(chosen.part.ref.qualified)
    return Chain(scale, built, names)


def resolved_steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps by qualified names with all their options written out, as a model file records them."""
    return [choose("degradation", PartConfig.model_validate(step)).to_dict() for step in steps]
