"""Pixel repetition."""

from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.resize import resize_tensor
from srzoo.scale import Scale, scaled


class NearestUpscaler(Upscaler):
    """Repeats each pixel.

    Source: the definition; exact for every scale.
    """

    def __init__(self, scale: Scale | None) -> None:
        super().__init__()
        self.scale = scale or 4

    def forward(self, lr: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, scale * H, scale * W), rounded down."""
        size = (scaled(lr.shape[-2], self.scale), scaled(lr.shape[-1], self.scale))
        return resize_tensor(lr, size, kernel="nearest", scale=self.scale)
