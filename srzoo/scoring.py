"""One scorer for every model: the same images, the same rules, the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any
from typing import Protocol as Interface

import numpy as np

from srzoo.data.pairs import ImagePair, Pixels, data_fingerprint, size_text
from srzoo.errors import DataError, UsageError
from srzoo.metrics import lr_psnr, luma, psnr, ssim
from srzoo.protocol import CLASSIC, Protocol

Progress = Callable[[int, int, str], None]
"""Called after each image with how many are done, how many there are, and the image's name."""

METRICS = ("psnr_y", "ssim_y", "lr_psnr", "seconds")
"""What is measured for each image; PSNR in dB, time in seconds of `upscale` alone."""


class CanUpscale(Interface):
    """What `evaluate` needs of a model."""

    @property
    def scale(self) -> int:
        """Enlargement factor."""

    def upscale(self, image: Any, /) -> Any:
        """Enlarge an (H, W, 3) uint8 array to (scale * H, scale * W, 3) uint8."""


@dataclass(frozen=True)
class Evaluation:
    """What a model scored on a set of images."""

    protocol: Protocol
    """The rules it was measured by."""

    data: dict[str, Any]
    """``fingerprint`` of the decoded pixels, number of ``images`` and ``scale``."""

    images: tuple[dict[str, Any], ...]
    """For each image its ``name`` and one number per entry of `METRICS`."""

    @property
    def mean(self) -> dict[str, float]:
        """Arithmetic mean of each metric over the images; infinite where one image's is."""
        return {metric: sum(image[metric] for image in self.images) / len(self.images) for metric in METRICS}

    def to_dict(self) -> dict[str, Any]:
        """All of it as strict JSON values; an infinite PSNR becomes the string ``"inf"``, which `float` reads."""
        return {
            "protocol": {"name": self.protocol.name, "version": self.protocol.version, "hash": self.protocol.hash},
            "data": dict(self.data),
            "mean": _json(self.mean),
            "images": [_json(image) for image in self.images],
        }


def _json(scores: dict[str, Any]) -> dict[str, Any]:
    return {key: "inf" if value == inf else value for key, value in scores.items()}


def evaluate(
    model: CanUpscale, pairs: Sequence[ImagePair], *, protocol: Protocol = CLASSIC, progress: Progress | None = None
) -> Evaluation:
    """Score a model on image pairs, one image at a time.

    A gray LR image is fed as three equal channels; the rounded mean of the three SR channels is scored as it is,
    full range. For a model that treats channels alike, such as bicubic, that is the same as enlarging the gray image.

    Args:
        model: Anything with ``scale`` and ``upscale``.
        pairs: What to score it on; see `pairs_from_folder` and `sample_pairs`.
        protocol: The rules.
        progress: Called after each image.

    Raises:
        DataError: If there are no pairs, or one is of another scale than the model or too small to be scored.
        UsageError: If the model returns something other than a uint8 image of the right size.
    """
    if not pairs:
        raise DataError("there are no images to evaluate on")
    for pair in pairs:
        _check_pair(pair, model.scale, protocol)
    images = []
    for done, pair in enumerate(pairs, 1):
        sr, seconds = _upscale(model, pair)
        images.append({"name": pair.name, **_scores(sr, pair, protocol), "seconds": seconds})
        if progress is not None:
            progress(done, len(pairs), pair.name)
    data = {"fingerprint": data_fingerprint(pairs), "images": len(pairs), "scale": model.scale}
    return Evaluation(protocol, data, tuple(images))


def _check_pair(pair: ImagePair, scale: int, protocol: Protocol) -> None:
    if pair.scale != scale:
        sizes = f"HR {size_text(pair.hr)} and LR {size_text(pair.lr)}"
        raise DataError(f"{pair.name}: {sizes} make x{pair.scale}, but the model enlarges x{scale}")
    smallest = protocol.ssim_window + 2 * scale
    if min(pair.hr.shape[:2]) < smallest:
        raise DataError(f"{pair.name}: HR {size_text(pair.hr)} is too small to be scored: x{scale} needs {smallest}")


def _upscale(model: CanUpscale, pair: ImagePair) -> tuple[Pixels, float]:
    """SR with the channels of HR, and the seconds it took."""
    gray = pair.lr.ndim == 2
    lr = np.repeat(pair.lr[..., None], 3, axis=2) if gray else pair.lr
    start = perf_counter()
    sr = model.upscale(lr)
    seconds = perf_counter() - start
    expected = (*pair.hr.shape[:2], 3)
    if not isinstance(sr, np.ndarray) or sr.dtype != np.uint8 or sr.shape != expected:
        got = " ".join(str(getattr(sr, name, "")) for name in ("dtype", "shape")).strip() or type(sr).__name__
        raise UsageError(f"{pair.name}: the model should return a uint8 array {expected}, got {got}")
    reduced: Pixels = np.rint(sr.mean(axis=2)).astype(np.uint8) if gray else sr
    return reduced, seconds


def _scores(sr: Pixels, pair: ImagePair, protocol: Protocol) -> dict[str, float]:
    border = slice(pair.scale, -pair.scale)
    cropped = (image[border, border] for image in (sr, pair.hr))
    shown, truth = (luma(image) if image.ndim == 3 else image for image in cropped)
    options = {"data_range": protocol.data_range}
    similarity = ssim(shown, truth, window=protocol.ssim_window, sigma=protocol.ssim_sigma, **options)
    consistency = lr_psnr(sr, pair.lr, edge=protocol.degradation_edge)
    return {"psnr_y": psnr(shown, truth, **options), "ssim_y": similarity, "lr_psnr": consistency}
