"""What an ImageNet SqueezeNet sees in an image: the ground of the perceptual loss and of the feature distance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.fetch import SQUEEZENET, SQUEEZENET_TORCHVISION, PinnedFile, find, locate


class SqueezeFeatures(nn.Module):
    """Feature maps of an ImageNet SqueezeNet, each position's vector scaled to unit length.

    Source: Iandola et al., "SqueezeNet", 2016; the unit length is that of Zhang et al., "The Unreasonable Effectiveness
    of Deep Features as a Perceptual Metric", CVPR 2018.
    """

    TAPS = (1, 4, 7, 9)
    """Indices, in torchvision's ``squeezenet1_0().features``, whose outputs are compared."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import squeezenet1_0

        with torch.random.fork_rng(devices=[]):
            network = squeezenet1_0(weights=None)
        network.load_state_dict(squeezenet_weights())
        self.features = network.features[: self.TAPS[-1] + 1].eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        """RGB (N, 3, H, W) in [0, 1] to one float32 map (N, C, h, w) per tap, fine to deep."""
        x = (image - self.mean) / self.deviation
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.TAPS:
                maps.append(F.normalize(x.float(), dim=1, eps=1e-6))
        return maps


def feature_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Squared distance of unit feature vectors: summed over channels, averaged over positions, then over maps.

    Args:
        first: Maps (N, C, h, w), as `SqueezeFeatures` gives them.
        second: Maps of the same shapes.

    Returns:
        A scalar in [0, 2].
    """
    distances = [(a - b).square().sum(dim=1).mean() for a, b in zip(first, second, strict=True)]
    return torch.stack(distances).mean()


def squeezenet_file() -> PinnedFile:
    """The SqueezeNet in use: the one that the shipped models were trained with where it is at hand, else torchvision's.

    Raises:
        FetchError: A file of that name holds other bytes.
    """
    return SQUEEZENET if find(SQUEEZENET) else SQUEEZENET_TORCHVISION


def squeezenet_weights() -> dict[str, Tensor]:
    """ImageNet weights of SqueezeNet 1.0 under torchvision's names; see `squeezenet_file`.

    Raises:
        FetchError: The file is not at hand and cannot be downloaded.
    """
    pinned = squeezenet_file()
    path = locate(pinned)
    if pinned is SQUEEZENET:
        return load_file(path)
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
