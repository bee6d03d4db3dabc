"""Noise of sensors: of their electronics (Gaussian), and of the light itself (Poisson)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

LEVELS = 255
"""Photons that the brightest pixel stands for; an 8-bit value is then a number of photons."""

_LUMA = (0.299, 0.587, 0.114)


def gaussian_noise(image: Tensor, draw: np.random.Generator, sigma: float, gray: bool) -> Tensor:
    """Normal noise, the same at every brightness.

    Args:
        image: (N, C, H, W) in [0, 1].
        draw: Source of chance.
        sigma: Standard deviation in 8-bit levels.
        gray: Whether all channels get the same noise.

    Returns:
        The noise alone, (N, C, H, W), to be added.
    """
    shape = (image.shape[0], 1, *image.shape[2:]) if gray else tuple(image.shape)
    noise = torch.from_numpy(draw.standard_normal(shape, dtype=np.float32)).to(image.device)
    return (noise * (sigma / LEVELS)).expand_as(image)


def poisson_noise(image: Tensor, draw: np.random.Generator, scale: float, gray: bool) -> Tensor:
    """The difference between the photons counted and those expected.

    Counts come from inverting the distribution, one uniform number for each pixel: whatever the image holds, the same
    numbers are drawn, and what is drawn next does not shift.

    Args:
        image: (N, C, H, W) in [0, 1].
        draw: Source of chance.
        scale: What the noise is multiplied by; 1 is that of `LEVELS` photons.
        gray: Whether all channels get the same noise, that of the luma.

    Returns:
        The noise alone, (N, C, H, W), to be added.
    """
    if gray and image.shape[1] == 3:
        light = torch.einsum("nchw,c->nhw", image, torch.tensor(_LUMA, dtype=image.dtype, device=image.device))[:, None]
    else:
        light = image[:, :1] if gray else image
    expected = (light.clamp(0, 1) * LEVELS).round().long()
    uniform = torch.from_numpy(draw.random(tuple(light.shape))).to(image.device)
    sums, starts = (table.to(image.device) for table in _cumulative())
    # Row n of the table lies between n and n + 1, so that one search over all rows finds the count in its own.
    count = (torch.searchsorted(sums, (expected + uniform).contiguous()) - starts[expected]).clamp(min=0)
    return ((count - expected) * (scale / LEVELS)).to(image.dtype).expand_as(image)


@cache
def _cumulative() -> tuple[Tensor, Tensor]:
    """Poisson distribution functions of 0 to `LEVELS` photons end to end, each lifted by its mean, and their starts."""
    rows, starts, length = [], [], 0
    for mean in range(LEVELS + 1):
        counts = torch.arange(mean + math.ceil(10 * math.sqrt(mean)) + 2, dtype=torch.float64)
        terms = torch.xlogy(counts, torch.tensor(float(mean))) - mean - torch.lgamma(counts + 1)
        sums = terms.exp().cumsum(0)
        rows.append(mean + sums / sums[-1])
        starts.append(length)
        length += len(counts)
    return torch.cat(rows), torch.tensor(starts)
