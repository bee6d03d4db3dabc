"""Luma, as the super-resolution literature takes it and as others do."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError

Definition = Literal["bt601-studio", "bt601-full"]

_WEIGHTS = {
    "bt601-studio": np.array([65.481, 128.553, 24.966]) / 255,
    "bt601-full": np.array([0.299, 0.587, 0.114]),
}
_STRIP = 32
"""Rows handled at once, so that what is worked on stays in the processor's cache."""

_BLACK = {"bt601-studio": 16.0, "bt601-full": 0.0}


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
    return luma_of_levels(rgb)


def luma_of_levels(rgb: NDArray[Any], definition: Definition = "bt601-studio") -> NDArray[np.float64]:
    """Unrounded luma by either definition, also of an image that is not rounded to uint8.

    Args:
        rgb: (H, W, 3) in levels from 0 to 255, of any type.
        definition: ``"bt601-studio"``, with black at 16 and white at 235, or ``"bt601-full"``, from 0 to 255.

    Returns:
        (H, W) float64.
    """
    result = np.empty(rgb.shape[:2])
    for start in range(0, len(rgb), _STRIP):
        strip = slice(start, start + _STRIP)
        np.matmul(rgb[strip].astype(np.float64), _WEIGHTS[definition], out=result[strip])
    result += _BLACK[definition]
    return result
