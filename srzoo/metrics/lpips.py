"""Learned perceptual image patch similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from srzoo.features import LPIPS_SMALLEST, lpips_network
from srzoo.metrics.inputs import Pixels, reference, unit_tensor

SMALLEST = LPIPS_SMALLEST["alex"]
"""Height and width, in pixels, at which AlexNet still gives features."""


class LearnedDistance:
    """LPIPS, version 0.1, with AlexNet, by torchmetrics; 0 for equal images.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.

    Args:
        device: Where to compute.

    Raises:
        UsageError: torchmetrics is not installed.
        FetchError: AlexNet's weights are not at hand.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._network = lpips_network("alex", "lpips").to(device)

    def __call__(self, sr: Pixels, hr: Pixels | None, lr: Pixels | None = None) -> float:
        """See `srzoo.metrics.catalogue.ImageMeasurer`."""
        hr = reference("lpips", sr, hr, SMALLEST)
        return float(_measure(self._network, sr, hr, self._device))


class DistanceMaps:
    """LPIPS for each pixel: the distances of each layer enlarged bilinearly to the image's size and summed.

    Args and errors are those of `LearnedDistance`.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._network = lpips_network("alex", "lpips").to(device)
        self._network.spatial = True

    def __call__(self, sr: Pixels, hr: Pixels) -> NDArray[np.float64]:
        """(SR, HR) of one shape to a map (H, W)."""
        reference("the map of lpips", sr, hr, SMALLEST)
        distances: NDArray[np.float64] = _measure(self._network, sr, hr, self._device)[0, 0].double().cpu().numpy()
        return distances


def _measure(network: Any, sr: Pixels, hr: Pixels, device: torch.device | str) -> Any:
    with torch.inference_mode():
        return network(unit_tensor(sr, device), unit_tensor(hr, device), normalize=True)
