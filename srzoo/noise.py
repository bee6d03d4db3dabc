"""Standard normal noise that depends on where it is and on nothing else."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _mixed(x: Tensor) -> Tensor:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None)):
        x = x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))
        if factor is not None:
            x = x * _signed(factor)
    return x


def position_noise(
    channels: int,
    height: int,
    width: int,
    *,
    seed: int,
    sample: int,
    origin: tuple[int, int] = (0, 0),
    device: torch.device | str = "cpu",
) -> Tensor:
    """Noise (1, ``channels``, ``height``, ``width``), a pure function of seed, sample, channel and absolute position.

    Tiles, processes and devices that look at the same position therefore see the same value.

    Args:
        channels: Number of channels.
        height: Rows.
        width: Columns.
        seed: Any whole number.
        sample: Number of the sample drawn with this seed.
        origin: Absolute row and column of the first position.
        device: Where to make it.

    Source: the SplitMix64 finaliser of Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, as
    a counter-based generator; normals by Box and Muller, 1958.
    """
    rows = torch.arange(origin[0], origin[0] + height, device=device).view(1, -1, 1)
    columns = torch.arange(origin[1], origin[1] + width, device=device).view(1, 1, -1)
    layers = torch.arange(channels, device=device).view(-1, 1, 1)
    key = _signed(seed * 0x9E3779B97F4A7C15 + sample * 0xD1342543DE82EF95 + 0x632BE59BD9B4E019)
    counter = ((rows << 40) ^ (columns << 16) ^ layers) * _signed(0x9E3779B97F4A7C15) + key
    bits = _mixed(_mixed(counter) ^ key)
    first = ((bits >> 40) & 0xFFFFFF).float().add_(0.5).div_(1 << 24)
    second = ((bits >> 8) & 0xFFFFFF).float().div_(1 << 24)
    return (first.log().mul_(-2).sqrt_() * second.mul_(2 * math.pi).cos_()).unsqueeze(0)
