"""Cubic convolution."""

from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.resize import resize_tensor
from srzoo.scale import Scale, scaled


class BicubicUpscaler(Upscaler):
    """Cubic convolution over 4x4 pixels, the baseline of the literature.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981 (a = -0.5, as in
    MATLAB's imresize).
    """

    def __init__(self, scale: Scale | None) -> None:
        super().__init__()
        self.scale = scale or 4

    def forward(self, lr: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, scale * H, scale * W), rounded down."""
        size = (scaled(lr.shape[-2], self.scale), scaled(lr.shape[-1], self.scale))
        return resize_tensor(lr, size, kernel="bicubic", scale=self.scale)
