"""Learned denoising."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import PreEncoder
from srzoo.layers import Channels, conv3x3, scale_weights
from srzoo.spec import Spec


class DenoisePreEncoder(PreEncoder):
    """Estimates the image's noise, takes it away, and hands on features of what is left and of the estimate.

    Nothing tells it what noise is: it learns what the rest of the network is better off without. It starts by taking
    away a tenth of what it would.

    Source: Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising", TIP 2017,
    without its batch normalisation.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 48,
        depth: Annotated[int, Field(ge=2, le=64, description="convolutions of the estimate")] = 5,
    ) -> None:
        super().__init__()
        self.estimate = nn.Sequential(conv3x3(spec.channels, width), nn.ReLU(inplace=True))
        for _ in range(depth - 2):
            self.estimate.extend([conv3x3(width, width), nn.ReLU(inplace=True)])
        self.estimate.append(conv3x3(width, spec.channels))
        scale_weights(self.estimate[-1], 0.1)
        self.features = conv3x3(2 * spec.channels, width)
        self.out_spec = Spec(width, spec.stride)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H, W)."""
        noise = self.estimate(image - 0.5)
        return self.features(torch.cat([image - 0.5 - noise, noise], dim=1))
