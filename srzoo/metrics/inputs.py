"""What the metrics take in: uint8 images, checked, as luma or as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError
from srzoo.metrics.luma import luma

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB or (H, W) gray."""


def check_image(metric: str, image: NDArray[Any], smallest: int = 1) -> None:
    """Refuse what is no image, or too small a one.

    Args:
        metric: Who asks, for the message.
        image: Should be (H, W, 3) or (H, W) uint8.
        smallest: Height and width, in pixels, that it must have at least.

    Raises:
        UsageError: It is something else, or too small.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise UsageError(f"{metric} takes (H, W, 3) or (H, W) uint8 images, got {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < smallest:
        raise UsageError(f"{metric} needs at least {smallest}x{smallest} pixels, got {width}x{height}")


def reference(metric: str, sr: Pixels, hr: Pixels | None, smallest: int = 1) -> Pixels:
    """HR, checked together with SR.

    Raises:
        UsageError: There is no HR, SR has another shape, or they are no images or too small; see `check_image`.
    """
    check_image(metric, sr, smallest)
    if hr is None:
        raise UsageError(f"{metric} compares with HR, and there is none; niqe needs none")
    check_image(metric, hr, smallest)
    if sr.shape != hr.shape:
        raise UsageError(f"{metric} takes SR and HR of one shape, got {sr.shape} and {hr.shape}")
    return hr


def check_samples(metric: str, samples: Sequence[Pixels], hr: Pixels, smallest: int = 1) -> None:
    """Refuse fewer than two samples, and samples that do not fit HR.

    Raises:
        UsageError: As said.
    """
    if len(samples) < 2:
        raise UsageError(f"{metric} needs at least 2 samples of each image, got {len(samples)}")
    for sample in samples:
        reference(metric, sample, hr, smallest)


def luma_of(image: Pixels) -> NDArray[np.float64]:
    """Unrounded luma (H, W) of a colour image; a gray one as it is, full range."""
    return luma(image) if image.ndim == 3 else image.astype(np.float64)


def unit_tensor(image: Pixels, device: torch.device | str) -> Tensor:
    """The image as float32 RGB (1, 3, H, W) in [0, 1]; gray in three equal channels."""
    import torch

    from srzoo.pixels import to_tensor

    return to_tensor(image, torch.device(device))[0]


def byte_tensor(image: Pixels, device: torch.device | str) -> Tensor:
    """The image as uint8 RGB (1, 3, H, W); gray in three equal channels."""
    import torch

    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    return torch.from_numpy(np.ascontiguousarray(colour.transpose(2, 0, 1)))[None].to(device)
