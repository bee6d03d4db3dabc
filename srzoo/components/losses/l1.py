"""Mean absolute error."""

from torch import Tensor

from srzoo.contracts import ImageLoss


class L1Loss(ImageLoss):
    """Mean absolute error over all values; its best answer is the median of what could be.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR Workshops 2017, who
    found it to give more PSNR than the squared error.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        return (sr.float() - hr.float()).abs().mean()
