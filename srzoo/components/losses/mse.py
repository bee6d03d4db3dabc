"""Mean squared error."""

from torch import Tensor

from srzoo.contracts import ImageLoss


class MSELoss(ImageLoss):
    """Mean squared error over all values, which PSNR is a function of; its best answer is the mean of what could be.

    Source: Dong et al., "Learning a Deep Convolutional Network for Image Super-Resolution", ECCV 2014.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        return (sr.float() - hr.float()).square().mean()
