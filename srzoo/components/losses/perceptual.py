"""Distance as a network trained on ImageNet sees it."""

import torch
from torch import Tensor

from srzoo.contracts import ImageLoss
from srzoo.features import SqueezeFeatures, feature_distance


class PerceptualLoss(ImageLoss):
    """Distance between the features that an ImageNet SqueezeNet sees in SR and in HR.

    Each position's feature vector is scaled to unit length; the squared distances are summed over channels and averaged
    over positions and over layers. It has LPIPS's form without its learned weights, and is not LPIPS.

    Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016; Zhang et
    al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018 (the unit length); Iandola
    et al., "SqueezeNet", 2016.
    """

    min_size = 13

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.features = SqueezeFeatures()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        with torch.no_grad():
            wanted = self.features(hr)
        return feature_distance(self.features(sr), wanted)
