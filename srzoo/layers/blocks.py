"""Convolutions, residual blocks, and steps from stride to stride."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.spec import prime_factors


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1 and divides a whole multiple by ``stride`` otherwise."""
    return nn.Conv2d(
        channels_in, channels_out, 3 if stride <= 2 else 2 * (stride // 2) + 1, stride, max(1, stride // 2)
    )


def scale_weights(module: nn.Module, factor: float) -> None:
    """Multiply the weights of a convolution in place, so that a residual branch starts small."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(factor)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position.

    Source: Ba et al., "Layer Normalization", 2016.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))), without normalisation.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017. The second
    convolution starts at a tenth of its usual weights in place of that paper's residual scaling.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv3x3(channels, channels)
        self.second = conv3x3(channels, channels)
        self.activation = nn.ReLU(inplace=True)
        scale_weights(self.second, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return x + self.second(self.activation(self.first(x)))


def residual_blocks(channels: int, count: int) -> nn.Sequential:
    """``count`` residual blocks in a row."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def local_means(x: Tensor, reach: int) -> Tensor:
    """Mean of each channel of (N, C, H, W) over ``reach`` positions to each side, fewer at the border.

    Source: Chu et al., "Improving Image Restoration by Revisiting Global Information Aggregation", ECCV 2022: with
    means over a window in place of the image, a tile sees what the image would.
    """
    return F.avg_pool2d(x, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)


class Downsampler(nn.Sequential):
    """Strided convolutions that shrink by ``factor``, one prime factor after another."""

    def __init__(self, channels_in: int, channels_out: int, factor: int) -> None:
        steps = prime_factors(factor) or [1]
        layers: list[nn.Module] = []
        for index, step in enumerate(steps):
            layers += [conv3x3(channels_out if index else channels_in, channels_out, step), nn.LeakyReLU(0.1)]
        super().__init__(*layers)


class PixelShuffle(nn.Sequential):
    """Convolution, then depth to space.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network", CVPR 2016. All sub-pixels of a channel start from equal weights, which starts without a
    checkerboard (Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017).
    """

    def __init__(self, channels_in: int, channels_out: int, factor: int) -> None:
        convolution = conv3x3(channels_in, channels_out * factor**2)
        with torch.no_grad():
            for parameter in (convolution.weight, convolution.bias):
                assert parameter is not None
                parameter.copy_(parameter[:: factor**2].repeat_interleave(factor**2, dim=0))
        super().__init__(convolution, nn.PixelShuffle(factor))


class PixelShuffleUpsampler(PixelShuffle):
    """`PixelShuffle` with a leaky ReLU."""

    def __init__(self, channels_in: int, channels_out: int, factor: int) -> None:
        super().__init__(channels_in, channels_out, factor)
        self.append(nn.LeakyReLU(0.1))
