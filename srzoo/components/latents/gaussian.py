"""The variational autoencoder's latent, seen from LR alone."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Gaussian, Latent, LatentOutput
from srzoo.layers import sample, split_gaussian
from srzoo.spec import Spec


class GaussianLatent(Latent):
    """Mean and variance from the LR features, pulled to N(0, I); every bit that the decoder gets passes through it.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014.
    """

    def __init__(
        self,
        spec: Spec,
        target: Spec,
        *,
        channels: Annotated[
            int, Field(ge=0, le=4096, description="latent channels; 0 takes those of the features")
        ] = 0,
    ) -> None:
        super().__init__()
        self.out_spec = Spec(channels or spec.channels, spec.stride)
        self.noise_specs = (self.out_spec,)
        self.statistics = nn.Conv2d(spec.channels, 2 * self.out_spec.channels, 1)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W) to z (N, channels, H, W); the HR image is not looked at."""
        posterior = split_gaussian(self.statistics(features))
        zeros = torch.zeros_like(posterior.mean)
        return LatentOutput(sample(posterior, noise), (Gaussian(zeros, zeros),), (posterior,))
