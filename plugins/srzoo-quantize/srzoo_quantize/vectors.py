"""What is compared with codes, and in which arithmetic."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def projection(channels: int, dimension: int) -> nn.Sequential:
    """A 1x1 convolution to mean 0 and variance 1 over the batch, in use by moving averages of these.

    Without it features may be all alike beside their common offset, or shrink towards their codes: one code is then the
    nearest for all of them, and what little they tell is lost.

    Source: Łańcucki et al., "Robust Training of Vector Quantized Bottleneck Models", IJCNN 2020.
    """
    return nn.Sequential(nn.Conv2d(channels, dimension, 1, bias=False), nn.BatchNorm2d(dimension, affine=False))


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """No autocast on the device of ``x``: bfloat16 would take neighbouring codes for one another."""
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()
