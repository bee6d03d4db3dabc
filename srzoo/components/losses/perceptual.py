"""Distance as a network trained on ImageNet sees it."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import ImageLoss
from srzoo.features import NETWORKS, NetworkName

_UNIT = {"usual": None, "unit": True, "absolute": False}
"""What each comparison tells the network."""


class PerceptualLoss(ImageLoss):
    """Distance between the features that a network trained on ImageNet sees in SR and in HR.

    Features are compared in one of two ways. ``unit``, usual with SqueezeNet 1.0: each position's feature vector is
    scaled to unit length; the squared distances are summed over channels and averaged over positions and over maps. It
    has LPIPS's form without its learned weights, and is not LPIPS. ``absolute``, usual with VGG-19: the mean absolute
    difference, averaged over maps; SqueezeNet's in multiples of how large a map usually is.

    Either pays for texture of the right strength in the wrong place. Without a discriminator a generator learns to draw
    a grid of dots; with ``unit``, where the faint grain of a smooth area costs as much as an edge, it does so sooner.

    Maps of SqueezeNet: relu1, fire2 to fire9; unless told otherwise relu1, fire3, fire5 and fire7. Maps of VGG-19:
    conv1_1 to conv5_4, before the activation, and relu1_1 to relu5_4, behind it; unless told otherwise conv5_4.

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
        network: Annotated[NetworkName, Field(description="what looks at the images")] = "squeezenet",
        taps: Annotated[
            tuple[str, ...], Field(description="maps of the network that are compared; the usual ones if empty")
        ] = (),
        comparison: Annotated[
            Literal["usual", "unit", "absolute"],
            Field(description="of vectors of unit length, or of the features as they are"),
        ] = "usual",
    ) -> None:
        super().__init__()
        self.features = NETWORKS[network](taps, unit=_UNIT[comparison])
        self.min_size = self.features.min_size

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        with torch.no_grad():
            wanted = self.features(hr)
        return self.features.distance(self.features(sr), wanted)
