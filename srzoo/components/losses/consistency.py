"""What is left of LR when SR is made small again."""

from torch import Tensor

from srzoo.contracts import ImageLoss
from srzoo.resize import resize_tensor


class ConsistencyLoss(ImageLoss):
    """Mean absolute error between SR, made small by the antialiased bicubic kernel, and LR.

    Source: the LR-PSNR criterion of Lugmayr et al., "NTIRE 2021 Learning the Super-Resolution Space Challenge".
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; HR is not looked at."""
        height, width = lr.shape[-2:]
        return (resize_tensor(sr.float(), (height, width)) - lr.float()).abs().mean()
