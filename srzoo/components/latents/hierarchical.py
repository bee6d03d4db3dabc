"""Two levels of latent variables: layout first, then detail."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Latent, LatentOutput
from srzoo.layers import (
    Downsampler,
    PixelShuffleUpsampler,
    block_detail,
    block_of,
    conv3x3,
    residual_blocks,
    sample,
    shifted,
    split_gaussian,
)
from srzoo.spec import Spec


class HierarchicalLatent(Latent):
    """A coarse variable at half the size of the features, and a fine one whose distribution depends on it.

    p(coarse | LR) p(fine | LR, coarse) in use; in training q(coarse | LR, HR) q(fine | LR, coarse, HR), each a shift of
    its prior. What the coarse variable decides, the fine one can build on.

    Source: Sønderby et al., "Ladder Variational Autoencoders", NIPS 2016; Vahdat and Kautz, "NVAE: A Deep Hierarchical
    Variational Autoencoder", NeurIPS 2020 (the posterior as a shift of the prior).
    """

    multiple_of = 2
    training_only = ("posterior",)

    def __init__(
        self,
        spec: Spec,
        target: Spec,
        *,
        channels: Annotated[int, Field(ge=1, le=1024, description="channels of the fine variable")] = 8,
        coarse_channels: Annotated[int, Field(ge=1, le=1024, description="channels of the coarse variable")] = 8,
        width: Annotated[
            int, Field(ge=1, le=1024, description="channels of the networks for priors and posteriors")
        ] = 48,
    ) -> None:
        super().__init__()
        self.out_spec = spec
        self.noise_specs = (Spec(coarse_channels, spec.stride * 2), Spec(channels, spec.stride))
        self._block = block_of(target)
        self.shrink = Downsampler(spec.channels, width, 2)
        self.coarse_prior = _statistics(width, width, coarse_channels)
        self.enlarge = PixelShuffleUpsampler(coarse_channels, spec.channels, 2)
        self.fine_prior = _statistics(spec.channels, width, channels)
        self.expand = conv3x3(channels, spec.channels)
        self.posterior_detail = nn.Sequential(
            conv3x3(target.channels * self._block**2, width), Downsampler(width, width, int(spec.stride))
        )
        self.posterior_shrink = Downsampler(width, width, 2)
        self.posterior_coarse = _statistics(2 * width, width, coarse_channels)
        self.posterior_fine = _statistics(spec.channels + width, width, channels)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W), and HR (N, 3, scale * H * stride, scale * W * stride) in training, to z (N, C, H, W).

        ``noise`` is that of the coarse variable, then that of the fine one.
        """
        small = self.shrink(features)
        coarse_prior = split_gaussian(self.coarse_prior(small))
        detail = None if hr is None else self.posterior_detail(block_detail(hr, self._block))
        coarse = coarse_prior
        if detail is not None:
            seen = torch.cat([small, self.posterior_shrink(detail)], dim=1)
            coarse = shifted(coarse_prior, self.posterior_coarse(seen))
        informed = features + self.enlarge(sample(coarse, noise[:1]))
        fine_prior = split_gaussian(self.fine_prior(informed))
        fine = fine_prior
        if detail is not None:
            fine = shifted(fine_prior, self.posterior_fine(torch.cat([informed, detail], dim=1)))
        z = informed + self.expand(sample(fine, noise[1:]))
        return LatentOutput(z, (coarse_prior, fine_prior), () if hr is None else (coarse, fine))


def _statistics(channels_in: int, width: int, channels: int) -> nn.Sequential:
    """Network for the mean and log-variance of ``channels`` variables."""
    return nn.Sequential(conv3x3(channels_in, width), *residual_blocks(width, 1), conv3x3(width, 2 * channels))
