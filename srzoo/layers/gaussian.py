"""Diagonal normal distributions over latent maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srzoo.contracts import Gaussian


def split_gaussian(statistics: Tensor) -> Gaussian:
    """Read (N, 2C, H, W) as mean and log-variance, the latter held softly within (-10, 10)."""
    mean, raw = statistics.float().chunk(2, dim=1)
    return Gaussian(mean, 10 * torch.tanh(raw / 10))


def sample(distribution: Gaussian, noise: Sequence[Tensor]) -> Tensor:
    """Mean plus standard deviation times ``noise[0]`` (standard normal); the mean where ``noise`` is empty."""
    if not noise:
        return distribution.mean
    return distribution.mean + torch.exp(0.5 * distribution.log_variance) * noise[0]
