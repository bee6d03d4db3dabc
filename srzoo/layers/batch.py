"""Means over a batch that several processes may share."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def batch_mean(values: Tensor, dim: tuple[int, ...] | None = None) -> Tensor:
    """Mean over all processes' equal shares of a batch, with gradients to every share.

    Args:
        values: This process's share.
        dim: Axes to average over; all of them where not given.

    Returns:
        A scalar, or a tensor with the axes that are left, the same in every process.
    """
    mean = values.mean(dim)
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return all_reduce(mean) / dist.get_world_size()  # type: ignore[no-untyped-call]
    return mean
