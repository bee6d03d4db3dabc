"""The body of SwinIR."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import BodyEncoder, Channels, WindowAttention, WindowSide, conv3x3, scale_weights
from srzoo.spec import Spec


class _ResidualGroup(nn.Module):
    """Attention in windows, every second time in shifted ones, then a convolution, beside a path around them."""

    def __init__(self, channels: int, depth: int, window: int, heads: int) -> None:
        super().__init__()
        shifts = (window // 2 * (index % 2) for index in range(depth))
        self.layers = nn.Sequential(*(WindowAttention(channels, window, heads, shift) for shift in shifts))
        self.last = conv3x3(channels, channels)
        scale_weights(self.last, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(self.layers(x))


class SwinEncoder(BodyEncoder):
    """Residual groups of self-attention in plain and shifted windows, all at one size.

    Source: Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCVW 2021; 60 channels, 4 groups of 6,
    6 heads and windows of 8 make its light variant.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 60,
        groups: Annotated[int, Field(ge=1, le=16, description="residual groups")] = 2,
        depth: Annotated[int, Field(ge=1, le=16, description="attention layers in a group")] = 4,
        window: WindowSide = 8,
        heads: Annotated[int, Field(ge=1, le=64, description="attention heads; must divide the width")] = 6,
    ) -> None:
        super().__init__(spec, width, (_ResidualGroup(width, depth, window, heads) for _ in range(groups)))
        self.multiple_of = window
