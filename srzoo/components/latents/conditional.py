"""A latent that learns from HR what LR does not tell."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Latent, LatentOutput
from srzoo.layers import Downsampler, block_detail, block_of, conv3x3, residual_blocks, sample, shifted, split_gaussian
from srzoo.spec import Spec


class ConditionalLatent(Latent):
    """Posterior q(z | LR, HR) in training, learned prior p(z | LR) in use, z added to the LR features.

    The posterior looks at the detail of HR alone: each LR pixel's block of HR pixels less its mean, which LR tells.

    Source: Sohn et al., "Learning Structured Output Representation using Deep Conditional Generative Models", NIPS
    2015.
    """

    training_only = ("posterior",)

    def __init__(
        self,
        spec: Spec,
        target: Spec,
        *,
        channels: Annotated[int, Field(ge=1, le=1024, description="latent channels")] = 16,
        width: Annotated[
            int, Field(ge=1, le=1024, description="channels of the networks for prior and posterior")
        ] = 48,
    ) -> None:
        super().__init__()
        self.out_spec = spec
        self.noise_specs = (Spec(channels, spec.stride),)
        self._block = block_of(target)
        self.prior = nn.Sequential(conv3x3(spec.channels, width), nn.LeakyReLU(0.1), conv3x3(width, 2 * channels))
        self.posterior_detail = nn.Sequential(
            conv3x3(target.channels * self._block**2, width), Downsampler(width, width, int(spec.stride))
        )
        self.posterior = nn.Sequential(
            conv3x3(width + spec.channels, width), *residual_blocks(width, 1), conv3x3(width, 2 * channels)
        )
        self.expand = conv3x3(channels, spec.channels)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W), and HR (N, 3, scale * H * stride, scale * W * stride) in training, to z (N, C, H, W)."""
        prior = split_gaussian(self.prior(features))
        if hr is None:
            return LatentOutput(features + self.expand(sample(prior, noise)), (prior,))
        detail = self.posterior_detail(block_detail(hr, self._block))
        posterior = shifted(prior, self.posterior(torch.cat([features, detail], dim=1)))
        return LatentOutput(features + self.expand(sample(posterior, noise)), (prior,), (posterior,))
