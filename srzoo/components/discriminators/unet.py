"""One verdict for each pixel."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from srzoo.contracts import Discriminator
from srzoo.spec import Spec


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels_in, channels_out, kernel, stride, 1, bias=False))


class UNetDiscriminator(Discriminator):
    """A U-Net with spectral normalisation that judges every pixel in the light of its surroundings.

    Source: Schönfeld et al., "A U-Net Based Discriminator for Generative Adversarial Networks", CVPR 2020, in the
    single-headed form of Wang et al., "Real-ESRGAN", ICCVW 2021.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Annotated[int, Field(ge=1, le=512, description="channels of the first level; doubled by each")] = 16,
        levels: Annotated[int, Field(ge=1, le=5, description="levels; each halves the map")] = 3,
    ) -> None:
        super().__init__()
        self.min_size = 2**levels
        widths = [width * 2**level for level in range(levels + 1)]
        self.first = nn.Conv2d(spec.channels, width, 3, 1, 1)
        self.down = nn.ModuleList(_convolution(a, b, 4, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_convolution(b, a, 3, 1) for a, b in pairwise(widths))
        self.refine = _convolution(width, width, 3, 1)
        self.head = nn.Conv2d(width, 1, 3, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to logits (N, 1, H, W)."""
        x = F.leaky_relu(self.first(image * 2 - 1), 0.2)
        maps = []
        for down in self.down:
            maps.append(x)
            x = F.leaky_relu(down(x), 0.2)
        for up, skip in zip(reversed(self.up), reversed(maps), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(up(x), 0.2) + skip
        return (self.head(F.leaky_relu(self.refine(x), 0.2)),)
