"""Options that the parts share, described once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from srzoo.errors import OptionError


def _off(value: Any) -> Any:
    """srzoo switches ``pretrained`` off by ``false`` where a model file brings the weights."""
    return "" if value is False else value


Pretrained = Annotated[
    str,
    BeforeValidator(_off),
    Field(description="folder of a diffusers autoencoder to take the weights from that fit; empty starts fresh"),
]
"""A folder with ``config.json`` and ``diffusion_pytorch_model.safetensors``."""

Layers = Annotated[int, Field(ge=1, le=8, description="residual blocks of a level, one more in the decoder")]
"""Diffusers' ``layers_per_block``."""

Groups = Annotated[int, Field(ge=1, le=1024, description="groups of the normalisation, each of two channels or more")]
"""Diffusers' ``norm_num_groups``."""

Attention = Annotated[
    bool, Field(description="whether every position of the deepest level looks at all others, as in diffusers")
]
"""Diffusers' ``mid_block_add_attention``."""

LatentChannels = Annotated[int, Field(ge=1, le=1024, description="latent channels")]
"""Diffusers' ``latent_channels``."""


def check_groups(owner: str, widths: Sequence[int], groups: int) -> None:
    """Refuse widths that cannot be normalised in ``groups`` groups of at least two channels, also on maps of one pixel.

    Raises:
        OptionError: One cannot.
    """
    if odd := [width for width in widths if width % groups or width == groups]:
        raise OptionError(
            f"{owner}: {odd[0]} channels do not make {groups} groups of two or more: "
            f"set {owner.split()[0]}.groups to a smaller divisor"
        )
