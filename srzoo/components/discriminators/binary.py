"""One verdict for an image."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Discriminator
from srzoo.layers import JudgeWidth, conv3x3
from srzoo.spec import Spec


class BinaryDiscriminator(Discriminator):
    """Strided convolutions, averaged over the image to one logit, for any size.

    Source: Ledig et al., CVPR 2017, with global average pooling in place of the fully connected layers, which would tie
    it to one size.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: JudgeWidth = 32,
        levels: Annotated[int, Field(ge=1, le=6, description="levels; each halves the map")] = 4,
        norm: Annotated[bool, Field(description="batch normalisation behind all but the first convolution")] = False,
    ) -> None:
        super().__init__()
        self.min_size = 2**levels + norm  # statistics of a batch of one take more than one position
        self.layers = nn.Sequential(conv3x3(spec.channels, width), nn.LeakyReLU(0.2))
        channels = width
        for level in range(levels):
            out = width * 2 ** min(level, 3)
            for incoming, stride in ((channels, 2), (out, 1)):
                self.layers.append(conv3x3(incoming, out, stride))
                if norm:
                    self.layers.append(nn.BatchNorm2d(out))
                self.layers.append(nn.LeakyReLU(0.2))
            channels = out
        self.head = nn.Linear(channels, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to logits (N, 1)."""
        return (self.head(self.layers(image * 2 - 1).mean(dim=(2, 3))),)
