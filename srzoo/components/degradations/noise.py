"""Noise of sensors."""

from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.effects import Range, Share, between, gaussian_noise, happens, poisson_noise


class NoiseDegradation(Degradation):
    """Gaussian noise, or Poisson noise, which grows with brightness; in each channel, or the same in all.

    Source: Wang et al., "Real-ESRGAN", ICCVW 2021, section 3.2.
    """

    def __init__(
        self,
        scale: int,
        *,
        sigma: Annotated[
            Range, Field(description="range of the standard deviation of Gaussian noise in 8-bit levels")
        ] = (1.0, 30.0),
        poisson: Annotated[Share, Field(description="share of images with Poisson in place of Gaussian noise")] = 0.0,
        poisson_scale: Annotated[
            Range, Field(description="range of what Poisson noise of 255 photons is multiplied by")
        ] = (0.05, 3.0),
        gray: Annotated[Share, Field(description="share of images whose channels get the same noise")] = 0.0,
    ) -> None:
        self._sigma = sigma
        self._poisson = poisson
        self._poisson_scale = poisson_scale
        self._gray = gray

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """(N, C, H, W) to the same size; kind and strength are one for all images, the noise is each one's own."""
        poisson, gray = happens(draw, self._poisson), happens(draw, self._gray)
        if poisson:
            noise = poisson_noise(image, draw, between(draw, self._poisson_scale), gray)
        else:
            noise = gaussian_noise(image, draw, between(draw, self._sigma), gray)
        return (image + noise).clamp(0, 1)
