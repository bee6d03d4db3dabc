"""What networks trained on ImageNet see in an image: the ground of perceptual losses and of metrics like them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.errors import OptionError
from srzoo.fetch import (
    ALEXNET,
    SQUEEZENET,
    SQUEEZENET_1_1,
    SQUEEZENET_TORCHVISION,
    VGG16,
    VGG19,
    PinnedFile,
    find,
    locate,
)
from srzoo.library import library
from srzoo.messages import suggestion

Weights = dict[str, Tensor]
"""A network's state under torchvision's names."""


class Tap(NamedTuple):
    """A place in a network whose map can be looked at."""

    layer: int
    """Which of torchvision's ``features`` puts it out."""

    smallest: int
    """Height and width of the image, in pixels, at which the map still has a position."""

    activation: float = 1.0
    """How large its values are, a mean over the embedded photos; 1 where that was not measured."""


class FeatureNetwork(nn.Module, ABC):
    """A frozen ImageNet network of torchvision's, cut off behind the deepest map that is wanted.

    Args:
        taps: Names of the maps, see `TAPS`; `USUAL` if empty.
        unit: Scale each position's vector to unit length; or else each map as a whole, by how large its
            values usually are. The network's own way if None.

    Raises:
        OptionError: It has no such map.
        FetchError: Its weights are not at hand.
    """

    TAPS: ClassVar[Mapping[str, Tap]]
    """Every map by name, fine to deep."""

    USUAL: ClassVar[tuple[str, ...]]
    """Names of the maps that are looked at unless others are named."""

    UNIT: ClassVar[bool]
    """Whether vectors are scaled to unit length unless told otherwise."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, taps: Sequence[str] = (), *, unit: bool | None = None) -> None:
        super().__init__()
        chosen = [self._tap(name) for name in taps or self.USUAL]
        self._activations = {tap.layer: tap.activation for tap in sorted(chosen)}
        self.unit = self.UNIT if unit is None else unit
        self.min_size = max(tap.smallest for tap in chosen)
        """Smallest height and width, in pixels, that it can take."""
        self.features = self._layers()[: max(self._activations) + 1].eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    @classmethod
    def _tap(cls, name: str) -> Tap:
        if name not in cls.TAPS:
            raise OptionError(
                f"{cls.__name__} has no map {name!r}{suggestion(name, cls.TAPS)}: its maps are {', '.join(cls.TAPS)}"
            )
        return cls.TAPS[name]

    @abstractmethod
    def _layers(self) -> nn.Sequential:
        """The trained ``features`` of torchvision's network."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """RGB (N, 3, H, W) in [0, 1] to one float32 map (N, C, h, w) per tap, fine to deep."""
        x = (image - self.mean) / self.deviation
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if activation := self._activations.get(index):
                maps.append(F.normalize(x.float(), dim=1, eps=1e-6) if self.unit else x.float() / activation)
        return maps

    def distance(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """What sets maps (N, C, h, w) of this network apart: a scalar >= 0.

        `feature_distance` of vectors of unit length, else `absolute_distance`.
        """
        return (feature_distance if self.unit else absolute_distance)(first, second)


class SqueezeFeatures(FeatureNetwork):
    """Feature maps of an ImageNet SqueezeNet 1.0, each position's vector scaled to unit length unless told otherwise.

    Source: Iandola et al., "SqueezeNet", 2016; the unit length is that of Zhang et al., "The Unreasonable Effectiveness
    of Deep Features as a Perceptual Metric", CVPR 2018.
    """

    TAPS: ClassVar = {
        "relu1": Tap(1, 7, 17),
        "fire2": Tap(3, 9, 75),
        "fire3": Tap(4, 9, 150),
        "fire4": Tap(5, 9, 100),
        "fire5": Tap(7, 13, 180),
        "fire6": Tap(8, 13, 69),
        "fire7": Tap(9, 13, 54),
        "fire8": Tap(10, 13, 14),
        "fire9": Tap(12, 21, 9),
    }
    USUAL: ClassVar = ("relu1", "fire3", "fire5", "fire7")
    UNIT: ClassVar = True

    def _layers(self) -> nn.Sequential:
        from torchvision.models import squeezenet1_0

        return _trained(squeezenet1_0, squeezenet_weights())


def _vgg19_taps() -> dict[str, Tap]:
    """The maps of five blocks of 2, 2, 4, 4 and 4 convolutions, each block behind one more halving."""
    taps, index = {}, 0
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1):
        for number in range(1, convolutions + 1):
            taps[f"conv{block}_{number}"] = Tap(index, 2 ** (block - 1))
            taps[f"relu{block}_{number}"] = Tap(index + 1, 2 ** (block - 1))
            index += 2
        index += 1
    return taps


class VGGFeatures(FeatureNetwork):
    """Feature maps of an ImageNet VGG-19; ``conv5_4`` is the map before the activation, ``relu5_4`` the one behind it.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
    """

    TAPS: ClassVar = _vgg19_taps()
    USUAL: ClassVar = ("conv5_4",)
    UNIT: ClassVar = False

    def _layers(self) -> nn.Sequential:
        from torchvision.models import vgg19

        layers = _trained(vgg19, _load(VGG19))
        for layer in layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # or else it would change the map before it
        return layers


NetworkName = Literal["squeezenet", "vgg19"]
"""What a loss may look through."""

NETWORKS: Mapping[NetworkName, type[FeatureNetwork]] = {"squeezenet": SqueezeFeatures, "vgg19": VGGFeatures}
"""The networks by name."""


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


def absolute_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of features in each map, averaged over maps.

    Args:
        first: Maps (N, C, h, w), as `VGGFeatures` gives them.
        second: Maps of the same shapes.

    Returns:
        A scalar >= 0.
    """
    return torch.stack([(a - b).abs().mean() for a, b in zip(first, second, strict=True)]).mean()


LPIPSNetwork = Literal["alex", "vgg", "squeeze"]
"""What LPIPS can look through: AlexNet, VGG-16 or SqueezeNet 1.1."""

LPIPS_SMALLEST: Mapping[LPIPSNetwork, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Height and width, in pixels, at which each still gives features."""


def lpips_network(network: LPIPSNetwork, asker: str) -> Any:
    """LPIPS, version 0.1, as torchmetrics computes it, frozen.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.

    Args:
        network: What it looks through.
        asker: Who needs it, for messages.

    Returns:
        A module from two images (N, 3, H, W) in [0, 1] and ``normalize=True`` to distances (N, 1, 1, 1).

    Raises:
        MissingLibraryError: torchmetrics is not installed.
        FetchError: The network's weights are not at hand.
    """
    torchmetrics = library("torchmetrics.functional.image.lpips", asker)
    weights = _load({"alex": ALEXNET, "vgg": VGG16, "squeeze": SQUEEZENET_1_1}[network])
    with torch.random.fork_rng(devices=[]):
        # Without pnet_rand torchmetrics would let torchvision download and read the file as it likes.
        module = torchmetrics._NoTrainLpips(net=network, pnet_rand=True)
    with torch.no_grad():
        for name, parameter in module.net.named_parameters():
            parameter.copy_(weights["features." + re.sub(r"^slices?\.?\d+\.", "", name)])
    return module


def squeezenet_file() -> PinnedFile:
    """The SqueezeNet in use: the one that the shipped models were trained with where it is at hand, else torchvision's.

    Raises:
        FetchError: A file of that name holds other bytes.
    """
    return SQUEEZENET if find(SQUEEZENET) else SQUEEZENET_TORCHVISION


def squeezenet_weights() -> Weights:
    """ImageNet weights of SqueezeNet 1.0 under torchvision's names; see `squeezenet_file`.

    Raises:
        FetchError: The file is not at hand and cannot be downloaded.
    """
    return _load(squeezenet_file())


def _load(pinned: PinnedFile) -> Weights:
    """Read tensors, and nothing that runs."""
    path = locate(pinned)
    if path.suffix == ".safetensors":
        return load_file(path)
    weights: Weights = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _trained(build: Callable[..., Any], weights: Weights) -> nn.Sequential:
    """The ``features`` of a network of torchvision's, which is not filled with random weights first."""
    with torch.device("meta"):
        network = build(weights=None)
    network.load_state_dict(weights, assign=True)
    features: nn.Sequential = network.features
    return features
