"""PSNR of several samples of one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from srzoo.metrics.inputs import Pixels, check_samples, luma_of
from srzoo.metrics.psnr import psnr


def luma_psnr(sr: Pixels, hr: Pixels, border: int) -> float:
    """PSNR in dB on luma, by the rules of the protocol ``classic``.

    Args:
        sr: (H, W, 3) or (H, W) uint8.
        hr: The same shape.
        border: Pixels cropped at each side.
    """
    inside = slice(border, -border if border else None)
    return psnr(luma_of(sr)[inside, inside], luma_of(hr)[inside, inside])


def mean_image(samples: Sequence[Pixels]) -> Pixels:
    """Mean of the samples at each pixel, rounded to uint8."""
    return np.rint(np.mean(samples, axis=0)).astype(np.uint8)


def measure_best(samples: Sequence[Pixels], hr: Pixels, lr: Pixels) -> dict[str, float]:
    """`luma_psnr` of the sample with the highest, a border of the scale cropped: what a user who may choose can have.

    See `srzoo.metrics.catalogue.SamplesMeasurer`.
    """
    check_samples("best_of_n", samples, hr, _smallest(hr, lr))
    return {"best_of_n": max(luma_psnr(sample, hr, _scale(hr, lr)) for sample in samples)}


def measure_mean(samples: Sequence[Pixels], hr: Pixels, lr: Pixels) -> dict[str, float]:
    """`luma_psnr` of the `mean_image` of the samples, a border of the scale cropped.

    Of samples that are true draws given LR the mean has the highest PSNR of all; see Blau and Michaeli, "The
    Perception-Distortion Tradeoff", CVPR 2018.

    See `srzoo.metrics.catalogue.SamplesMeasurer`.
    """
    check_samples("mean_of_samples", samples, hr, _smallest(hr, lr))
    return {"mean_of_samples": luma_psnr(mean_image(samples), hr, _scale(hr, lr))}


def _scale(hr: Pixels, lr: Pixels) -> int:
    return int(hr.shape[0] // lr.shape[0])


def _smallest(hr: Pixels, lr: Pixels) -> int:
    """Height and width that leave a pixel when the border is cropped."""
    return 2 * _scale(hr, lr) + 1
