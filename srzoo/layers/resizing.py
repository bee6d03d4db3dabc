"""Upscalers that learned nothing."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.resize import Kernel, resize_tensor
from srzoo.scale import Scale, scaled_size


class ResizeUpscaler(Upscaler):
    """Interpolates by one kernel; x4 where no scale is asked for."""

    kernel: ClassVar[Kernel]
    """Name of the kernel; see `srzoo.resize.resize_tensor`."""

    def __init__(self, scale: Scale | None) -> None:
        super().__init__()
        self.scale = scale or 4

    def forward(self, lr: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, scale * H, scale * W), rounded down."""
        size = scaled_size(lr.shape[-2:], self.scale)
        return resize_tensor(lr, size, kernel=self.kernel, scale=self.scale)
