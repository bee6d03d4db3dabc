"""The bottlenecks of diffusers' autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution, VectorQuantizer
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Gaussian, Latent, LatentOutput
from srzoo.layers import conv3x3, sample
from srzoo.spec import Spec
from srzoo_diffusers.options import LatentChannels, Pretrained
from srzoo_diffusers.weights import Folder


class KLLatent(Latent):
    """Mean and variance from the LR features, pulled to N(0, I), between the convolutions of AutoencoderKL.

    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022, as in
    diffusers.AutoencoderKL and its DiagonalGaussianDistribution.
    """

    def __init__(self, spec: Spec, target: Spec, *, channels: LatentChannels = 4, pretrained: Pretrained = "") -> None:
        super().__init__()
        self.out_spec = Spec(channels, spec.stride)
        self.noise_specs = (self.out_spec,)
        self.conv_out = conv3x3(spec.channels, 2 * channels)
        self.quant_conv = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 1)
        if pretrained:
            folder = Folder(pretrained, "latent diffusers-kl")
            folder.require(channels=("latent_channels", 4, channels))
            both = {"quant_conv": self.quant_conv, "post_quant_conv": self.post_quant_conv}
            folder.fill(encoder__conv_out=self.conv_out, **both)
            for name, layer in both.items():
                if not folder.config.get(f"use_{name}", True):
                    weight, bias = layer.parameters()
                    nn.init.dirac_(weight)
                    nn.init.zeros_(bias)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W) to z (N, channels, H, W); the HR image is not looked at."""
        found = DiagonalGaussianDistribution(self.quant_conv(self.conv_out(features)).float())
        posterior = Gaussian(found.mean, found.logvar)
        zeros = torch.zeros_like(found.mean)
        return LatentOutput(self.post_quant_conv(sample(posterior, noise)), (Gaussian(zeros, zeros),), (posterior,))


class VQLatent(Latent):
    """Each position becomes the nearest of a codebook's vectors, between the convolutions of VQModel.

    The codebook is learned by gradients. The loss ``codebook`` moves codes to the vectors that they stand for and,
    weighted by ``commitment_weight``, the vectors to their codes; diffusers itself weighs the former by mistake.

    Source: van den Oord et al., "Neural Discrete Representation Learning", NIPS 2017; Esser et al., "Taming
    Transformers for High-Resolution Image Synthesis", CVPR 2021, as in diffusers.VQModel and its VectorQuantizer.
    """

    def __init__(
        self,
        spec: Spec,
        target: Spec,
        *,
        channels: LatentChannels = 3,
        codebook_size: Annotated[int, Field(ge=2, le=65536, description="number of codes")] = 256,
        dimension: Annotated[
            int, Field(ge=0, le=1024, description="channels of a code; 0 takes the latent channels")
        ] = 0,
        commitment_weight: Annotated[
            float, Field(ge=0, description="weight of what moves vectors to their codes")
        ] = 0.25,
        pretrained: Pretrained = "",
    ) -> None:
        super().__init__()
        self.out_spec = Spec(channels, spec.stride)
        width = dimension or channels
        self.conv_out = conv3x3(spec.channels, channels)
        self.quant_conv = nn.Conv2d(channels, width, 1)
        self.quantize = VectorQuantizer(codebook_size, width, beta=commitment_weight, legacy=False)
        self.post_quant_conv = nn.Conv2d(width, channels, 1)
        if pretrained:
            folder = Folder(pretrained, "latent diffusers-vq")
            folder.require(
                channels=("latent_channels", 3, channels),
                codebook_size=("num_vq_embeddings", 256, codebook_size),
                dimension=("vq_embed_dim", channels, width),
            )
            folder.fill(
                encoder__conv_out=self.conv_out,
                quant_conv=self.quant_conv,
                quantize=self.quantize,
                post_quant_conv=self.post_quant_conv,
            )

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W) to z (N, channels, H, W); the HR image is not looked at."""
        vectors = self.quant_conv(self.conv_out(features))
        with _full_precision(vectors):
            codes, loss, _ = self.quantize(vectors.float())
        return LatentOutput(self.post_quant_conv(codes), losses={"codebook": loss} if self.training else {})


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """No autocast on the device of ``x``: bfloat16 would take neighbouring codes for one another."""
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()
