"""Windowed sinc."""

from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.resize import resize_tensor


class LanczosUpscaler(Upscaler):
    """Lanczos filter with three lobes over 6x6 pixels.

    Source: Duchon, "Lanczos Filtering in One and Two Dimensions", Journal of Applied Meteorology 1979.
    """

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = scale or 4

    def forward(self, lr: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, scale * H, scale * W)."""
        height, width = lr.shape[-2:]
        return resize_tensor(lr, (height * self.scale, width * self.scale), kernel="lanczos3")
