"""Why another tool's numbers differ: the same images under every protocol, and under each single slip."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from srzoo.data.pairs import ImagePair, data_fingerprint
from srzoo.errors import DataError
from srzoo.protocol import CLASSIC, PROTOCOLS, Protocol, slips
from srzoo.protocol.words import name_changes
from srzoo.resize import imresize
from srzoo.scale import Scale, plain
from srzoo.scoring.comparison import Error, Levels, psnr_of_set, smallest_side, to_bytes
from srzoo.scoring.evaluation import Progress, prepare
from srzoo.scoring.finished import FinishedImages
from srzoo.scoring.sources import CanUpscale, ModelSource, Source, compare, levels_of, lr_of


@dataclass(frozen=True)
class Row:
    """One way to score the images."""

    change: str
    """What is otherwise than in the base, in words; empty for the base."""

    kind: Literal["base", "protocol", "slip"]
    """Whether it is what the others are held against, a named protocol, or a single departure."""

    protocol: Protocol
    """The rules."""

    psnr: float
    """PSNR of the set, in dB."""

    ssim: float
    """SSIM of the set."""


@dataclass(frozen=True)
class Explanation:
    """The same images, scored in many ways."""

    data: dict[str, Any]
    """``fingerprint`` of the decoded pixels, number of ``images`` and ``scale``: a whole number, or ``"5/2"``."""

    rows: tuple[Row, ...]
    """The base, the named protocols, the slips."""

    left_out: tuple[str, ...]
    """Why some rows are missing."""

    def differences(self, row: Row) -> tuple[float | None, float | None]:
        """PSNR in dB and SSIM beyond those of the base; None where one is infinite."""
        base = self.rows[0]
        pairs = ((row.psnr, base.psnr), (row.ssim, base.ssim))
        return tuple(mine - its if isfinite(mine) and isfinite(its) else None for mine, its in pairs)  # type: ignore[return-value]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; ``protocol`` is the text that `get_protocol` takes."""
        rows = []
        for row in self.rows:
            psnr_difference, ssim_difference = self.differences(row)
            rows.append(
                {
                    "kind": row.kind,
                    "change": row.change,
                    "protocol": row.protocol.name,
                    "hash": row.protocol.hash,
                    "psnr": row.psnr if isfinite(row.psnr) else "inf",
                    "ssim": row.ssim,
                    "psnr_difference": psnr_difference,
                    "ssim_difference": ssim_difference,
                }
            )
        return {"data": dict(self.data), "rows": rows, "left_out": list(self.left_out)}


@dataclass(frozen=True)
class Cv2Cubic:
    """OpenCV's cubic as a model: a = -0.75, the border repeated, no intermediate rounding."""

    scale: Scale
    """Enlargement factor."""

    def upscale(self, image: NDArray[Any], /) -> NDArray[Any]:
        """(H, W, 3) float in [0, 1] to (scale * H, scale * W, 3)."""
        return imresize(image, scale=self.scale, kernel="cv2-cubic", edge="clamp")


CV2_CUBIC = "SR by cv2's cubic"
"""What the row of `Cv2Cubic` is called."""


def explain(
    source: CanUpscale | FinishedImages,
    pairs: Sequence[ImagePair],
    *,
    base: Protocol = CLASSIC,
    others: Mapping[str, CanUpscale] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Score images under a base protocol, all named ones, and each single slip from the base.

    A model enlarges each LR image once, however many rows there are; the rows differ in what is done with the result.
    Only a protocol that makes LR in another way has it enlarge again. Finished images cannot be made again: the
    protocols and slips that would need it are left out.

    Args:
        source: Anything with ``scale`` and ``upscale``, or finished images.
        pairs: What to score it on.
        base: What the others are held against.
        others: Further models by what their rows are called, scored under the base.
        progress: Called after each image.

    Raises:
        DataError: See `evaluate`.
        UsageError: See `evaluate`.
    """
    if not pairs:
        raise DataError("there are no images to evaluate on")
    first: Source = source if isinstance(source, FinishedImages) else ModelSource(source)
    prepare(first, pairs, base)
    ways, left_out = _fitting(_ways(base, first, others or {}), min(min(pair.hr.shape[:2]) for pair in pairs))
    for done, pair in enumerate(pairs, 1):
        _score(ways, pair)
        if progress is not None:
            progress(done, len(pairs), pair.name)
    data = {"fingerprint": data_fingerprint(pairs), "images": len(pairs), "scale": plain(first.scale)}
    if not first.follows_rules:
        left_out = (*left_out, "finished images cannot be made again from other LR, or without rounding")
    return Explanation(data, tuple(way.row() for way in ways), left_out)


class _Way:
    """One row in the making."""

    def __init__(self, change: str, kind: Literal["base", "protocol", "slip"], protocol: Protocol, source: Source):
        self.change = change
        self.kind = kind
        self.protocol = protocol
        self.source = source
        self.errors: list[Error] = []
        self.similarities: list[float] = []

    def row(self) -> Row:
        ssim = sum(self.similarities) / len(self.similarities)
        return Row(self.change, self.kind, self.protocol, psnr_of_set(self.errors, self.protocol), ssim)


def _ways(base: Protocol, source: Source, others: Mapping[str, CanUpscale]) -> list[_Way]:
    rules = base.to_dict()
    named = [each for each in PROTOCOLS.values() if each != base]
    ways = [
        _Way("", "base", base, source),
        *(_Way(name_changes(each.to_dict(), rules), "protocol", each, source) for each in named),
        *(_Way(slip.change, "slip", slip.protocol, source) for slip in slips(base)),
    ]
    if not source.follows_rules:
        ways = [way for way in ways if way.protocol == base or _of_finished(way.protocol)]
    return ways + [_Way(change, "slip", base, ModelSource(model)) for change, model in others.items()]


def _fitting(ways: Sequence[_Way], side: int) -> tuple[list[_Way], tuple[str, ...]]:
    """The ways in which images of that side can be scored, and what is said of the others."""
    large = [way for way in ways if smallest_side(way.protocol, way.source.scale) > side]
    said = tuple(f"{way.protocol.name}: an image of {side} pixels is too small" for way in large)
    return [way for way in ways if way not in large], said


def _of_finished(protocol: Protocol) -> bool:
    return protocol.degradation == "matlab-bicubic" and protocol.sr_rounding == "uint8"


def _score(ways: Sequence[_Way], pair: ImagePair) -> None:
    """Score one image in every way; what several ways have in common is computed once."""
    made: dict[Hashable, NDArray[Any]] = {}
    errors: dict[Hashable, Error] = {}
    similarities: dict[Hashable, float] = {}
    for way in ways:
        rules = way.protocol
        lr = lr_of(pair, rules)
        key = id(way.source), _digest(lr)
        if key not in made:
            made[key] = way.source.make(pair.name, lr, pair.hr.shape, exact=True).image
        rounded = rules.sr_rounding == "uint8" and rules.degradation != "matlab-y"
        if rounded and (*key, "rounded") not in made:
            made[*key, "rounded"] = to_bytes(levels_of(made[key]))
        comparison = compare(made[*key, "rounded"] if rounded else made[key], lr, pair, rules)
        error_key, similarity_key = (key, _without(rules, "ssim")), (key, _without(rules, "psnr"))
        if error_key not in errors:
            errors[error_key] = comparison.squared_error(rules.colour)
        if similarity_key not in similarities:
            similarities[similarity_key] = comparison.similarity(rules.colour)
        way.errors.append(errors[error_key])
        way.similarities.append(similarities[similarity_key])


def _without(rules: Protocol, metric: str) -> frozenset[tuple[str, Any]]:
    """All rules that matter for one image but those of one metric."""
    of_sets = ("name", "version", "aggregation", "lr_psnr")
    return frozenset(
        item for item in rules.to_dict().items() if item[0] not in of_sets and not item[0].startswith(f"{metric}_")
    )


def _digest(image: Levels) -> str:
    return sha256(f"{image.shape}{image.dtype}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
