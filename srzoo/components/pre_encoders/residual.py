"""Residual blocks at LR resolution."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import PreEncoder
from srzoo.layers import Channels, conv3x3, residual_blocks
from srzoo.spec import Spec


class ResidualPreEncoder(PreEncoder):
    """A convolution, then residual blocks without normalisation, all at LR resolution.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 48,
        blocks: Annotated[int, Field(ge=0, le=64, description="residual blocks")] = 4,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv3x3(spec.channels, width), *residual_blocks(width, blocks))
        self.out_spec = Spec(width, spec.stride)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H, W)."""
        return self.layers(image - 0.5)
