"""What the evidence scripts share: images and models to judge, and distances on maps that no loss looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from srzoo.data.pairs import ImagePair, pairs_from_folder
from srzoo.features import SqueezeFeatures

SEEN = ("relu1", "fire2", "fire3")
"""Maps of SqueezeNet that the perceptual loss of the recipes `reference` and `perceptual` looks at."""

UNSEEN = tuple(name for name in SqueezeFeatures.TAPS if name not in SEEN)
"""The deeper ones, which no loss of theirs looks at."""


SETS = {"validation": "val/DIV2Kvalid_256crop", "Set14": "test/Set14/X4", "BSD100": "test/BSD100/X4"}
MOST = {"BSD100": 30}
"""Images of a set that are judged unless told otherwise, where not all are; the first ones."""
SHIPPED = ("reference-fidelity", "reference-perceptual", "reference", "large-fidelity", "large")
SAMPLED = ("reference", "large")
"""Those whose samples are judged as well, at temperature 1."""

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def evidence_options(function: AnyFunction) -> AnyFunction:
    """Give a script what is judged (``data``, ``sets``, ``most``, ``models``), ``efficientnet`` and ``output``."""
    a_file = click.Path(exists=True, dir_okay=False, path_type=Path)
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    options = (
        click.option("--data", type=folder, required=True),
        click.option("--sets", default=",".join(SETS), show_default=True),
        click.option("--most", type=click.IntRange(1), help="Images of each set.  [default: all; of BSD100 30]"),
        click.option("--efficientnet", type=a_file, help="Its weights, as timm has them."),
        click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path)),
        click.argument("models", nargs=-1),
    )
    for option in reversed(options):
        function = option(function)
    return function


def judged_pairs(data: Path, name: str, most: int | None) -> list[ImagePair]:
    """The images of a set that are judged, ``most`` of them at most."""
    return list(pairs_from_folder(data / SETS[name], 4))[: most or MOST.get(name)]


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) of 0 to 255 as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


class Distances:
    """Squared distance of unit feature vectors on each of several maps.

    Args:
        taps: Names of the maps.
        network: RGB (1, 3, H, W) in [0, 1] to maps (1, C, h, w) of unit vectors, one for each name.
    """

    def __init__(self, taps: tuple[str, ...], network: Callable[[Tensor], list[Tensor]]) -> None:
        self.taps = taps
        self._network = network

    @torch.inference_mode()
    def maps(self, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> list[Tensor]:
        """One (h, w) map of distances for each tap."""
        shown, truth = (self._network(as_tensor(image)) for image in (sr, hr))
        return [(a - b).square().sum(dim=1)[0] for a, b in zip(shown, truth, strict=True)]

    def means(self, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> dict[str, float]:
        """Mean distance by tap."""
        return {tap: float(each.mean()) for tap, each in zip(self.taps, self.maps(sr, hr), strict=True)}

    def at_each_pixel(self, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(H, W): the mean over taps, each enlarged to the image."""
        size = hr.shape[:2]
        large = [F.interpolate(each[None, None], size, mode="bilinear")[0, 0] for each in self.maps(sr, hr)]
        return torch.stack(large).mean(dim=0).double().numpy()


def by_squeezenet(taps: tuple[str, ...] = UNSEEN) -> Distances:
    """Distances on maps of SqueezeNet 1.0; its shallow ones are what the perceptual loss looks at."""
    return Distances(taps, SqueezeFeatures(taps))


def by_efficientnet(weights: Path | None = None) -> Distances:
    """Distances on the maps of `efficientnet_maps`."""
    taps, network = efficientnet_maps(weights)
    return Distances(taps, lambda image: [F.normalize(each, dim=1, eps=1e-6) for each in network(image)])


def efficientnet_maps(weights: Path | None = None) -> tuple[tuple[str, ...], Callable[[Tensor], list[Tensor]]]:
    """EfficientNet-Lite0, which had no part in any training here: a map behind each of its five strides, by name.

    Source: Tan and Le, "EfficientNet", ICML 2019, in the variant Lite; weights of timm's `tf_efficientnet_lite0`.

    Args:
        weights: Their file; downloaded if None.
    """
    import timm  # not for those who judge by SqueezeNet alone

    where = None if weights is None else {"file": str(weights)}
    network = timm.create_model("tf_efficientnet_lite0.in1k", True, pretrained_cfg_overlay=where, features_only=True)
    network.eval()
    return tuple(f"stride{stride}" for stride in network.feature_info.reduction()), lambda image: network(2 * image - 1)


def with_noise(mean: Tensor, deviation: Tensor, samples: int, seed: int) -> Tensor:
    """(samples, 1, 3, H, W) of (1, 3, H, W): the mean and independent noise of that deviation at each pixel."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(samples, *mean.shape, generator=generator)
    return (mean + noise * deviation).clamp(0, 1)
