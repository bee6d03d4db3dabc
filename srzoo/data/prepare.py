"""Making a data set ready: LR beside HR, in a folder or in a pack, whole or cut into crops."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srzoo.data.pairs import ImagePair, fingerprint, mod_crop, opaque_bytes
from srzoo.dataset import Dataset, Record
from srzoo.errors import DataError, ImageError, UsageError
from srzoo.files import check_target, draft
from srzoo.images import write_image
from srzoo.packfile import MOST_HEADER, PackWriter
from srzoo.resize import Edge, imresize

Tell = Callable[[int, int, str], None]
"""Called with how many images are done, how many there are, and what is at hand."""


@dataclass(frozen=True)
class Plan:
    """What is to be made."""

    scale: int
    """Enlargement factor."""

    edge: Edge | None = None
    """Edge rule of MATLAB's bicubic, by which LR is made; None keeps the data set's own LR where it has one."""

    crop: int = 0
    """Side of the squares that HR is cut into, in HR pixels; 0 leaves images whole, as smaller ones are left anyway."""

    stride: int = 0
    """Distance of neighbouring squares in HR pixels; the last of a row ends with the image."""

    def __post_init__(self) -> None:
        for name in ("crop", "stride"):
            if value := getattr(self, name) % self.scale:
                near = getattr(self, name) - value or self.scale
                raise UsageError(f"{name} {getattr(self, name)} is no multiple of the scale {self.scale}; take {near}")

    def windows(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """Top, left, height and width in HR pixels of every piece of an image."""
        if not self.crop or min(height, width) < self.crop:
            return [(0, 0, height, width)]
        rows, columns = (_starts(length, self.crop, self.stride or self.crop) for length in (height, width))
        return [(top, left, self.crop, self.crop) for top in rows for left in columns]


def _starts(length: int, crop: int, stride: int) -> list[int]:
    starts = list(range(0, length - crop + 1, stride))
    return starts if starts[-1] + crop == length else [*starts, length - crop]


@dataclass
class Prepared:
    """What was made."""

    images: int = 0
    """Photos that were used."""

    pieces: int = 0
    """Image pairs that were written."""

    rounded: int = 0
    """Photos of 16 bits, rounded to 8."""

    fingerprint: str = ""
    """Of all pairs written, as `srzoo.data.pairs.data_fingerprint` gives it."""

    left_out: list[str] = field(default_factory=list)
    """What could not be used, one line each."""


class _Writer(ABC):
    """Where pairs go."""

    @abstractmethod
    def add(self, pair: ImagePair) -> None:
        """Write a pair."""

    @abstractmethod
    def finish(self, facts: dict[str, Any]) -> None:
        """Write what is known at the end."""


class _Folder(_Writer):
    """PNG files in ``HR/`` and ``LR/``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("HR", "LR"):
            (folder / name).mkdir()

    def add(self, pair: ImagePair) -> None:
        file = f"{pair.name.replace('/', '_')}.png"
        write_image(self._folder / "HR" / file, pair.hr)
        write_image(self._folder / "LR" / file, pair.lr)

    def finish(self, facts: dict[str, Any]) -> None:
        pass  # a folder of images says nothing of itself


class _Pack(_Writer):
    """One file."""

    def __init__(self, writer: PackWriter, scale: int) -> None:
        self._writer, self._scale = writer, scale

    def add(self, pair: ImagePair) -> None:
        self._writer.add(f"hr/{pair.name}", pair.hr)
        self._writer.add(f"lr/x{self._scale}/{pair.name}", pair.lr)

    def finish(self, facts: dict[str, Any]) -> None:
        self._writer.finish(facts)


def prepare(
    data: Dataset,
    out: Path,
    plan: Plan,
    *,
    source: str,
    packed: bool = False,
    tell: Tell = lambda done, total, what: None,
) -> Prepared:
    """Write HR, cropped to multiples of the scale, and LR of every photo.

    Args:
        data: The photos.
        out: A folder to make, with ``HR/`` and ``LR/``; or a file to make, where ``packed``. It appears at the end.
        plan: What to make.
        source: What the photos are called, for the pack to remember.
        packed: Whether to write one file; see `srzoo.packfile`.
        tell: Told of progress.

    Returns:
        What was made. A photo that cannot be used is left out, and named.

    Raises:
        UsageError: ``out`` exists, or its name is of another sort.
        DataError: No photo can be used, or ``out`` cannot be written; nothing is left behind.
    """
    _check_target(out, packed)
    records = data.records(plan.scale)
    done = Prepared(left_out=list(data.problems(plan.scale)))
    try:
        with _target(out, records, plan, packed) as writer:
            digests: list[str] = []
            seen: dict[str, str] = {}
            for number, record in enumerate(records):
                tell(number, len(records), record.name)
                try:
                    pieces = _pieces(record, plan, done, seen)
                except (ImageError, DataError) as error:
                    done.left_out.append(str(error))
                    continue
                for pair in pieces:
                    writer.add(pair)
                    digests.append(pair.digest)
                done.images += 1
            tell(len(records), len(records), "")
            if not done.images:
                raise DataError(f"no photo of {source} can be used: {done.left_out[0]}")
            done.pieces, done.fingerprint = len(digests), fingerprint(digests)
            edge = plan.edge or "own, or symmetric"
            facts = {"scale": plan.scale, "edge": edge, "crop": plan.crop, "stride": plan.stride}
            writer.finish({**facts, "source": source, "images": done.pieces, "fingerprint": done.fingerprint})
    except OSError as error:
        raise DataError(f"cannot write {out} ({error.strerror or error}); nothing was kept") from None
    except ImageError as error:  # raised by writing: reading is caught above
        raise DataError(f"{error}; nothing was kept") from None
    return done


def _check_free(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists, and is never overwritten; name another, or remove it")


def _check_target(out: Path, packed: bool) -> None:
    _check_free(out)
    if packed != (out.suffix == ".safetensors"):
        wanted = "a pack is a file: name it PACK.safetensors" if packed else "say --pack to write one file"
        raise UsageError(f"{out}: {wanted}")
    check_target(out)


@contextmanager
def _target(out: Path, records: Any, plan: Plan, packed: bool) -> Iterator[_Writer]:
    """Somewhere to write to that becomes ``out`` at the end, and nothing where it does not come to that."""
    with draft(out) as temporary:
        if packed:
            with temporary.open("xb") as file:
                yield _Pack(PackWriter(file, _room(records, plan)), plan.scale)
                file.flush()
                os.fsync(file.fileno())
        else:
            temporary.mkdir()
            yield _Folder(temporary)
        _check_free(out)  # somebody else may have written it meanwhile


def _room(records: Any, plan: Plan) -> int:
    """Bytes for the header of a pack; asks for the size of every photo where it is to be cut."""
    room = 16384
    for record in records:
        pieces = 1
        if plan.crop:
            try:
                pieces = len(plan.windows(*(length // plan.scale * plan.scale for length in record.hr.size)))
            except ImageError:  # it will be left out
                continue
        room += pieces * 2 * PackWriter.room_for(f"lr/x{plan.scale}/{record.name}_s00000")
    if room > MOST_HEADER:
        raise DataError(f"{len(records)} photos are too many for one pack; prepare them in parts, or without --pack")
    return room


def _pieces(record: Record, plan: Plan, done: Prepared, seen: dict[str, str]) -> list[ImagePair]:
    """A photo's pairs.

    Raises:
        ImageError: It cannot be read.
        DataError: It is smaller than the scale or not opaque, or its LR does not fit.
    """
    first = seen.setdefault(record.name.replace("/", "_"), record.source)
    if first != record.source:
        raise DataError(f"{record.source} would be written over {first}; rename one of them")
    hr = record.hr()
    pixels = mod_crop(record.source, opaque_bytes(hr, record.source), plan.scale)
    if record.lr is None or plan.edge is not None:
        size = (pixels.shape[0] // plan.scale, pixels.shape[1] // plan.scale)
        lr = imresize(pixels, size=size, edge=plan.edge or "symmetric")
    else:
        lr = opaque_bytes(record.lr(), f"LR of {record.source}")
    pair = ImagePair(record.name, lr, pixels)
    if pair.scale != plan.scale:
        raise DataError(f"{record.source}: its LR is x{pair.scale}, not x{plan.scale}")
    done.rounded += hr.depth != 8
    windows = plan.windows(*pixels.shape[:2])
    return [
        _cut(pair, window, f"_s{number:03}" if plan.crop else "", plan.scale)
        for number, window in enumerate(windows, 1)
    ]


def _cut(pair: ImagePair, window: tuple[int, int, int, int], end: str, scale: int) -> ImagePair:
    top, left, height, width = window
    small = [length // scale for length in window]
    return ImagePair(
        pair.name + end,
        pair.lr[small[0] : small[0] + small[2], small[1] : small[1] + small[3]],
        pair.hr[top : top + height, left : left + width],
    )
