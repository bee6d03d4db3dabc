"""Means over a batch that several processes may share."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def batch_mean(values: Tensor) -> Tensor:
    """Mean of all values of all processes' equal shares of a batch, as a scalar with gradients to every share."""
    mean = values.mean()
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return all_reduce(mean) / dist.get_world_size()
    return mean
