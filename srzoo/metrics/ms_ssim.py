"""Multi-scale structural similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srzoo.library import library
from srzoo.metrics.inputs import Pixels, luma_of, reference

if TYPE_CHECKING:
    import torch


class MultiScaleSimilarity:
    """MS-SSIM of luma, as torchmetrics computes it; 1 for equal images.

    Source: Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003: the
    contrast and structure of five resolutions and the luminance of the coarsest, weighted by 0.0448, 0.2856, 0.3001,
    0.2363 and 0.1333, with SSIM's window and constants. torchmetrics differs from that by less than 1e-5: it counts the
    border at the coarsest resolution, and it is given float32.

    Args:
        device: Where to compute.

    Raises:
        UsageError: torchmetrics is not installed.
    """

    SMALLEST = 176
    """Height and width, in pixels, at which the window still fits at the coarsest resolution."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        functional = library("torchmetrics.functional.image", "ms_ssim")
        self._device = device
        self._similarity = functional.multiscale_structural_similarity_index_measure

    def __call__(self, sr: Pixels, hr: Pixels | None, lr: Pixels | None = None) -> float:
        """See `srzoo.metrics.catalogue.ImageMeasurer`."""
        import torch

        hr = reference("ms_ssim", sr, hr, self.SMALLEST)
        shown, truth = (
            torch.from_numpy(luma_of(image) / 255)[None, None].to(self._device, torch.float32) for image in (sr, hr)
        )
        return float(self._similarity(shown, truth, data_range=1.0))
