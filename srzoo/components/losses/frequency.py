"""Mean absolute error of spectra."""

import torch
from torch import Tensor

from srzoo.contracts import ImageLoss


class FrequencyLoss(ImageLoss):
    """Mean absolute error over the real and imaginary parts of each channel's spectrum.

    Every frequency counts alike, so that weak high ones weigh more than among pixels. Spectra are orthonormal: white
    noise costs 0.7 of what it does in pixels, whatever the size of the image.

    Source: the frequency reconstruction loss of Cho et al., "Rethinking Coarse-to-Fine Approach in Single Image
    Deblurring" (MIMO-UNet), ICCV 2021, at the finest of its scales.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        difference = torch.fft.fft2(sr.float() - hr.float(), norm="ortho")
        return torch.view_as_real(difference).abs().mean()
