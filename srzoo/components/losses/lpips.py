"""Learned perceptual image patch similarity."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import ImageLoss
from srzoo.features import LPIPS_SMALLEST, LPIPSNetwork, lpips_network


class LPIPSLoss(ImageLoss):
    """LPIPS, version 0.1: features of unit length, compared with weights that were fitted to what people see.

    It needs torchmetrics, ``pip install "srzoo[metrics]"``. The metric ``lpips`` looks through AlexNet: what was
    trained through that should be judged by another one.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018; its code
    names VGG for optimisation.
    """

    def __init__(
        self,
        scale: int,
        *,
        network: Annotated[LPIPSNetwork, Field(description="AlexNet, VGG-16 or SqueezeNet 1.1")] = "vgg",
    ) -> None:
        super().__init__()
        self.min_size = LPIPS_SMALLEST[network]
        self.network = lpips_network(network, "loss lpips")

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        # Features are compared as they are computed: in bfloat16 small differences would be lost.
        with torch.autocast(sr.device.type, enabled=False):
            return self.network(sr.float(), hr.float(), normalize=True).mean()
