"""Dense connections."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srzoo.layers.blocks import conv3x3, scale_weights


class ResidualDenseBlock(nn.Module):
    """Every layer sees all before it; a last convolution fuses them into a residual.

    Source: Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018.

    Args:
        channels: Channels of the map.
        growth: Channels that each layer adds.
        layers: Layers before the last.
        kernel: Side of the last convolution.
    """

    def __init__(self, channels: int, growth: int, layers: int, kernel: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv3x3(channels + i * growth, growth) for i in range(layers))
        self.fuse = nn.Conv2d(channels + layers * growth, channels, kernel, padding=kernel // 2)
        self.activation = nn.ReLU(inplace=True)
        scale_weights(self.fuse, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        maps = [x]
        for layer in self.layers:
            maps.append(self.activation(layer(torch.cat(maps, dim=1))))
        return x + self.fuse(torch.cat(maps, dim=1))
