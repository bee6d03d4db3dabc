"""Distance as a network trained on ImageNet sees it."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import ImageLoss
from srzoo.features import SqueezeFeatures, VGGFeatures, absolute_distance, feature_distance

_NETWORKS = {"squeezenet": (SqueezeFeatures, feature_distance), "vgg19": (VGGFeatures, absolute_distance)}
"""What looks, and how what it sees is compared."""


class PerceptualLoss(ImageLoss):
    """Distance between the features that a network trained on ImageNet sees in SR and in HR.

    With SqueezeNet 1.0 each position's feature vector is scaled to unit length; the squared distances are summed over
    channels and averaged over positions and over maps. It has LPIPS's form without its learned weights, and is not
    LPIPS. Maps: relu1, fire2 to fire9; unless told otherwise relu1, fire3, fire5 and fire7.

    With VGG-19 it is the mean absolute difference of features, averaged over maps. Maps: conv1_1 to conv5_4, before the
    activation, and relu1_1 to relu5_4, behind it; unless told otherwise conv5_4.

    Maps that are left out here can judge what was trained with the others.

    Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016. With
    SqueezeNet: Iandola et al., "SqueezeNet", 2016; Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric", CVPR 2018 (the unit length). With VGG-19: Ledig et al., "Photo-Realistic Single Image
    Super-Resolution Using a Generative Adversarial Network", CVPR 2017 (the network); Wang et al., "ESRGAN", ECCV
    Workshops 2018 (before the activation, absolute differences).
    """

    def __init__(
        self,
        scale: int,
        *,
        network: Annotated[
            Literal["squeezenet", "vgg19"], Field(description="what looks at the images")
        ] = "squeezenet",
        taps: Annotated[
            tuple[str, ...], Field(description="maps of the network that are compared; the usual ones if empty")
        ] = (),
    ) -> None:
        super().__init__()
        features, self._distance = _NETWORKS[network]
        self.features = features(taps)
        self.min_size = self.features.min_size

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        with torch.no_grad():
            wanted = self.features(hr)
        return self._distance(self.features(sr), wanted)
