"""Looking at a data set as it lies on disk: which copy it is, what is odd about it, what cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import gcd
from typing import Any

import numpy as np

from srzoo.data.origin import CLAMP, INSIDE, SYMMETRIC, UNKNOWN, Origin, moved_text, origin_of
from srzoo.data.overlap import Overlap, look_at
from srzoo.data.pairs import ImagePair, Pixels, fingerprint, mod_crop, opaque_bytes, pixel_digest
from srzoo.dataset import Dataset, Record
from srzoo.errors import DataError, ImageError
from srzoo.images import Image
from srzoo.layouts import listing

Tell = Callable[[int, int, str], None]
"""Called with how many images are done, how many there are, and what is at hand."""

_MODULI = (8, 12, 16, 24, 32, 48, 64)
"""What people crop HR to multiples of, beside the scale."""

_CHANCE = 0.01
"""Largest probability of being a coincidence with which such a crop is told."""


_FEW = 0.02
"""Share of pixels that may differ where a method is named without doubt."""


@dataclass
class Report:
    """What was found."""

    data: str
    """What the data set was called."""

    scale: int
    """Enlargement factor that LR was looked for."""

    images: int = 0
    """Images that can be used."""

    sizes: dict[str, Any] = field(default_factory=dict)
    """``smallest`` and ``largest`` HR by area, then width, and how many ``different`` sizes there are."""

    kinds: dict[str, int] = field(default_factory=dict)
    """How many files are gray, with alpha, 16-bit, CMYK, or rotated by EXIF; only kinds that occur."""

    fingerprints: dict[str, str] = field(default_factory=dict)
    """Of ``hr`` cropped to multiples of the scale, of ``lr``, and of the ``pairs`` as ``srzoo eval`` prints it."""

    usual: dict[str, str] = field(default_factory=dict)
    """Whether ``hr`` and ``lr`` are the copy that everybody measures on, in words; empty where that is not known."""

    lr: list[dict[str, Any]] = field(default_factory=list)
    """For each method that made LR: how many ``images``, and the part of their pixels that differ from it."""

    edges: dict[str, int] = field(default_factory=dict)
    """Pixels of LR that differ from MATLAB's bicubic under each edge rule, and ``pixels`` in all."""

    warnings: list[str] = field(default_factory=list)
    """What is odd."""

    broken: list[str] = field(default_factory=list)
    """What cannot be used."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass
class _Seen:
    """What is remembered of the images while they go by."""

    hr: dict[str, str] = field(default_factory=dict)
    """Digest of HR by name."""

    lr: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)


def verify(
    data: Dataset,
    scale: int,
    *,
    name: str,
    against: Iterable[tuple[str, Dataset]] = (),
    tell: Tell = lambda done, total, what: None,
) -> Report:
    """Look at every image of a data set.

    Args:
        data: The data set.
        scale: Enlargement factor.
        name: What to call it.
        against: Data sets that are to share no scene with it, each with its name.
        tell: Told of progress.

    Raises:
        DataError: Nothing can be used at this scale.
    """
    report = Report(name, scale, broken=list(data.problems(scale)))
    seen = _Seen()
    records = data.records(scale)
    others = [(title, other.records()) for title, other in against]
    steps = _Steps(tell, len(records) + sum(len(theirs) for _, theirs in others))
    overlaps = [Overlap(title, theirs, len(records), steps.step) for title, theirs in others]
    for record in records:
        steps.step(record.name)
        try:
            pixels = _look(record, scale, seen)
        except (ImageError, DataError) as error:
            report.broken.append(str(error))
            continue
        if overlaps:
            look = look_at(pixels)
            for overlap in overlaps:
                overlap.pass_by(record.name, look)
    _sum_up(report, data, seen)
    for overlap in overlaps:
        overlap.finish()
        report.warnings += overlap.warnings(name)
        report.broken += overlap.broken
    return report


class _Steps:
    """Progress over several data sets."""

    def __init__(self, tell: Tell, total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def step(self, what: str) -> None:
        self._tell(self._done, self._total, what)
        self._done += 1


def _look(record: Record, scale: int, seen: _Seen) -> Pixels:
    """Decode a photo and its LR and take note of them; hand back HR."""
    image = record.hr()
    seen.kinds.update(_kinds(image))
    whole = opaque_bytes(image, record.source)
    hr = mod_crop(record.source, whole, scale)
    if record.lr is not None:
        lr = opaque_bytes(record.lr(), f"LR of {record.source}")
        pair = ImagePair(record.name, lr, hr)
        if pair.scale != scale:
            raise DataError(f"{record.source}: its LR is x{pair.scale}, not x{scale}")
        seen.lr[record.name] = pixel_digest(lr)
        seen.pairs[record.name] = pair.digest
        seen.origins[record.name] = origin_of(lr, hr)
    seen.hr[record.name] = pixel_digest(hr)
    seen.sizes[record.name] = (whole.shape[0], whole.shape[1])
    return whole


def _kinds(image: Image) -> list[str]:
    kinds = {
        "gray": image.pixels.ndim == 2,
        "with alpha": image.alpha is not None,
        "16-bit": image.depth == 16,
        "CMYK": image.mode == "CMYK",
        "rotated by EXIF": image.turned,
    }
    return [kind for kind, holds in kinds.items() if holds]


def _sum_up(report: Report, data: Dataset, seen: _Seen) -> None:
    report.images = len(seen.hr)
    report.kinds = dict(seen.kinds)
    if not seen.hr:
        return
    by_area = sorted(seen.sizes.values(), key=lambda size: (size[0] * size[1], size[1]))
    report.sizes = {
        "smallest": f"{by_area[0][1]}x{by_area[0][0]}",
        "largest": f"{by_area[-1][1]}x{by_area[-1][0]}",
        "different": len(set(by_area)),
    }
    report.fingerprints["hr"] = fingerprint(seen.hr.values())
    if len(seen.lr) == len(seen.hr):
        report.fingerprints |= {"lr": fingerprint(seen.lr.values()), "pairs": fingerprint(seen.pairs.values())}
    report.warnings += _number(report.images, data)
    report.warnings += _twins(seen.hr)
    report.warnings += _modulus(seen.sizes.values(), report.scale, data.modulus)
    _usual(report, data)
    _lr(report, seen.origins)
    if deep := seen.kinds["16-bit"]:
        report.warnings.append(f"{deep} files have 16 bits: srzoo eval refuses them, training and preparing round them")


def _number(images: int, data: Dataset) -> list[str]:
    numbers = data.about.images
    if not numbers or images in (*numbers.values(), sum(numbers.values())):
        return []
    expected = ", ".join(f"{number} ({split})" for split, number in numbers.items())
    return [f"it holds {images} images; the authors' own copy has {expected}"]


def _twins(digests: Mapping[str, str]) -> list[str]:
    by_digest: dict[str, list[str]] = {}
    for name, digest in digests.items():
        by_digest.setdefault(digest, []).append(name)
    return [f"{listing(names)} hold the same pixels" for names in by_digest.values() if len(names) > 1]


def _modulus(sizes: Iterable[tuple[int, int]], scale: int, own: int) -> list[str]:
    """Whether HR was cropped to multiples of something larger than the scale."""
    sides = {side for size in sizes for side in size}
    common = gcd(*sides)
    for modulus in reversed(_MODULI):
        unlikely = len(sides) > 2 and (scale / modulus) ** len(sides) < _CHANCE  # sets of one size say nothing
        if modulus > scale and modulus % scale == 0 and common % modulus == 0 and own % modulus and unlikely:
            return [
                f"all sides of HR are multiples of {modulus}: it was cropped by more than the scale {scale}, and its "
                f"scores are not those of copies cropped by {scale}"
            ]
    return []


def _usual(report: Report, data: Dataset) -> None:
    copies = [copy for copy in data.usual if copy.scale == report.scale]
    if not copies:
        return
    (copy,) = copies
    same = report.fingerprints["hr"] == copy.hr
    report.usual["hr"] = "the usual copy" if same else "another copy"
    if not same:
        report.warnings.append(f"HR is not the usual copy (fingerprint {copy.hr}): scores differ from published ones")
    if "lr" in report.fingerprints:
        rules = [rule for rule, value in copy.lr.items() if value == report.fingerprints["lr"]]
        names = {"clamp": "the usual copy (clamped edges, older MATLAB)", "symmetric": "newer MATLAB, symmetric edges"}
        report.usual["lr"] = names[rules[0]] if rules else "another copy"
        if not rules:
            report.warnings.append("LR is not the usual copy: scores differ from published ones")


def _lr(report: Report, origins: Mapping[str, Origin]) -> None:
    """How LR was made, and whether it lies where it should."""
    if not origins:
        return
    report.edges = {
        edge: sum(origin.matlab[edge].differing for origin in origins.values()) for edge in (CLAMP, SYMMETRIC)
    }
    report.edges["pixels"] = sum(origin.matlab[CLAMP].pixels for origin in origins.values())
    groups: dict[str, list[str]] = {}
    for name, origin in origins.items():
        # Where both edge rules give the same image, it goes with the rest of its set.
        both = all(likeness.exact for likeness in origin.matlab.values())
        common = CLAMP if report.edges[CLAMP] <= report.edges[SYMMETRIC] else SYMMETRIC
        groups.setdefault(common if both else origin.best.method, []).append(name)
    for method, names in sorted(groups.items(), key=lambda group: -len(group[1])):
        likenesses = [origins[name].best for name in names]
        differing = sum(each.differing for each in likenesses) / sum(each.pixels for each in likenesses)
        distance = float(np.mean([each.distance for each in likenesses]))
        report.lr.append({"method": method, "images": len(names), "differing": differing, "distance": distance})
        report.warnings += _odd_lr(method, names, differing, distance)
    if CLAMP in groups and SYMMETRIC in groups and INSIDE not in groups:
        report.warnings.append("LR was made under both edge rules; the images are of several copies")
    report.warnings += _misaligned(origins)


def _odd_lr(method: str, names: Sequence[str], differing: float, distance: float) -> list[str]:
    """What to say of LR images that one method made."""
    whose = f"LR of {len(names)} images ({listing(names, 3)})"
    far = f"{differing:.1%} of its pixels differ, by {distance:.2f} of 255 on average"
    if not differing and method in (CLAMP, SYMMETRIC, INSIDE):
        return []
    if method == UNKNOWN:
        return [f"{whose} was made by {UNKNOWN} (noise, JPEG, a blur?): from MATLAB's bicubic of HR {far}"]
    if method in (CLAMP, SYMMETRIC):
        return [f"{whose} is MATLAB's bicubic of HR but for some pixels: {far}"]
    if differing < _FEW:
        return [f"{whose} is not MATLAB's antialiased bicubic of HR, but {method}"]
    return [f"{whose} is not MATLAB's antialiased bicubic of HR; nearest is {method}, from which {far}"]


def _misaligned(origins: Mapping[str, Origin]) -> list[str]:
    shifted = {name: origin.shift for name, origin in origins.items() if origin.shifted}
    if not shifted:
        return []
    middle = [float(np.round(np.median(each), 2)) for each in zip(*shifted.values(), strict=True)]
    return [
        f"HR and LR of {len(shifted)} images ({listing(shifted, 3)}) do not lie over one another: LR is "
        f"{moved_text(*middle)}, in LR pixels (median)"
    ]
