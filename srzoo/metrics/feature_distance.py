"""Distance of the features that a SqueezeNet sees."""

from __future__ import annotations

import torch

from srzoo.features import SqueezeFeatures, feature_distance, squeezenet_file
from srzoo.fetch import SQUEEZENET
from srzoo.metrics.inputs import Pixels, reference, unit_tensor


class FeatureDistance:
    """`srzoo.features.feature_distance` of SR and HR: what the perceptual loss minimises; 0 for equal images.

    It has LPIPS's form without its learned weights, and is not LPIPS.

    Args:
        device: Where to compute.

    Raises:
        FetchError: SqueezeNet's weights are not at hand.
    """

    SMALLEST = 13
    """Height and width, in pixels, at which SqueezeNet still gives these features."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        file = squeezenet_file()
        self._network = SqueezeFeatures().to(device)
        self.note = "" if file is SQUEEZENET else f"feature_distance is by {file.source}, not by {SQUEEZENET.name}"
        """One line that must stand beside the numbers where they are not by srzoo's own SqueezeNet; else empty."""

    def __call__(self, sr: Pixels, hr: Pixels | None, lr: Pixels | None = None) -> float:
        """See `srzoo.metrics.catalogue.ImageMeasurer`."""
        hr = reference("feature_distance", sr, hr, self.SMALLEST)
        with torch.inference_mode():
            shown, truth = (self._network(unit_tensor(image, self._device)) for image in (sr, hr))
            return float(feature_distance(shown, truth))
