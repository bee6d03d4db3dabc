"""Blocks without nonlinear activation functions."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import BodyEncoder, ChannelNorm, Channels, Reach, local_means
from srzoo.spec import Spec


class _Gate(nn.Module):
    """One half of the channels times the other."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return first * second


class _LocalChannelAttention(nn.Module):
    """Each channel times a weight that is read from the means of all channels in a window around the position."""

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        self._reach = reach
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(local_means(x, self._reach))


class _NAFBlock(nn.Module):
    """Depthwise convolution, gate and channel attention, then a gated pointwise pair; both as residuals."""

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
            _Gate(),
            _LocalChannelAttention(channels, reach),
            nn.Conv2d(channels, channels, 1),
        )
        self.feed = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            _Gate(),
            nn.Conv2d(channels, channels, 1),
        )
        self.mix_scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))
        self.feed_scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix_scale * self.mix(x)
        return x + self.feed_scale * self.feed(x)


class NAFEncoder(BodyEncoder):
    """Blocks whose only nonlinearity is the product of two halves of the channels.

    Channel attention looks at a window in place of the whole image, so that a tile sees what the image would.

    Source: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022 (blocks); Chu et al., "Improving Image
    Restoration by Revisiting Global Information Aggregation", ECCV 2022 (local statistics). The branches start at a
    tenth of their usual size, not at zero.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 48,
        blocks: Annotated[int, Field(ge=1, le=128, description="blocks")] = 12,
        reach: Reach = 4,
    ) -> None:
        super().__init__(spec, width, (_NAFBlock(width, reach) for _ in range(blocks)))
