"""Means over a discriminator's maps of logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def mean_over_maps(maps: Sequence[Tensor], cost: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Mean of a cost over each map of logits, then over the maps, so that a small map counts as much as a large one.

    Args:
        maps: Logits as a `srzoo.contracts.Discriminator` returns them, each (N, ...), of any precision.
        cost: What each logit costs, from float32 to float32; the logit itself where not given.

    Returns:
        A scalar in float32.
    """
    return torch.stack([(cost(each.float()) if cost else each.float()).mean() for each in maps]).mean()
