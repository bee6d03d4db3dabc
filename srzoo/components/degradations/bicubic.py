"""The degradation of the literature."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.resize import Edge, imresize


class BicubicDegradation(Degradation):
    """MATLAB's antialiased bicubic `imresize` of 8-bit images, rounded after each pass, to the last bit.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981 (a = -0.5).
    """

    shrinks = True
    random = False

    def __init__(
        self,
        scale: int,
        *,
        edge: Annotated[
            Edge, Field(description="border rule: symmetric is newer MATLAB's, clamp that of most published LR images")
        ] = "symmetric",
    ) -> None:
        self._scale = scale
        self._edge: Edge = edge
        self.margin = 2 * scale + 1

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """(N, C, scale * H, scale * W) to (N, C, H, W), both in steps of 1/255."""
        size = (image.shape[-2] // self._scale, image.shape[-1] // self._scale)
        pixels = image.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        small = np.stack([imresize(each, size=size, edge=self._edge) for each in pixels])
        return torch.from_numpy(small).permute(0, 3, 1, 2).to(image.device, image.dtype) / 255
