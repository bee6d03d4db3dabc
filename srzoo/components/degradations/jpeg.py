"""JPEG's losses."""

from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.effects import QualityRange, compress


class JpegDegradation(Degradation):
    """Written as a JPEG file and read again, by Pillow on the CPU."""

    margin = None

    def __init__(
        self,
        scale: int,
        *,
        quality: Annotated[QualityRange, Field(description="range of the quality, in libjpeg's scale")] = (30, 95),
        subsample: Annotated[bool, Field(description="keep colour at half the resolution (4:2:0)")] = True,
    ) -> None:
        self._quality = quality
        self._subsample = subsample
        self.random = quality[0] < quality[1]

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """(N, 1 or 3, H, W) to the same size; one quality for all images."""
        low, high = self._quality
        quality = int(draw.integers(low, high, endpoint=True)) if self.random else low
        return compress(image, quality, self._subsample)
