"""Scores of a set of images, one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srzoo.data.pairs import ImagePair, data_fingerprint, fingerprint, pixel_digest, size_text
from srzoo.errors import DataError, UsageError
from srzoo.images import list_images
from srzoo.protocol import CLASSIC, Protocol
from srzoo.scale import Scale, plain
from srzoo.scoring.comparison import Comparison, Error, psnr_of_set, smallest_side, to_bytes
from srzoo.scoring.finished import FinishedImages, read_finished
from srzoo.scoring.plan import Plan, plan, plan_alone
from srzoo.scoring.sources import CanUpscale, ModelSource, Source, compare, lr_of

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int, str], None]
"""Called after each image with how many are done, how many there are, and the image's name."""


@dataclass(frozen=True)
class Evaluation:
    """What a model, or a folder of finished images, scored on a set of images."""

    protocol: Protocol | None
    """The rules it was measured by; None for images without HR, to which none of them applies."""

    data: dict[str, Any]
    """``fingerprint`` of the decoded pixels, number of ``images`` and ``scale``: a whole number, or ``"5/2"``."""

    images: tuple[dict[str, Any], ...]
    """For each image its ``name``, one number per metric, and the ``seconds`` of `upscale` alone for a model."""

    mean: dict[str, float]
    """Each of those numbers for the set: the arithmetic mean, or PSNR as the protocol aggregates it."""

    set: dict[str, float]
    """Metrics that look at all images together."""

    notes: tuple[str, ...] = ()
    """What must stand beside the numbers."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as strict JSON values: infinity becomes the string ``"inf"``, which `float` reads, NaN null."""
        rules = self.protocol
        return {
            "protocol": rules and {"name": rules.name, "version": rules.version, "hash": rules.hash},
            "data": dict(self.data),
            "mean": _json(self.mean),
            "set": _json(self.set),
            "notes": list(self.notes),
            "images": [_json(image) for image in self.images],
        }


def _json(scores: dict[str, Any]) -> dict[str, Any]:
    return {key: _json_number(value) if isinstance(value, float) else value for key, value in scores.items()}


def _json_number(value: float) -> float | str | None:
    return None if isnan(value) else "inf" if value == inf else value


def evaluate(
    source: CanUpscale | FinishedImages,
    pairs: Sequence[ImagePair],
    *,
    protocol: Protocol = CLASSIC,
    metrics: Sequence[str] | None = None,
    draws: Sequence[CanUpscale] = (),
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model, or images that it has finished, on image pairs.

    A gray LR image is fed as three equal channels; the rounded mean of the three SR channels is scored as it is, full
    range, unless the protocol has it otherwise. For a model that treats channels alike, such as bicubic, that is the
    same as enlarging the gray image.

    Args:
        source: Anything with ``scale`` and ``upscale``, or finished images.
        pairs: What to score it on; see `pairs_from_folder` and `sample_pairs`.
        protocol: The rules.
        metrics: Names of metrics; None for the protocol's own PSNR and SSIM, and LR-PSNR.
        draws: The model again, once for each further sample that it is to draw. All metrics but those that compare
            samples are of the first.
        device: Where metrics with a network compute.
        progress: Called after each image.

    Raises:
        DataError: If there are no pairs, or one is of another scale than the model or too small to be scored, or a
            finished image is missing.
        UsageError: If the model returns something other than an image of the right size, or a metric cannot be had.
    """
    if not pairs:
        raise DataError("there are no images to evaluate on")
    chosen = plan(metrics, protocol, samples=1 + len(draws), device=device)
    first: Source = source if isinstance(source, FinishedImages) else ModelSource(source)
    sources = [first, *map(ModelSource, draws)]
    prepare(first, pairs, protocol)
    gathered, given = _Gathered(chosen, protocol), 0
    for done, pair in enumerate(pairs, 1):
        given += not pair.made and protocol.degradation == CLASSIC.degradation
        gathered.add(pair.name, *_make(sources, pair, protocol))
        if progress is not None:
            progress(done, len(pairs), pair.name)
    lr = {0: "made", len(pairs): "given"}.get(given, f"{given} of {len(pairs)} given")
    data = {"fingerprint": data_fingerprint(pairs), "images": len(pairs), "scale": plain(first.scale), "lr": lr}
    return gathered.evaluation(data)


def evaluate_alone(
    folder: Path,
    *,
    metrics: Sequence[str] | None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Evaluation:
    """Score the images of a folder by metrics that need no HR.

    Raises:
        UsageError: A metric needs HR, or none is named.
        ImageError: An image cannot be read, or there is none.
        DataError: An image has 16 bits or can be seen through.
    """
    chosen = plan_alone(metrics, device)
    files = list_images(folder)
    images, digests = [], []
    for done, file in enumerate(files, 1):
        pixels = read_finished(file)
        digests.append(pixel_digest(pixels))
        scores = {metric: _named(file.name, measurer, pixels, None, None) for metric, measurer in chosen.image.items()}
        images.append({"name": file.name, **scores})
        if progress is not None:
            progress(done, len(files), file.name)
    data = {"fingerprint": fingerprint(digests), "images": len(images), "scale": None}
    return Evaluation(None, data, tuple(images), _means(images), {}, chosen.notes())


def prepare(source: Source, pairs: Sequence[ImagePair], protocol: Protocol) -> None:
    """Refuse pairs that cannot be scored, before anything is computed; see `evaluate`."""
    if isinstance(source, FinishedImages):
        source.match([pair.name for pair in pairs])
    for pair in pairs:
        check_pair(pair, source.scale, protocol)


def check_pair(pair: ImagePair, scale: Scale, protocol: Protocol = CLASSIC) -> None:
    """Refuse a pair that cannot be scored.

    Args:
        pair: HR and LR.
        scale: The model's.
        protocol: The rules.

    Raises:
        DataError: It is of another scale than the model, or too small.
    """
    if pair.scale != scale:
        sizes = f"HR {size_text(pair.hr)} and LR {size_text(pair.lr)}"
        raise DataError(f"{pair.name}: {sizes} make x{pair.scale}, but the model enlarges x{scale}")
    smallest = smallest_side(protocol, scale)
    if min(pair.hr.shape[:2]) < smallest:
        raise DataError(
            f"{pair.name}: HR {size_text(pair.hr)} is too small to be scored: x{pair.scale} needs {smallest}"
        )


def _make(sources: Sequence[Source], pair: ImagePair, protocol: Protocol) -> tuple[list[Comparison], float | None]:
    """All samples of an image, ready to be measured, and the seconds that the first took."""
    lr = lr_of(pair, protocol)
    exact = protocol.sr_rounding == "none"
    made = [source.make(pair.name, lr, pair.hr.shape, exact=exact) for source in sources]
    return [compare(each.image, lr, pair, protocol) for each in made], made[0].seconds


class _Gathered:
    """Scores image by image, and in the end those of the set."""

    def __init__(self, chosen: Plan, protocol: Protocol) -> None:
        self._plan = chosen
        self._protocol = protocol
        self._images: list[dict[str, Any]] = []
        self._errors: dict[str, list[Error]] = {name: [] for name in chosen.own if name.startswith("psnr_")}

    def add(self, name: str, samples: Sequence[Comparison], seconds: float | None) -> None:
        """Score an image."""
        chosen, first = self._plan, samples[0]
        sr, hr, lr = (to_bytes(image) for image in (first.sr, first.hr, first.lr))
        scores: dict[str, Any] = {metric: first.measure(metric) for metric in chosen.own}
        scores |= {metric: _named(name, measurer, sr, hr, lr) for metric, measurer in chosen.image.items()}
        ordered = {metric: scores[metric] for metric in chosen.names if metric in scores}
        draws = [to_bytes(each.sr) for each in samples]
        for of_samples in chosen.samples.values():
            ordered |= _named(name, of_samples, draws, hr, lr)
        for of_set in chosen.sets.values():
            _named(name, of_set.add, sr, hr)
        for metric, errors in self._errors.items():
            errors.append(first.squared_error(metric.removeprefix("psnr_")))
        timed = {} if seconds is None else {"seconds": seconds}
        self._images.append({"name": name, **ordered, **timed})

    def evaluation(self, data: dict[str, Any]) -> Evaluation:
        """The scores of all images."""
        mean = _means(self._images)
        mean.update({metric: psnr_of_set(errors, self._protocol) for metric, errors in self._errors.items()})
        of_set = {metric: measurer.result() for metric, measurer in self._plan.sets.items()}
        return Evaluation(self._protocol, data, tuple(self._images), mean, of_set, self._plan.notes())


def _means(images: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {key: sum(image[key] for image in images) / len(images) for key in images[0] if key != "name"}


def _named(name: str, measurer: Callable[..., Any], *images: Any) -> Any:
    """What a metric gives; its refusal says which image it refuses."""
    try:
        return measurer(*images)
    except UsageError as error:
        raise DataError(f"{name}: {error}") from None
