"""Parts for the tests, made as the registry finds them."""

from __future__ import annotations

from typing import Any

import torch

from srzoo.options import construct_kwargs, resolve
from srzoo.registry import REGISTRY

TINY: dict[str, Any] = {
    "pre_encoder": {"name": "conv", "widths": [8]},
    "encoder": {"name": "strided", "widths": [12], "blocks": 1},
    "latent": {"name": "conditional", "channels": 4, "width": 8},
    "decoder": {"name": "shuffle", "widths": [8, 12], "blocks": 1, "fine_width": 8},
}
"""Parts of a small network at x4, as `srzoo.build` takes them."""


def make(kind: str, name: str, *given: Any, seed: int = 0, **options: Any) -> Any:
    """A part with fresh weights that depend on the seed alone."""
    part = REGISTRY.resolve(kind, name)
    cls = part.ref.load()
    if part.variant is not None:
        options["variant"] = part.variant
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(*given, **construct_kwargs(cls, resolve(cls, options, name), name))


def own(kind: str) -> list[str]:
    """Names of srzoo's own parts of a kind."""
    return [ref.name for ref in REGISTRY.parts(kind) if ref.distribution == "srzoo"]
