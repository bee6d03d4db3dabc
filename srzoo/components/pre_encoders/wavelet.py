"""Wavelet bands of the LR image."""

from torch import Tensor

from srzoo.contracts import PreEncoder
from srzoo.layers import Channels, conv3x3, haar
from srzoo.spec import Spec


class WaveletPreEncoder(PreEncoder):
    """One level of the Haar transform, then a convolution: half the size, with fine detail in bands of its own.

    Source: Liu et al., "Multi-Level Wavelet-CNN for Image Restoration", CVPRW 2018.
    """

    multiple_of = 2

    def __init__(self, spec: Spec, *, width: Channels = 48) -> None:
        super().__init__()
        self.mix = conv3x3(4 * spec.channels, width)
        self.out_spec = Spec(width, spec.stride * 2)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H / 2, W / 2)."""
        return self.mix(haar(image - 0.5))
