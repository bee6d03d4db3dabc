"""From the names of degradations to what makes LR of HR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srzoo.assembly import choose
from srzoo.config import PartConfig
from srzoo.contracts import Degradation
from srzoo.data.chain import Chain
from srzoo.errors import BrokenPluginError, SrzooError
from srzoo.options import construct_kwargs, one_line
from srzoo.registry import Registry

Step = PartConfig | str | Mapping[str, Any]
"""A degradation: its name, or a table with ``name`` and options."""

LITERATURE = (PartConfig(name="bicubic"),)
"""What LR images are made by unless something else is asked for."""


def build_chain(scale: int, steps: Sequence[Step] = LITERATURE, *, registry: Registry | None = None) -> Chain:
    """Look degradations up, check their options, and chain them.

    ``build_chain(4, ["blur-down", {"name": "jpeg", "quality": [40, 60]}]).apply(hr, seed=1)`` gives LR for an array.

    Args:
        scale: Factor by which the image becomes smaller.
        steps: First to last.
        registry: Where to look them up.

    Raises:
        PartNotFoundError: No distribution offers a step.
        OptionError: An option is unknown or out of range.
        ConfigError: Not exactly one step shrinks.
        BrokenPluginError: A step cannot be made.
    """
    built, names = [], []
    for config in map(PartConfig.model_validate, steps):
        chosen = choose("degradation", config, registry)
        built.append(_construct(chosen.part.ref.load(), scale, chosen.options, chosen.owner))
        names.append(config.name)
    return Chain(scale, built, names)


def resolved_steps(steps: Sequence[Step], registry: Registry | None = None) -> list[dict[str, Any]]:
    """The steps by qualified names with all their options written out, as a model file records them."""
    return [choose("degradation", PartConfig.model_validate(step), registry).to_dict() for step in steps]


def _construct(cls: type, scale: int, options: Mapping[str, Any], owner: str) -> Degradation:
    try:
        step: Degradation = cls(scale, **construct_kwargs(cls, options, owner))
    except SrzooError:
        raise
    except Exception as error:
        raise BrokenPluginError(f"{owner} could not be built for x{scale} ({one_line(error)})") from error
    return step
