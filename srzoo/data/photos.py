"""Photos to train on: how large each is, and its pixels, in memory or from the disk when they are wanted."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from srzoo.data.cache import PixelCache
from srzoo.data.chain import Chain
from srzoo.data.prefetch import Prefetcher, processors
from srzoo.data.smaller import SmallerPicture
from srzoo.dataset import Dataset, Picture, Record
from srzoo.errors import DataError, ImageError
from srzoo.images import rgb

Pixels = NDArray[np.uint8]

Tell = Callable[[int, int, str], None]
"""Called with how many photos are done, how many there are, and what is at hand."""


class Photos:
    """All photos of some data sets that hold a crop.

    Their sizes are read first. Where all of them fit into memory, with LR, they are decoded now; else when they are
    wanted, and the cache forgets those that were not for longest. LR of a whole photo is made when it is first wanted.

    Args:
        datasets: Where the photos are.
        where: What messages call the data sets.
        chain: What makes LR; None where LR is the data sets' own.
        scale: Enlargement factor.
        smallest: Height and width in HR pixels that a photo must have.
        memory: Most bytes of pixels to keep.
        tell: Told of progress.

    Raises:
        DataError: No photo can be used.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        where: str,
        chain: Chain | None,
        scale: int,
        smallest: int,
        memory: int,
        tell: Tell = lambda done, total, what: None,
    ) -> None:
        self._chain = chain
        self._scale = scale
        wanted = scale if chain is None else None
        self._records = [dataset.records(wanted) for dataset in datasets]
        self._ends = list(accumulate(map(len, self._records)))
        self.problems = [line for dataset in datasets for line in dataset.problems(wanted)]
        """What the data sets had to leave out; see `srzoo.dataset.Dataset.problems`."""
        self._unfit: list[str] = []
        self.broken: dict[int, str] = {}
        """Why photos could not be read, by number; more may join while training."""
        self.found = 0
        """How many photos there are, those included that cannot be used; copies at other sizes are none."""
        self._places, sizes = self._look(smallest, tell)
        self.sizes = sizes
        """Height and width of each photo, (photos, 2), cut to multiples of the scale."""
        pixels = int(sizes.prod(axis=1).sum())
        self.in_memory = 3 * (pixels + pixels // scale**2) <= memory
        """Whether every photo is decoded and stays so."""
        self._cache = PixelCache(memory)
        if self.in_memory:
            self._decode_all(tell)
        if not self.count:
            reason = f" ({reasons[0]})" if (reasons := [*self.unused, *self.problems]) else ""
            raise DataError(f"no photo in {where} holds a crop of {smallest} pixels{reason}")

    def __len__(self) -> int:
        return len(self._places)

    @property
    def count(self) -> int:
        """How many photos can be used, as far as is known; copies at other sizes are none."""
        return self.found - len(self.unused)

    @property
    def unused(self) -> list[str]:
        """Why photos are not used, one line for each; more may join while training."""
        broken = sorted(self.broken.copy().items())
        return self._unfit + [reason for index, reason in broken if not _is_copy(self._record(index))]

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of SHA-256 over all pixels, or ``index-`` and those of the names and sizes.

        The latter where not all photos are in memory. Pixels of LR count where it is the data sets' own.
        """
        if not self.in_memory:
            return f"index-{self.listing}"
        sha = hashlib.sha256()
        for index in filter(self.usable, range(len(self))):
            sha.update(np.ascontiguousarray(self.hr(index)).data)
            if self._chain is None:
                sha.update(np.ascontiguousarray(self.lr(index)).data)
        return sha.hexdigest()[:12]

    @cached_property
    def listing(self) -> str:
        """Twelve hexadecimal digits of SHA-256 over the names and sizes, which decide what is drawn."""
        sha = hashlib.sha256()
        for index, (height, width) in enumerate(self.sizes):
            sha.update(f"{self._record(index).name}\0{width}x{height}\n".encode())
        return sha.hexdigest()[:12]

    def hr(self, index: int) -> Pixels:
        """A whole photo, (H, W, 3), cut to a multiple of the scale; raises ImageError where it cannot be read."""
        return self._cache.get(("hr", self._places[index]), lambda: self._decode(index, self._record(index).hr, 1))

    def lr(self, index: int) -> Pixels:
        """LR of a whole photo, (H / scale, W / scale, 3); raises ImageError where it cannot be read."""
        return self._cache.get(("lr", self._places[index]), lambda: self._make_lr(index))

    def hr_window(self, index: int, top: int, left: int, height: int, width: int) -> Pixels:
        """A part of a photo; nothing else is read where the data set can do so."""
        picture = None if self.in_memory else self._record(index).hr
        if picture is not None and picture.windowed:
            return rgb(picture.window(top, left, height, width).pixels)
        return self.hr(index)[top : top + height, left : left + width]

    def lr_window(self, index: int, top: int, left: int, height: int, width: int) -> Pixels:
        """A part of a photo's LR; likewise where LR is the data set's own."""
        picture = None if self.in_memory or self._chain is not None else self._record(index).lr
        if picture is not None and picture.windowed:
            return rgb(picture.window(top, left, height, width).pixels)
        return self.lr(index)[top : top + height, left : left + width]

    def usable(self, index: int) -> bool:
        """Whether a photo has been readable so far."""
        return index not in self.broken

    def give_up(self, index: int, error: ImageError) -> None:
        """Remember that a photo cannot be read. It keeps its number, so that all others are drawn as before."""
        self.broken[index] = str(error)

    def _record(self, index: int) -> Record:
        return self._record_at(int(self._places[index]))

    def _record_at(self, place: int) -> Record:
        """The record with this number over all data sets; they make it when asked, and keep no list of a million."""
        number = next(number for number, end in enumerate(self._ends) if place < end)
        return self._records[number][place - (self._ends[number - 1] if number else 0)]

    def _look(self, smallest: int, tell: Tell) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the photos that are large enough, and remember why others are not used; nobody misses a copy."""
        places, sizes = array("q"), array("q")
        for place in range(self._ends[-1]):
            record = self._record_at(place)
            tell(place, self._ends[-1], f"looking at {record.name}")
            self.found += not _is_copy(record)
            try:
                height, width = self._size_of(record)
                if min(height, width) < smallest:
                    raise ImageError(
                        f"{record.source}: {width}x{height} is smaller than a crop of {smallest}x{smallest}"
                    )
            except ImageError as error:
                if not _is_copy(record):
                    self._unfit.append(str(error))
                continue
            places.append(place)
            sizes.extend((height, width))
        return np.array(places, dtype=np.int64), np.array(sizes, dtype=np.int64).reshape(-1, 2)

    def _size_of(self, record: Record) -> tuple[int, int]:
        """Height and width, cut to multiples of the scale."""
        scale = self._scale
        height, width = (length // scale * scale for length in record.hr.size)
        if self._chain is None:
            if record.lr is None:
                raise ImageError(f"{record.source} comes without LR for x{scale}; set data.lr to made")
            if tuple(record.lr.size) != (height // scale, width // scale):
                raise ImageError(
                    f"{record.source}: its LR is not 1/{scale} of it; make LR again, or set data.lr to made"
                )
        return height, width

    def _decode_all(self, tell: Tell) -> None:
        """Decode every photo, several at once, and give those up that break on the way."""

        def decoded(index: int) -> ImageError | None:
            try:
                self.hr(index)
                if self._chain is None:
                    self.lr(index)
            except ImageError as error:
                return error
            return None

        with Prefetcher(decoded, range(len(self)), processors()) as results:
            for index, error in enumerate(results):
                tell(index, len(self), f"decoding {self._record(index).name}")
                if error is not None:
                    self.give_up(index, error)

    def _decode(self, index: int, picture: Picture, factor: int) -> Pixels:
        height, width = (int(length) // factor for length in self.sizes[index])
        pixels = rgb(picture().pixels)
        if pixels.shape[0] < height or pixels.shape[1] < width:
            found, source = f"{pixels.shape[1]}x{pixels.shape[0]}", self._record(index).source
            raise ImageError(f"{source} is {found} and not {width}x{height} any more; leave files as they are")
        return pixels[:height, :width]

    def _make_lr(self, index: int) -> Pixels:
        if self._chain is not None:
            return self._chain.apply(self.hr(index))
        picture = self._record(index).lr
        assert picture is not None
        return self._decode(index, picture, self._scale)


def _is_copy(record: Record) -> bool:
    """Whether it is a photo at another size, which counts for nothing where people count photos."""
    return isinstance(record.hr, SmallerPicture)
