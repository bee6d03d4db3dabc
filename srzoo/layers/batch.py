"""Means over a batch that several processes may share."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Sum(torch.autograd.Function):
    """Sum over processes, whose gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


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
        total: Tensor = _Sum.apply(mean)
        return total / dist.get_world_size()
    return mean
