"""The second-order blind degradation."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Degradation
from srzoo.effects import (
    Blur,
    PositiveRange,
    QualityRange,
    Range,
    Shape,
    Share,
    between,
    compress,
    filter_image,
    gaussian_noise,
    happens,
    pick,
    poisson_noise,
    random_sinc,
)

_KERNELS: tuple[tuple[Shape, bool], ...] = (
    ("gaussian", False),
    ("gaussian", True),
    ("generalized", False),
    ("generalized", True),
    ("plateau", False),
    ("plateau", True),
)
"""Shape, and whether anisotropic, in the order of the option ``kernels``."""


def _some(value: tuple[float, ...]) -> tuple[float, ...]:
    if not sum(value):
        raise ValueError("one of the chances must be above 0")
    return value


def _odd(value: tuple[int, ...]) -> tuple[int, ...]:
    if any(size % 2 == 0 for size in value):
        raise ValueError("a kernel has a middle only where its side is odd")
    return value


KernelChances = Annotated[
    tuple[Share, Share, Share, Share, Share, Share],
    AfterValidator(_some),
    Field(description="chances of Gaussian, generalized and plateau kernels, each isotropic, then anisotropic"),
]
ResizeChances = Annotated[
    tuple[Share, Share, Share], AfterValidator(_some), Field(description="chances to enlarge, shrink and keep")
]
KernelSizes = Annotated[
    tuple[Annotated[int, Field(ge=3, le=51)], ...],
    Field(min_length=1, description="sides of the kernels in pixels, odd"),
    AfterValidator(_odd),
]


@dataclass(frozen=True)
class _Round:
    """Ranges of one of the two rounds."""

    blur: float
    sigma: tuple[float, float]
    resize: tuple[float, float]
    resize_chances: tuple[float, float, float]
    noise_sigma: tuple[float, float]
    poisson_scale: tuple[float, float]


class RealEsrganDegradation(Degradation):
    """Two rounds of blur, resizing, noise and JPEG, then a sinc filter and JPEG in either order.

    Everything is drawn anew for each call, by default from the ranges of the paper. The second resizing is relative to
    LR's size, and the last JPEG is the second round's. Resizing is not antialiased, and HR is not sharpened.

    Source: Wang, Xie, Dong and Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
    Data", ICCVW 2021.
    """

    shrinks = True
    margin = 32

    def __init__(
        self,
        scale: int,
        *,
        kernel_sizes: KernelSizes = (7, 9, 11, 13, 15, 17, 19, 21),
        kernels: KernelChances = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03),
        generalized_beta: Annotated[PositiveRange, Field(description="exponent of generalized Gaussians")] = (0.5, 4.0),
        plateau_beta: Annotated[PositiveRange, Field(description="exponent of plateaus")] = (1.0, 2.0),
        sinc: Annotated[Share, Field(description="share of sinc filters among the kernels")] = 0.1,
        poisson: Annotated[Share, Field(description="share of Poisson noise")] = 0.5,
        gray_noise: Annotated[Share, Field(description="share of noise that is the same in all channels")] = 0.4,
        jpeg: Annotated[QualityRange, Field(description="quality of both JPEG files")] = (30, 95),
        sigma: Annotated[PositiveRange, Field(description="standard deviation of the first blur")] = (0.2, 3.0),
        resize: Annotated[PositiveRange, Field(description="factor of the first resizing")] = (0.15, 1.5),
        resize_chances: ResizeChances = (0.2, 0.7, 0.1),
        noise_sigma: Annotated[Range, Field(description="first Gaussian noise in 8-bit levels")] = (1.0, 30.0),
        poisson_scale: Annotated[Range, Field(description="first Poisson noise")] = (0.05, 3.0),
        second_blur: Annotated[Share, Field(description="share of images that are blurred twice")] = 0.8,
        second_sigma: Annotated[PositiveRange, Field(description="standard deviation of the second blur")] = (0.2, 1.5),
        second_resize: Annotated[PositiveRange, Field(description="factor of the second resizing")] = (0.3, 1.2),
        second_resize_chances: ResizeChances = (0.3, 0.4, 0.3),
        second_noise_sigma: Annotated[Range, Field(description="second Gaussian noise in 8-bit levels")] = (1.0, 25.0),
        second_poisson_scale: Annotated[Range, Field(description="second Poisson noise")] = (0.05, 2.5),
        final_sinc: Annotated[Share, Field(description="share of images with a sinc filter at the end")] = 0.8,
    ) -> None:
        self._scale = scale
        self._sizes = kernel_sizes
        self._kernels = kernels
        self._beta = {"gaussian": (1.0, 1.0), "generalized": generalized_beta, "plateau": plateau_beta}
        self._sinc = sinc
        self._poisson = poisson
        self._gray = gray_noise
        self._jpeg = jpeg
        self._final_sinc = final_sinc
        self._first = _Round(1.0, sigma, resize, resize_chances, noise_sigma, poisson_scale)
        self._second = _Round(
            second_blur, second_sigma, second_resize, second_resize_chances, second_noise_sigma, second_poisson_scale
        )

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """(N, C, scale * H, scale * W) to (N, C, H, W); what is drawn is one for all images but the noise."""
        height, width = image.shape[-2:]
        size = (height // self._scale, width // self._scale)
        image = self._round(self._first, image, (height, width), draw)
        image = self._compress(image, draw)
        image = self._round(self._second, image, size, draw)
        if happens(draw, 0.5):
            return self._compress(self._finish(image, size, draw), draw)
        return self._finish(self._compress(image, draw), size, draw)

    def _round(self, ranges: _Round, image: Tensor, size: tuple[int, int], draw: np.random.Generator) -> Tensor:
        """Blur, resize from ``size`` by a drawn factor, and add noise."""
        if happens(draw, ranges.blur):
            image = filter_image(image, self._kernel(ranges.sigma, draw))
        low, high = ranges.resize
        span = ((1.0, max(1.0, high)), (min(1.0, low), 1.0), (1.0, 1.0))[pick(draw, ranges.resize_chances)]
        factor = between(draw, span)
        image = _resized(image, (max(1, round(size[0] * factor)), max(1, round(size[1] * factor))), draw)
        poisson, gray = happens(draw, self._poisson), happens(draw, self._gray)
        if poisson:
            noise = poisson_noise(image, draw, between(draw, ranges.poisson_scale), gray)
        else:
            noise = gaussian_noise(image, draw, between(draw, ranges.noise_sigma), gray)
        return (image + noise).clamp(0, 1)

    def _kernel(self, sigma: tuple[float, float], draw: np.random.Generator) -> Tensor:
        size = self._size(draw)
        if happens(draw, self._sinc):
            return random_sinc(draw, size)
        shape, anisotropic = _KERNELS[pick(draw, self._kernels)]
        return Blur(size, sigma, anisotropic, shape, self._beta[shape]).kernel(draw)

    def _finish(self, image: Tensor, size: tuple[int, int], draw: np.random.Generator) -> Tensor:
        """Resize to LR's size and filter."""
        image = _resized(image, size, draw)
        if happens(draw, self._final_sinc):
            image = filter_image(image, random_sinc(draw, self._size(draw)))
        return image.clamp(0, 1)

    def _size(self, draw: np.random.Generator) -> int:
        return self._sizes[int(draw.integers(len(self._sizes)))]

    def _compress(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return compress(image, int(draw.integers(*self._jpeg, endpoint=True)))


def _resized(image: Tensor, size: tuple[int, int], draw: np.random.Generator) -> Tensor:
    """Area, bilinear or bicubic interpolation, one as likely as the other."""
    mode = ("area", "bilinear", "bicubic")[int(draw.integers(3))]
    return F.interpolate(image, size=size, mode=mode).clamp(0, 1)
