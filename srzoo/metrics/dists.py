"""Deep image structure and texture similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srzoo.fetch import VGG16
from srzoo.library import hub_of, library
from srzoo.metrics.inputs import Pixels, reference, unit_tensor

if TYPE_CHECKING:
    import torch


class StructureTextureDistance:
    """DISTS at the image's own size, by torchmetrics; 0 for equal images.

    Source: Ding, Ma, Wang and Simoncelli, "Image Quality Assessment: Unifying Structure and Texture Similarity", 2020.
    Its authors shrink larger images to 256 pixels on the shorter side; here, as is usual for super-resolution, nothing
    is shrunk, since that would hide the detail in question.

    Args:
        device: Where to compute.

    Raises:
        UsageError: torchmetrics is not installed.
        FetchError: VGG-16's weights are not at hand.
    """

    SMALLEST = 16
    """Height and width, in pixels, of which four halvings leave one."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        torchmetrics = library("torchmetrics.functional.image.dists", "dists")
        self._device = device
        with hub_of(VGG16):
            self._network = torchmetrics.DISTSNetwork().eval().to(device)

    def __call__(self, sr: Pixels, hr: Pixels | None, lr: Pixels | None = None) -> float:
        """See `srzoo.metrics.catalogue.ImageMeasurer`."""
        import torch

        hr = reference("dists", sr, hr, self.SMALLEST)
        with torch.inference_mode():
            return float(self._network(unit_tensor(sr, self._device), unit_tensor(hr, self._device)))
