"""JPEG's losses."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from srzoo.errors import UsageError


def compress(image: Tensor, quality: int, subsample: bool = True) -> Tensor:
    """Write each image as a JPEG file in memory and read it again, on the CPU.

    Args:
        image: (N, 1 or 3, H, W) in [0, 1]; it is rounded to 8 bits.
        quality: 1 to 95, in the scale of libjpeg.
        subsample: Whether colour is kept at half the resolution (4:2:0), as cameras and websites mostly do.

    Returns:
        (N, C, H, W) on the device of ``image``.

    Raises:
        UsageError: The images have another number of channels.
    """
    if image.shape[1] not in (1, 3):
        raise UsageError(f"JPEG holds gray or RGB images, not {image.shape[1]} channels")
    pixels = image.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    decoded = np.stack([_through_jpeg(each, quality, subsample) for each in pixels])
    return torch.from_numpy(decoded).permute(0, 3, 1, 2).contiguous().to(image.device, image.dtype) / 255


def _through_jpeg(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], quality: int, subsample: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(H, W, C) uint8 to the same."""
    from PIL import Image

    gray = pixels.shape[2] == 1
    stream = BytesIO()
    picture = Image.fromarray(pixels[..., 0] if gray else pixels)
    picture.save(stream, "JPEG", quality=quality, subsampling="4:2:0" if subsample else "4:4:4")
    stream.seek(0)
    with Image.open(stream) as opened:
        return np.asarray(opened).reshape(pixels.shape)
