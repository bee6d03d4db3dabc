"""Parts for the tests, made as the registry finds them."""

from __future__ import annotations

from typing import Any

import torch

from srzoo.options import construct_kwargs, resolve
from srzoo.registry import REGISTRY


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
