"""What the evidence scripts share: images as tensors, and distances on maps of SqueezeNet that no loss looked at."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from srzoo.features import SqueezeFeatures

SEEN = ("relu1", "fire2", "fire3")
"""Maps that the perceptual loss of the recipes `reference` and `perceptual` looks at."""

UNSEEN = tuple(name for name in SqueezeFeatures.TAPS if name not in SEEN)
"""The deeper ones, which no loss of theirs looks at."""


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) of 0 to 255 as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


class Distances:
    """Squared distance of unit feature vectors on each of several maps.

    Args:
        taps: Names of the maps.
    """

    def __init__(self, taps: tuple[str, ...] = UNSEEN) -> None:
        self.taps = taps
        self._network = SqueezeFeatures(taps)

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
