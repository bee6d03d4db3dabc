"""What structural similarity lacks."""

import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import ImageLoss

_SIDE = 11
_DEVIATION = 1.5


class SSIMLoss(ImageLoss):
    """1 - SSIM of each colour channel, averaged.

    Window and constants are those of the protocols: Gaussian, 11 pixels wide with a deviation of 1.5, only where it
    lies wholly inside, K1 = 0.01, K2 = 0.03. The protocols look at luma alone, which would leave colours free.

    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004; as a loss,
    Zhao et al., "Loss Functions for Image Restoration with Neural Networks", 2017.
    """

    min_size = _SIDE

    window: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        weights = torch.exp(-0.5 * ((torch.arange(_SIDE) - _SIDE // 2) / _DEVIATION).square())
        self.register_buffer("window", weights / weights.sum(), persistent=False)

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar in [0, 2]; LR is not looked at."""
        with torch.autocast(sr.device.type, enabled=False):
            first, second = sr.float(), hr.float()
            # Both factors are taken as 1 less what they lack, which is exact near zero, where a loss is to lead.
            mean_first, mean_second = self._mean(first), self._mean(second)
            squares = mean_first.square() + mean_second.square()
            luminance = (mean_first - mean_second).square() / (squares + 0.01**2)
            difference = self._mean((first - second).square()) - (mean_first - mean_second).square()
            variances = self._mean(first.square() + second.square()) - squares
            structure = difference.clamp(min=0) / (variances.clamp(min=0) + 0.03**2)
            return (luminance + structure - luminance * structure).mean()

    def _mean(self, image: Tensor) -> Tensor:
        """Weighted mean under the window, (N, C, H, W) to (N, C, H - 10, W - 10)."""
        channels = image.shape[1]
        rows = self.window.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        columns = self.window.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        return F.conv2d(F.conv2d(image, rows, groups=channels), columns, groups=channels)
