"""The rules of a protocol, applied to one SR image and its HR image."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srzoo.metrics import lr_psnr, psnr, ssim
from srzoo.metrics.luma import luma_of_levels
from srzoo.metrics.psnr import mean_squared_error, psnr_of_error
from srzoo.protocol import Protocol
from srzoo.resize import imresize
from srzoo.scale import Scale

Levels = NDArray[Any]
"""(H, W, 3) RGB or (H, W), uint8, or float in levels from 0 to 255."""


class Error(NamedTuple):
    """The squared error of one image."""

    mean: float
    """Its mean, in squared levels, with what the protocol adds to it."""

    values: int
    """How many values it is the mean of."""


class Comparison:
    """An LR image, what was made of it, and the truth, under a protocol.

    Args:
        sr: SR with the channels that are scored, rounded or not as the protocol has it.
        hr: HR of the same shape.
        lr: LR.
        scale: Enlargement factor.
        protocol: The rules.
    """

    def __init__(self, sr: Levels, hr: Levels, lr: Levels, scale: Scale, protocol: Protocol) -> None:
        self.sr = sr
        self.hr = hr
        self.lr = lr
        self._protocol = protocol
        self._border = border_of(protocol, scale)
        self._planes: dict[str, tuple[Levels, Levels]] = {}

    def measure(self, metric: str) -> float:
        """One of the protocol's own metrics by name, such as ``psnr_y``."""
        kind, _, colour = metric.partition("_")
        if kind == "psnr":
            return psnr_of_set([self.squared_error(colour)], self._protocol)
        return self.similarity(colour) if kind == "ssim" else self.consistency()

    def squared_error(self, colour: str) -> Error:
        """What PSNR is made from, on luma (``y``) or all channels (``rgb``); a single channel is compared as it is."""
        sr, hr = self._compared(colour, rounded=self._protocol.luma_rounding == "uint8")
        error = mean_squared_error(sr, hr)
        return Error(error + self._protocol.psnr_epsilon * self._protocol.data_range**2, hr.size)

    def similarity(self, colour: str) -> float:
        """SSIM, likewise; of three channels the mean."""
        rules = self._protocol
        sr, hr = self._compared(colour, rounded=rules.luma_rounding != "none")
        data_range = rules.data_range
        if rules.ssim_range == "measured":
            data_range = max(float(np.ptp(image)) for image in (sr, hr)) or data_range
        planes = [(sr, hr)] if hr.ndim == 2 else [(sr[..., channel], hr[..., channel]) for channel in range(3)]
        values = [
            ssim(
                *pair,
                data_range=data_range,
                weights=rules.ssim_weights,
                window=rules.ssim_window,
                sigma=rules.ssim_sigma,
                covariance=rules.ssim_covariance,
                edge=rules.ssim_edge,
                structure=rules.ssim_structure,
            )
            for pair in planes
        ]
        return sum(values) / len(values)

    def consistency(self) -> float:
        """LR-PSNR."""
        edge = self._protocol.degradation_edge
        if self._protocol.lr_psnr == "rgb-uint8":
            return lr_psnr(to_bytes(self.sr), to_bytes(self.lr), edge=edge)
        sr, lr = (image if image.ndim == 2 else luma_by(self._protocol, image) for image in (self.sr, self.lr))
        return psnr(imresize(sr.astype(np.float64), size=(lr.shape[0], lr.shape[1]), edge=edge), lr)

    def _compared(self, colour: str, *, rounded: bool) -> tuple[Levels, Levels]:
        """SR and HR inside the border, on what is compared."""
        if colour not in self._planes:
            inside = slice(self._border, -self._border or None)
            sr, hr = (image[inside, inside] for image in (self.sr, self.hr))
            if colour == "y" and hr.ndim == 3:
                sr, hr = (luma_by(self._protocol, image) for image in (sr, hr))
            self._planes[colour] = sr, hr
        sr, hr = self._planes[colour]
        is_luma = colour == "y" and self.hr.ndim == 3
        return (np.rint(sr), np.rint(hr)) if rounded and is_luma else (sr, hr)


def psnr_of_set(errors: Sequence[Error], protocol: Protocol) -> float:
    """PSNR of a set of images, as the protocol aggregates it."""
    if protocol.aggregation == "mean-of-images":
        return sum(psnr_of_error(each.mean, data_range=protocol.data_range) for each in errors) / len(errors)
    weights = [each.values if protocol.aggregation == "pooled" else 1 for each in errors]
    mean = sum(weight * each.mean for weight, each in zip(weights, errors, strict=True)) / sum(weights)
    return psnr_of_error(mean, data_range=protocol.data_range)


def luma_by(protocol: Protocol, image: Levels) -> NDArray[np.float64]:
    """Unrounded luma of (H, W, 3) as the protocol defines it."""
    return luma_of_levels(image[..., ::-1] if protocol.channel_order == "bgr" else image, protocol.luma)


def border_of(protocol: Protocol, scale: Scale) -> int:
    """Pixels cropped at each side; a scale that is not whole is rounded up."""
    return ceil(scale) if isinstance(protocol.border, str) else protocol.border


def smallest_side(protocol: Protocol, scale: Scale) -> int:
    """Height and width in HR pixels that SSIM's window needs inside the border."""
    return protocol.ssim_window + 2 * border_of(protocol, scale)


def to_bytes(image: Levels) -> NDArray[np.uint8]:
    """Clamp and round to uint8, halves upward."""
    if image.dtype == np.uint8:
        return image
    return np.clip(np.floor(image + 0.5), 0, 255).astype(np.uint8)
