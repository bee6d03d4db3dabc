"""Windowed sinc."""

from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.resize import resize_tensor
from srzoo.scale import Scale, scaled


class LanczosUpscaler(Upscaler):
    """Lanczos filter with three lobes over 6x6 pixels.

    Source: Duchon, "Lanczos Filtering in One and Two Dimensions", Journal of Applied Meteorology 1979.
    """

    def __init__(self, scale: Scale | None) -> None:
        super().__init__()
        self.scale = scale or 4

    def forward(self, lr: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, scale * H, scale * W), rounded down."""
        size = (scaled(lr.shape[-2], self.scale), scaled(lr.shape[-1], self.scale))
        return resize_tensor(lr, size, kernel="lanczos3", scale=self.scale)
