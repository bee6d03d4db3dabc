"""Channel attention."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import (
    FineWidth,
    Reach,
    RungBlocks,
    RungWidths,
    ShuffleLadderDecoder,
    conv3x3,
    local_means,
    scale_weights,
)
from srzoo.spec import Spec


class _ChannelAttentionBlock(nn.Module):
    """x + attention(conv(ReLU(conv(x)))), where attention weighs the channels by what is seen around a position."""

    def __init__(self, channels: int, reduction: int, reach: int) -> None:
        super().__init__()
        self._reach = reach
        self.body = nn.Sequential(conv3x3(channels, channels), nn.ReLU(inplace=True), conv3x3(channels, channels))
        narrow = max(1, channels // reduction)
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, narrow, 1), nn.ReLU(inplace=True), nn.Conv2d(narrow, channels, 1), nn.Sigmoid()
        )
        scale_weights(self.body[-1], 0.2)

    def forward(self, x: Tensor) -> Tensor:
        detail = self.body(x)
        return x + detail * self.weigh(local_means(detail, self._reach))


class RCANDecoder(ShuffleLadderDecoder):
    """Enlarges by sub-pixel convolutions, with residual channel attention blocks at LR resolution and below.

    Source: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", ECCV 2018, with
    means over a window in place of the image (Chu et al., ECCV 2022), so that a tile sees what the image would.
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: RungBlocks = 2,
        fine_width: FineWidth = 16,
        reduction: Annotated[int, Field(ge=1, le=64, description="how much narrower the attention is")] = 8,
        reach: Reach = 4,
    ) -> None:
        super().__init__(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            block=lambda width, stride: nn.Sequential(
                *(_ChannelAttentionBlock(width, reduction, reach) for _ in range(blocks))
            ),
        )
