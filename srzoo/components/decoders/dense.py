"""Dense connections."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import (
    FineWidth,
    Ladder,
    LadderDecoder,
    PixelShuffle,
    PixelShuffleUpsampler,
    RungWidths,
    conv3x3,
    scale_weights,
)
from srzoo.spec import Spec


class _ResidualDenseBlock(nn.Module):
    """Every layer sees all before it; a 1x1 convolution fuses them into a residual."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv3x3(channels + i * growth, growth) for i in range(layers))
        self.fuse = nn.Conv2d(channels + layers * growth, channels, 1)
        self.activation = nn.ReLU(inplace=True)
        scale_weights(self.fuse, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.layers:
            maps.append(self.activation(layer(torch.cat(maps, dim=1))))
        return x + self.fuse(torch.cat(maps, dim=1))


class DenseDecoder(LadderDecoder):
    """Enlarges by sub-pixel convolutions, with residual dense blocks at LR resolution and below.

    Source: Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018; dense connections from Huang
    et al., "Densely Connected Convolutional Networks", CVPR 2017.
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: Annotated[int, Field(ge=0, le=64, description="dense blocks at each stride from 1 up")] = 1,
        growth: Annotated[int, Field(ge=1, le=512, description="channels that each layer of a block adds")] = 24,
        layers: Annotated[int, Field(ge=1, le=16, description="layers in a block")] = 4,
        fine_width: FineWidth = 16,
    ) -> None:
        ladder = Ladder(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            upsampler=PixelShuffleUpsampler,
            last=PixelShuffle,
            block=lambda width, stride: nn.Sequential(
                *(_ResidualDenseBlock(width, growth, layers) for _ in range(blocks))
            ),
        )
        super().__init__(ladder)
