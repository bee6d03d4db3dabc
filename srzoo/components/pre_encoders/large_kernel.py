"""Attention by large kernels at LR resolution."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import PreEncoder
from srzoo.layers import ChannelNorm, Channels, conv3x3
from srzoo.spec import Spec


class _LargeKernelBlock(nn.Module):
    """Features times what a 17x17 neighbourhood, seen through two depthwise kernels, says of them; as a residual."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.GELU())
        self.attend = nn.Sequential(
            nn.Conv2d(inner, inner, 1),
            nn.Conv2d(inner, inner, 5, padding=2, groups=inner),
            nn.Conv2d(inner, inner, 5, padding=6, groups=inner, dilation=3),
        )
        norm = ChannelNorm(channels)
        nn.init.constant_(norm.weight, 0.1)
        self.leave = nn.Sequential(nn.Conv2d(inner, channels, 1), norm)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.enter(x)
        return x + self.leave(inner * self.attend(inner))


class LargeKernelPreEncoder(PreEncoder):
    """A convolution, then blocks of large-kernel pixel attention, a convolution and a path around them.

    Source: Zhou et al., "Efficient Image Super-Resolution using Vast-Receptive-Field Attention", ECCVW 2022 (VapSR).
    The normalisation of each residual branch starts at a tenth.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 48,
        inner: Channels = 64,
        blocks: Annotated[int, Field(ge=1, le=64, description="blocks")] = 20,
    ) -> None:
        super().__init__()
        self.first = conv3x3(spec.channels, width)
        self.blocks = nn.Sequential(*(_LargeKernelBlock(width, inner) for _ in range(blocks)))
        self.last = conv3x3(width, width)
        self.out_spec = Spec(width, spec.stride)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H, W)."""
        x = self.first(image - 0.5)
        return x + self.last(self.blocks(x))
