"""The Haar wavelet."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def haar(image: Tensor) -> Tensor:
    """One level of the orthonormal Haar transform.

    Source: Mallat, "A Theory for Multiresolution Signal Decomposition: The Wavelet Representation", PAMI 1989.

    Args:
        image: (N, C, H, W) with even H and W.

    Returns:
        (N, 4C, H / 2, W / 2): for each channel the mean, the horizontal, the vertical and the diagonal detail.
    """
    pixels = F.pixel_unshuffle(image, 2)
    top_left, top_right, bottom_left, bottom_right = (pixels[:, corner::4] for corner in range(4))
    top, bottom = top_left + top_right, bottom_left + bottom_right
    top_step, bottom_step = top_left - top_right, bottom_left - bottom_right
    bands = torch.stack([top + bottom, top_step + bottom_step, top - bottom, top_step - bottom_step], dim=2)
    return bands.flatten(1, 2) / 2
