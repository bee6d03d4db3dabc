"""Fourier features of the colours."""

from math import pi
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import PreEncoder
from srzoo.layers import Channels, conv3x3
from srzoo.spec import Spec


class FourierPreEncoder(PreEncoder):
    """Sines and cosines of each colour at doubling frequencies beside the colour itself, mixed by a convolution.

    A network learns smooth functions of its input first; small differences of colour, which these features make large,
    are what fine texture is made of.

    Source: Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
    NeurIPS 2020; applied to values of images by Kingma et al., "Variational Diffusion Models", NeurIPS 2021.
    """

    frequencies: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 48,
        octaves: Annotated[int, Field(ge=1, le=8, description="frequencies; each is twice the one before")] = 3,
    ) -> None:
        super().__init__()
        self.register_buffer("frequencies", pi * 2.0 ** torch.arange(octaves), persistent=False)
        self.mix = conv3x3(spec.channels * (1 + 2 * octaves), width)
        self.out_spec = Spec(width, spec.stride)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H, W)."""
        centred = image - 0.5
        phases = (centred[:, :, None] * self.frequencies[:, None, None]).flatten(1, 2)
        return self.mix(torch.cat([centred, phases.sin(), phases.cos()], dim=1))
