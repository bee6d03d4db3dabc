"""Where SR images come from: a model that is fed by the protocol's rules, or whoever has finished them before."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from srzoo.data.pairs import ImagePair
from srzoo.errors import UsageError
from srzoo.protocol import Protocol as Rules
from srzoo.resize import imresize
from srzoo.scale import Scale
from srzoo.scoring.comparison import Comparison, Levels, luma_by, to_bytes


class CanUpscale(Protocol):
    """What `evaluate` needs of a model."""

    @property
    def scale(self) -> Scale:
        """Enlargement factor."""

    def upscale(self, image: Any, /) -> Any:
        """Enlarge an (H, W, 3) array to (scale * H, scale * W, 3), rounded down: uint8 to uint8, or float to float."""


class Made(NamedTuple):
    """What a source gives for an image."""

    image: NDArray[Any]
    """(H, W, 3), or (H, W) from a single-channel file; uint8, or float in [0, 1]."""

    seconds: float | None
    """How long it took; None where it was there before."""


class Source(Protocol):
    """What makes SR images, or has them."""

    @property
    def scale(self) -> Scale:
        """Enlargement factor."""

    @property
    def follows_rules(self) -> bool:
        """Whether LR and rounding of SR are as the protocol has them; finished images are as they are."""

    def make(self, name: str, lr: Levels, shape: tuple[int, ...], *, exact: bool) -> Made:
        """SR of one image.

        Args:
            name: Name of the image pair.
            lr: (H, W, 3) or (H, W), uint8, or float in levels from 0 to 255.
            shape: Height and width that SR must have.
            exact: Whether SR is wanted before it is rounded to uint8.

        Raises:
            UsageError: A model returns something other than an image of the right size.
            DataError: A finished image has another size.
        """


@dataclass(frozen=True)
class ModelSource:
    """A model that enlarges LR."""

    model: CanUpscale
    """The model."""

    follows_rules = True

    @property
    def scale(self) -> Scale:
        """Enlargement factor."""
        return self.model.scale

    def make(self, name: str, lr: Levels, shape: tuple[int, ...], *, exact: bool) -> Made:
        """See `Source.make`; a single channel is fed as three equal ones."""
        fed = np.repeat(lr[..., None], 3, axis=2) if lr.ndim == 2 else lr
        if exact or fed.dtype != np.uint8:
            fed = fed.astype(np.float32) / 255
        start = perf_counter()
        sr = self.model.upscale(fed)
        seconds = perf_counter() - start
        expected = (*shape[:2], 3)
        if not isinstance(sr, np.ndarray) or sr.dtype.kind != fed.dtype.kind or sr.shape != expected:
            got = " ".join(str(getattr(sr, each, "")) for each in ("dtype", "shape")).strip() or type(sr).__name__
            kind = "uint8" if fed.dtype == np.uint8 else "float"
            raise UsageError(f"{name}: the model should return a {kind} array {expected}, got {got}")
        return Made(sr, seconds)


def lr_of(pair: ImagePair, protocol: Rules) -> Levels:
    """The LR image that the protocol starts from: that of the pair, or one that its degradation makes of HR."""
    size = (pair.lr.shape[0], pair.lr.shape[1])
    if protocol.degradation == "cv2-cubic":
        return to_bytes(imresize(pair.hr.astype(np.float64), size=size, kernel="cv2-cubic", edge="clamp"))
    if protocol.degradation == "matlab-y":
        return imresize(_truth(pair, protocol).astype(np.float64), size=size, edge=protocol.degradation_edge)
    return pair.lr


def levels_of(sr: NDArray[Any]) -> Levels:
    """SR as a source gave it in levels from 0 to 255, clamped and not rounded."""
    return sr if sr.dtype == np.uint8 else np.clip(sr * 255, 0, 255)


def compare(sr: NDArray[Any], lr: Levels, pair: ImagePair, protocol: Rules) -> Comparison:
    """SR as a source gave it, with HR and LR, in the channels and with the rounding that the protocol scores."""
    hr = _truth(pair, protocol)
    levels = levels_of(sr)
    if protocol.degradation == "matlab-y":
        # A model was fed luma in three equal channels; a finished file may still be in colour.
        is_colour_file = sr.dtype == np.uint8 and pair.hr.ndim == 3
        levels = _rounded(luma_by(protocol, levels) if is_colour_file else _one_channel(levels), protocol)
        return Comparison(levels, hr, lr, pair.scale, protocol)
    levels = _rounded(levels, protocol)
    if hr.ndim == 2:
        mean = _one_channel(levels)
        levels = np.rint(mean).astype(np.uint8) if protocol.sr_rounding == "uint8" else mean
        return Comparison(levels, hr, lr, pair.scale, protocol)
    return Comparison(_three_channels(levels), hr, _three_channels(lr), pair.scale, protocol)


def _truth(pair: ImagePair, protocol: Rules) -> Levels:
    """HR as it is scored: luma alone, gray as it is, or in colour."""
    if pair.hr.ndim == 2 and protocol.gray == "full-range":
        return pair.hr
    colour = _three_channels(pair.hr)
    if protocol.degradation != "matlab-y":
        return colour
    luma = luma_by(protocol, colour)
    return to_bytes(luma) if protocol.luma_rounding == "uint8" else luma


def _rounded(levels: Levels, protocol: Rules) -> Levels:
    return to_bytes(levels) if protocol.sr_rounding == "uint8" else levels


def _one_channel(levels: Levels) -> Levels:
    return levels if levels.ndim == 2 else levels.mean(axis=2, dtype=np.float64)


def _three_channels(levels: Levels) -> Levels:
    return np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
