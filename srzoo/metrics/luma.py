"""Luma as the super-resolution literature takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError

_RGB_TO_LUMA = np.array([65.481, 128.553, 24.966]) / 255


def luma(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """BT.601 studio-range luma, unrounded, as MATLAB's ``rgb2ycbcr`` defines it.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) float64 in [16, 235].

    Raises:
        UsageError: If ``rgb`` is not (H, W, 3) uint8.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise UsageError(f"luma takes an (H, W, 3) uint8 array, got {rgb.dtype} {rgb.shape}")
    result: NDArray[np.float64] = rgb.reshape(-1, 3) @ _RGB_TO_LUMA
    return result.reshape(rgb.shape[:2]) + 16
