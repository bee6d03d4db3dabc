"""Blur, alone and with decimation behind it."""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.effects import Blur, PositiveRange, Shape, Weights, filter_image
from srzoo.resize import resize_tensor


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("a kernel has a middle only where its side is odd")
    return value


def _rectangular(value: Weights) -> Weights:
    if value and (len({len(row) for row in value}) > 1 or len(value) % 2 == 0 or len(value[0]) % 2 == 0):
        raise ValueError("a kernel has rows of one length, and an odd number of rows and columns")
    if value and sum(map(sum, value)) <= 0:
        raise ValueError("the weights of a kernel must have a sum above 0")
    return value


Size = Annotated[int, Field(ge=1, le=99, description="side of the kernel in pixels, odd"), AfterValidator(_odd)]
Sigma = Annotated[PositiveRange, Field(description="range of the standard deviation in HR pixels")]
Anisotropic = Annotated[bool, Field(description="draw a second standard deviation and an angle, too")]
ShapeOption = Annotated[Shape, Field(description="how the kernel falls off")]
Beta = Annotated[PositiveRange, Field(description="range of the exponent of generalized and plateau kernels")]
Kernel = Annotated[
    Weights,
    AfterValidator(_rectangular),
    Field(description="any kernel, row by row, in place of the drawn ones; it is scaled to a sum of 1"),
]


class BlurDegradation(Degradation):
    """A kernel drawn from a range, or a given one, over the image; it keeps its size.

    The outermost pixels are repeated beyond the border. Source: the kernels of Wang et al., "Real-ESRGAN", ICCVW 2021.
    """

    def __init__(
        self,
        scale: int,
        *,
        size: Size = 21,
        sigma: Sigma = (0.2, 3.0),
        anisotropic: Anisotropic = False,
        shape: ShapeOption = "gaussian",
        beta: Beta = (1.0, 1.0),
        kernel: Kernel = (),
    ) -> None:
        self._blur = Blur(size, sigma, anisotropic, shape, beta)
        self._given = torch.tensor(kernel, dtype=torch.float64) if kernel else None
        self.random = self._blur.random and not kernel
        self._reach = max(len(kernel), len(kernel[0])) // 2 if kernel else size // 2
        self.margin = self._reach

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """(N, C, H, W) to the same size; one kernel for all images."""
        kernel = self._blur.kernel(draw) if self._given is None else (self._given / self._given.sum()).float()
        return filter_image(image, kernel).clamp(0, 1)


class BlurDownDegradation(BlurDegradation):
    """Blur, then every scale-th pixel, as in the "BD" setting: by default 7x7 with a standard deviation of 1.6.

    At x3 this is the setting of Zhang et al., "Learning Deep CNN Denoiser Prior for Image Restoration", CVPR 2017, and
    "Residual Dense Network for Image Super-Resolution", CVPR 2018. Decimation takes the pixel that MATLAB's
    ``imresize(..., 'nearest')`` takes: the middle one of three.
    """

    shrinks = True

    def __init__(
        self,
        scale: int,
        *,
        size: Size = 7,
        sigma: Sigma = (1.6, 1.6),
        anisotropic: Anisotropic = False,
        shape: ShapeOption = "gaussian",
        beta: Beta = (1.0, 1.0),
        kernel: Kernel = (),
        down: Annotated[
            Literal["decimate", "bicubic"], Field(description="how the blurred image is made smaller")
        ] = "decimate",
    ) -> None:
        super().__init__(scale, size=size, sigma=sigma, anisotropic=anisotropic, shape=shape, beta=beta, kernel=kernel)
        self._scale = scale
        self._kernel: Literal["nearest", "bicubic"] = "nearest" if down == "decimate" else "bicubic"
        self.margin = self._reach + (scale if down == "decimate" else 2 * scale + 1)

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """(N, C, scale * H, scale * W) to (N, C, H, W)."""
        blurred = super().forward(image, draw)
        size = (image.shape[-2] // self._scale, image.shape[-1] // self._scale)
        return resize_tensor(blurred, size, kernel=self._kernel).clamp(0, 1)
