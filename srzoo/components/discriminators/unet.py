"""One verdict for each pixel."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from srzoo.contracts import Discriminator
from srzoo.layers import JudgeWidth
from srzoo.spec import Spec

_BLUR = 4
"""Side, in pixels, of what is averaged to tell detail from the rest."""


class UNetDiscriminator(Discriminator):
    """A U-Net that judges every pixel in the light of its surroundings.

    Generated images keep to LR, so that what gives them away is in their detail, which is faint: with ``detail`` the
    network is also shown the image less its own blurred copy, that many times as strong. Spectral normalisation keeps
    it calm without R1, and slow.

    Source: Schönfeld et al., "A U-Net Based Discriminator for Generative Adversarial Networks", CVPR 2020, in the
    single-headed form of Wang et al., "Real-ESRGAN", ICCVW 2021, with spectral normalisation. Showing high frequencies
    apart: Fritsche et al., "Frequency Separation for Real-World Super-Resolution", ICCVW 2019.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: JudgeWidth = 16,
        levels: Annotated[int, Field(ge=1, le=5, description="levels; each halves the map")] = 3,
        spectral: Annotated[bool, Field(description="spectral normalisation of all but the outer convolutions")] = True,
        detail: Annotated[
            float,
            Field(ge=0, le=100, description="how strongly detail is shown beside the image; 0 leaves it out"),
        ] = 0.0,
    ) -> None:
        super().__init__()
        self.min_size = max(2**levels, _BLUR if detail else 1)
        self._detail = detail

        def convolution(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
            layer = nn.Conv2d(channels_in, channels_out, kernel, stride, 1, bias=False)
            return spectral_norm(layer) if spectral else layer

        widths = [width * 2**level for level in range(levels + 1)]
        self.first = nn.Conv2d(spec.channels * (2 if detail else 1), width, 3, 1, 1)
        self.down = nn.ModuleList(convolution(a, b, 4, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(convolution(b, a, 3, 1) for a, b in pairwise(widths))
        self.refine = convolution(width, width, 3, 1)
        self.head = nn.Conv2d(width, 1, 3, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to logits (N, 1, H, W)."""
        x = F.leaky_relu(self.first(self._shown(image)), 0.2)
        maps = []
        for down in self.down:
            maps.append(x)
            x = F.leaky_relu(down(x), 0.2)
        for up, skip in zip(reversed(self.up), reversed(maps), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(up(x), 0.2) + skip
        return (self.head(F.leaky_relu(self.refine(x), 0.2)),)

    def _shown(self, image: Tensor) -> Tensor:
        shown = image * 2 - 1
        if not self._detail:
            return shown
        small = F.avg_pool2d(image, _BLUR, ceil_mode=True, count_include_pad=False)
        blurred = F.interpolate(small, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([shown, (image - blurred) * self._detail], dim=1)
