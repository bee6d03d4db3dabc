"""How far samples of one image differ where it matters: nearer HR in one place by one, in another place by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from srzoo.metrics.inputs import Pixels, check_samples
from srzoo.metrics.lpips import DistanceMaps

if TYPE_CHECKING:
    import torch

_MULTIPLE = 8
_SMALLEST = 32


def diversity(maps: NDArray[np.float64]) -> float:
    """(best sample as a whole - best sample of each pixel) / best sample as a whole, in per cent.

    Source: Lugmayr, Danelljan and Timofte, "NTIRE 2021 Learning the Super-Resolution Space Challenge", CVPRW 2021.

    Args:
        maps: Distance of each sample from HR at each pixel: (samples, H, W), none negative.

    Returns:
        0 where one sample is the nearest everywhere, towards 100 the more the samples complement one another; 0 where
        a sample equals HR.
    """
    whole = maps.mean(axis=(1, 2)).min()
    if whole == 0:
        return 0.0
    return float(100 * (whole - maps.min(axis=0).mean()) / whole)


class Diversity:
    """`diversity` on maps of LPIPS: the challenge's own score.

    As the challenge's script does, HR and samples are cropped at the right and the bottom to multiples of 8 pixels.
    The challenge draws 10 samples per image, and counts a score only where LR-PSNR reaches 45 dB.

    Args:
        device: Where to compute.

    Raises:
        UsageError: torchmetrics is not installed.
        FetchError: AlexNet's weights are not at hand.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._distances = DistanceMaps(device)

    def __call__(self, samples: Sequence[Pixels], hr: Pixels, lr: Pixels) -> dict[str, float]:
        """See `srzoo.metrics.catalogue.SamplesMeasurer`."""
        check_samples("diversity", samples, hr, _SMALLEST)
        height, width = (length // _MULTIPLE * _MULTIPLE for length in hr.shape[:2])
        truth = hr[:height, :width]
        maps = [self._distances(sample[:height, :width], truth) for sample in samples]
        return {"diversity": diversity(np.stack(maps))}


def measure_squared_errors(samples: Sequence[Pixels], hr: Pixels, lr: Pixels) -> dict[str, float]:
    """`diversity` on squared error, its mean over channels at each pixel.

    Never to be set beside `Diversity`: white noise alone lifts this one to 20 and more.

    See `srzoo.metrics.catalogue.SamplesMeasurer`.
    """
    check_samples("diversity_mse", samples, hr)
    errors = np.square(np.stack(samples).astype(np.float64) - hr)
    maps = errors.mean(axis=3) if hr.ndim == 3 else errors
    return {"diversity_mse": diversity(maps)}
