"""Blur kernels and how they are applied.

Source: Wang, Xie, Dong and Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
ICCVW 2021, sections 3.2 and 3.4; generalised Gaussians and plateaus after Liu et al., "Estimating generalized
Gaussian blur kernels for out-of-focus image deblurring", IEEE TCSVT 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.effects.chance import between

Shape = Literal["gaussian", "generalized", "plateau"]
"""How a kernel falls off from its middle."""

Weights = tuple[tuple[float, ...], ...]
"""A kernel written out, row by row."""


@dataclass(frozen=True)
class Blur:
    """Kernels that one may be drawn from."""

    size: int = 21
    """Side in pixels, odd."""

    sigma: tuple[float, float] = (0.2, 3.0)
    """Range of the standard deviation in pixels."""

    anisotropic: bool = False
    """Whether a second standard deviation, across the first, and an angle are drawn, too."""

    shape: Shape = "gaussian"
    """How kernels fall off."""

    beta: tuple[float, float] = (1.0, 1.0)
    """Range of the exponent of the other shapes; at 1 a generalised Gaussian is a Gaussian."""

    @property
    def random(self) -> bool:
        """Whether there is more than one kernel."""
        free = [self.sigma] if self.shape == "gaussian" else [self.sigma, self.beta]
        return self.anisotropic or any(low < high for low, high in free)

    def kernel(self, draw: np.random.Generator) -> Tensor:
        """Draw one, (size, size), with sum 1."""
        first = between(draw, self.sigma)
        second, angle = first, 0.0
        if self.anisotropic:
            second, angle = between(draw, self.sigma), float(draw.uniform(-math.pi, math.pi))
        beta = 1.0 if self.shape == "gaussian" else between(draw, self.beta)
        return bell_kernel(self.size, (first, second), angle, self.shape, beta)


def bell_kernel(
    size: int, sigma: tuple[float, float], angle: float = 0.0, shape: Shape = "gaussian", beta: float = 1.0
) -> Tensor:
    """A kernel that falls off from its middle along an ellipse.

    With q the squared distance in standard deviations, a Gaussian is exp(-q / 2), a generalised one
    exp(-q**beta / 2), and a plateau 1 / (1 + q**beta).

    Args:
        size: Side in pixels, odd.
        sigma: Standard deviations along the two axes of the ellipse, in pixels.
        angle: How far the first axis is turned from the horizontal, in radians.
        shape: ``gaussian``, ``generalized`` or ``plateau``.
        beta: Exponent of the latter two.

    Returns:
        (size, size) float32 with sum 1.
    """
    y, x = _grid(size)
    along = (math.cos(angle) * x + math.sin(angle) * y) / sigma[0]
    across = (math.cos(angle) * y - math.sin(angle) * x) / sigma[1]
    distance = along.square() + across.square()
    if shape != "gaussian":
        distance = distance.pow(beta)
    # Far from the middle of a very narrow kernel the power is infinite, which means a weight of 0.
    values = 1 / (1 + distance) if shape == "plateau" else torch.exp(-distance / 2)
    return (values / values.sum()).float()


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """An ideal low-pass filter cut to a square, which rings as sharpening and overshoot do.

    Args:
        size: Side in pixels, odd.
        cutoff: Highest frequency that passes, in radians per pixel, up to pi.

    Returns:
        (size, size) float32 with sum 1.
    """
    y, x = _grid(size)
    radius = torch.sqrt(x.square() + y.square())
    middle = size // 2
    radius[middle, middle] = 1
    values = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius)
    values[middle, middle] = cutoff**2 / (4 * math.pi)
    return (values / values.sum()).float()


def random_sinc(draw: np.random.Generator, size: int) -> Tensor:
    """A sinc kernel whose cutoff is drawn as Real-ESRGAN draws it: small kernels keep more."""
    return sinc_kernel(size, float(draw.uniform(math.pi / (3 if size < 13 else 5), math.pi)))


def _grid(size: int) -> tuple[Tensor, Tensor]:
    steps = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return y, x


def filter_image(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate every channel with one kernel; beyond the border the outermost pixels are repeated.

    Args:
        image: (N, C, H, W) float.
        kernel: (h, w), both odd, on any device.

    Returns:
        (N, C, H, W).
    """
    n, c, h, w = image.shape
    rows, columns = kernel.shape
    padded = F.pad(image, (columns // 2, columns // 2, rows // 2, rows // 2), mode="replicate")
    # One group per channel of each image is several times as fast here as a batch of single channels.
    weight = kernel.to(image).expand(n * c, 1, rows, columns)
    return F.conv2d(padded.reshape(1, n * c, *padded.shape[-2:]), weight, groups=n * c).view(n, c, h, w)
