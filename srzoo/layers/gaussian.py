"""Diagonal normal distributions over latent maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Gaussian
from srzoo.errors import AssemblyError
from srzoo.spec import Spec


def split_gaussian(statistics: Tensor) -> Gaussian:
    """Read (N, 2C, H, W) as mean and log-variance, the latter held softly within (-10, 10)."""
    mean, raw = statistics.float().chunk(2, dim=1)
    return Gaussian(mean, 10 * torch.tanh(raw / 10))


def sample(distribution: Gaussian, noise: Sequence[Tensor]) -> Tensor:
    """Mean plus standard deviation times ``noise[0]`` (standard normal); the mean where ``noise`` is empty."""
    if not noise:
        return distribution.mean
    return distribution.mean + torch.exp(0.5 * distribution.log_variance) * noise[0]


def shifted(prior: Gaussian, statistics: Tensor) -> Gaussian:
    """The posterior whose mean, read from (N, 2C, H, W) as `split_gaussian` does, is told as a shift of the prior's."""
    shift = split_gaussian(statistics)
    return Gaussian(prior.mean + shift.mean, shift.log_variance)


def divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """Kullback-Leibler divergence KL(q || p) of each unit in nats, (N, C, H, W) in float32."""
    q_mean, q_log_variance, p_mean, p_log_variance = (each.float() for each in (*q, *p))
    shift = (q_mean - p_mean).square() + q_log_variance.exp()
    return 0.5 * (p_log_variance - q_log_variance + shift * torch.exp(-p_log_variance) - 1)


def block_of(target: Spec) -> int:
    """Side of the block of HR pixels that belongs to one LR pixel.

    Raises:
        AssemblyError: The scale is not whole.
    """
    scale = 1 / target.stride
    if scale.denominator != 1:
        raise AssemblyError(
            f"looks at whole blocks of HR pixels, which x{scale} has not: take a whole scale, or identity or gaussian"
        )
    return int(scale)


def block_detail(image: Tensor, block: int) -> Tensor:
    """What a small image does not tell of a large one: each block of pixels less its mean.

    Args:
        image: (N, C, H, W), H and W multiples of ``block``.
        block: Side of a block.

    Returns:
        (N, C * block^2, H / block, W / block).
    """
    n, c, _, _ = image.shape
    blocks = F.pixel_unshuffle(image, block)
    by_colour = blocks.view(n, c, block**2, *blocks.shape[-2:])
    return (by_colour - by_colour.mean(dim=2, keepdim=True)).view_as(blocks)
