"""Every metric beyond the protocol's own by name, imported only when it is started.

PSNR, SSIM and LR-PSNR belong to the protocol and the scorer (`srzoo.scoring`). The metrics here take their own rules
from their papers: they see whole images, no border cropped, unless their text says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from srzoo.errors import UsageError
from srzoo.messages import suggestion

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

Level = Literal["image", "set", "samples"]
"""What one number is about: an image, a whole set of images, or the samples drawn for an image."""


class ImageMeasurer(Protocol):
    """Measures one image at a time."""

    def __call__(self, sr: Pixels, hr: Pixels | None, lr: Pixels | None, /) -> float:
        """(SR, HR, LR), each (H, W, 3) or (H, W) uint8, to a number; a metric without a reference looks at SR alone.

        Raises:
            UsageError: The image is too small for the metric, or SR and HR differ in shape.
        """


class SetMeasurer(Protocol):
    """Gathers images, then measures all of them together."""

    @property
    def note(self) -> str:
        """One line that must stand beside the number, such as that there are too few images; else empty."""

    def add(self, sr: Pixels, hr: Pixels, /) -> None:
        """Take one more SR image and its HR image, each (H, W, 3) or (H, W) uint8."""

    def result(self) -> float:
        """The number for all images taken so far.

        Raises:
            UsageError: There are too few images for a number.
        """


class SamplesMeasurer(Protocol):
    """Measures all samples that a stochastic model drew for one LR image."""

    def __call__(self, samples: Sequence[Pixels], hr: Pixels, lr: Pixels, /) -> dict[str, float]:
        """(samples, HR, LR), images (H, W, 3) or (H, W) uint8, to numbers by name; one has the metric's own name.

        Raises:
            UsageError: There are fewer than two samples, or they and HR differ in shape.
        """


Measurer = ImageMeasurer | SetMeasurer | SamplesMeasurer


def note_of(measurer: Measurer) -> str:
    """One line that must stand beside a measurer's numbers, whatever its level; empty where none must.

    To be asked for after the last image: measurers of a set always have a ``note``, others where there is one to make.
    """
    return str(getattr(measurer, "note", ""))


@dataclass(frozen=True)
class Metric:
    """One way to measure images."""

    name: str
    """The name it is asked for by."""

    summary: str
    """What it measures, in one line."""

    unit: str
    """Unit of its numbers; empty where they have none."""

    higher_is_better: bool
    """Which direction is better."""

    level: Level
    """Which of the three measurers `start` gives."""

    needs_hr: bool
    """Whether it compares with HR; where not, HR may be None."""

    start: Callable[[torch.device | str], Any]
    """Makes a measurer that computes on a device: an `ImageMeasurer`, `SetMeasurer` or `SamplesMeasurer` by `level`.

    Raises `FetchError` where a file of weights, and `UsageError` where a library of ``srzoo[metrics]``, is not at hand.
    """


def _found(where: str) -> Any:
    """What is written ``module:name``, imported now."""
    module, _, name = where.partition(":")
    return getattr(import_module(f"srzoo.metrics.{module}"), name)


def _lazily(where: str) -> Callable[[torch.device | str], Any]:
    """A starter of a class, written ``module:Class``, which is imported only when it is called."""
    return lambda device: _found(where)(device)


def _plainly(where: str) -> Callable[[torch.device | str], Any]:
    """A starter of a function, written ``module:function``, which measures by itself and on no device."""
    return lambda device: _found(where)


_ALL = (
    Metric(
        name="ms_ssim",
        summary="structural similarity of luma at five resolutions",
        unit="",
        higher_is_better=True,
        level="image",
        needs_hr=True,
        start=_lazily("ms_ssim:MultiScaleSimilarity"),
    ),
    Metric(
        name="lpips",
        summary="learned perceptual distance (LPIPS 0.1, AlexNet)",
        unit="",
        higher_is_better=False,
        level="image",
        needs_hr=True,
        start=_lazily("lpips:LearnedDistance"),
    ),
    Metric(
        name="dists",
        summary="deep structure and texture distance (DISTS, VGG-16)",
        unit="",
        higher_is_better=False,
        level="image",
        needs_hr=True,
        start=_lazily("dists:StructureTextureDistance"),
    ),
    Metric(
        name="feature_distance",
        summary="distance of SqueezeNet 1.0 features; not LPIPS",
        unit="",
        higher_is_better=False,
        level="image",
        needs_hr=True,
        start=_lazily("feature_distance:FeatureDistance"),
    ),
    Metric(
        name="spectrum",
        summary="distance of log power spectra of luma: is texture there at all?",
        unit="dB",
        higher_is_better=False,
        level="image",
        needs_hr=True,
        start=_plainly("spectrum:measure_spectrum"),
    ),
    Metric(
        name="niqe",
        summary="distance from the statistics of pristine photos; needs no HR",
        unit="",
        higher_is_better=False,
        level="image",
        needs_hr=False,
        start=_plainly("niqe:measure_niqe"),
    ),
    Metric(
        name="fid",
        summary="Frechet distance of Inception features, all SR against all HR",
        unit="",
        higher_is_better=False,
        level="set",
        needs_hr=True,
        start=_lazily("inception:FrechetDistance"),
    ),
    Metric(
        name="kid",
        summary="kernel distance of Inception features, all SR against all HR",
        unit="",
        higher_is_better=False,
        level="set",
        needs_hr=True,
        start=_lazily("inception:KernelDistance"),
    ),
    Metric(
        name="diversity",
        summary="NTIRE's diversity of samples, on LPIPS",
        unit="%",
        higher_is_better=True,
        level="samples",
        needs_hr=True,
        start=_lazily("diversity:Diversity"),
    ),
    Metric(
        name="diversity_mse",
        summary="NTIRE's formula on squared error; never comparable with diversity",
        unit="%",
        higher_is_better=True,
        level="samples",
        needs_hr=True,
        start=_plainly("diversity:measure_squared_errors"),
    ),
    Metric(
        name="best_of_n",
        summary="luma PSNR of the best sample",
        unit="dB",
        higher_is_better=True,
        level="samples",
        needs_hr=True,
        start=_plainly("samples:measure_best"),
    ),
    Metric(
        name="mean_of_samples",
        summary="luma PSNR of the mean of the samples",
        unit="dB",
        higher_is_better=True,
        level="samples",
        needs_hr=True,
        start=_plainly("samples:measure_mean"),
    ),
    Metric(
        name="calibration",
        summary="rank correlation of the samples' spread with the true error",
        unit="",
        higher_is_better=True,
        level="samples",
        needs_hr=True,
        start=_plainly("calibration:measure_calibration"),
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""All metrics of this room by name."""


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: There is none.
    """
    if name not in METRICS:
        known = ", ".join(METRICS)
        raise UsageError(f"there is no metric {name!r}{suggestion(name, METRICS)}: known are {known}")
    return METRICS[name]
