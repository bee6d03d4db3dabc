"""Space to depth."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import PreEncoder
from srzoo.layers import Channels, conv3x3
from srzoo.spec import Spec


class UnshufflePreEncoder(PreEncoder):
    """Moves each square of pixels into channels, then mixes them by a convolution; what follows works on a small map.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network", CVPR 2016, the other way round; at the entrance of a network in Zhang et al., "FFDNet: Toward a
    Fast and Flexible Solution for CNN-Based Image Denoising", TIP 2018.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 48,
        factor: Annotated[int, Field(ge=1, le=8, description="side of the squares, in pixels")] = 2,
    ) -> None:
        super().__init__()
        self.multiple_of = factor
        self.mix = conv3x3(spec.channels * factor**2, width)
        self.out_spec = Spec(width, spec.stride * factor)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H / factor, W / factor)."""
        return self.mix(F.pixel_unshuffle(image - 0.5, self.multiple_of))
