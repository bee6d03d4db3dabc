"""Networks that judge patches of an image."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def patch_judge(channels: int, width: int, levels: int) -> nn.Sequential:
    """Strided convolutions to a map of logits (N, 1, about H / 2^levels, about W / 2^levels).

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, with spectral
    normalisation (Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018) in place of
    batch normalisation.

    Args:
        channels: Channels of what is judged, (N, channels, H, W) with H and W at least ``2 ** (levels + 2)``.
        width: Channels of the first level; each level doubles them, up to eight times.
        levels: Strided convolutions.
    """
    layers = nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2))
    channels = width
    for level in range(1, levels + 1):
        out = width * 2 ** min(level, 3)
        stride = 2 if level < levels else 1
        layers.extend([spectral_norm(nn.Conv2d(channels, out, 4, stride, 1)), nn.LeakyReLU(0.2)])
        channels = out
    return layers.append(nn.Conv2d(channels, 1, 4, 1, 1))
