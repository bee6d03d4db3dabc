"""Pixel repetition."""

from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.resize import resize_tensor


class NearestUpscaler(Upscaler):
    """Repeats each pixel.

    Source: the definition; exact for every whole scale.
    """

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = scale or 4

    def forward(self, lr: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, scale * H, scale * W)."""
        height, width = lr.shape[-2:]
        return resize_tensor(lr, (height * self.scale, width * self.scale), kernel="nearest")
