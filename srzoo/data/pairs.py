"""Image pairs to score on: an LR image, and the HR image that it was made from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srzoo.data.reference import open_dataset, open_path
from srzoo.dataset import Dataset, Picture, Record
from srzoo.errors import DataError, UsageError
from srzoo.images import Image
from srzoo.layouts import listing
from srzoo.ondemand import OnDemand
from srzoo.protocol import CLASSIC, Protocol
from srzoo.resize import imresize
from srzoo.scale import LARGEST_DENOMINATOR, Scale

Pixels = NDArray[np.uint8]

MEMORY = 512 * 2**20
"""Most bytes of decoded pixels that a set of pairs keeps; what is beyond is decoded again when asked for."""


@dataclass(frozen=True, eq=False)
class ImagePair:
    """An LR image and the HR image it was made from."""

    name: str
    """What the image is called in results."""

    lr: Pixels
    """(H, W, 3) RGB or (H, W) gray."""

    hr: Pixels
    """(sH, sW, 3) or (sH, sW), already cropped to a multiple of the scale s, or of its numerator."""

    made: bool = False
    """Whether LR was made of HR for the occasion, not stored beside it."""

    def __post_init__(self) -> None:
        for array in (self.lr, self.hr):
            if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
                raise DataError(f"{self.name}: a pair holds (H, W, 3) or (H, W) uint8, got {array.dtype} {array.shape}")
        if self.lr.shape[2:] != self.hr.shape[2:]:
            raise DataError(f"{self.name}: of HR and LR one is gray and the other in colour; save both alike")

    @cached_property
    def scale(self) -> Scale:
        """Enlargement factor that the two sizes imply.

        Raises:
            DataError: If they imply none.
        """
        scale, other = (Fraction(*sides) for sides in zip(self.hr.shape[:2], self.lr.shape[:2], strict=True))
        if scale == other and scale >= 1 and scale.denominator <= LARGEST_DENOMINATOR:
            return int(scale) if scale.denominator == 1 else scale
        raise DataError(f"{self.name}: HR {size_text(self.hr)} is no multiple of LR {size_text(self.lr)}")

    @cached_property
    def digest(self) -> str:
        """sha256 of both images' shapes and pixels."""
        return pixel_digest(self.lr, self.hr)


def pixel_digest(*images: Pixels) -> str:
    """sha256 of the shapes and pixels of images."""
    sha = sha256()
    for image in images:
        sha.update(repr(image.shape).encode())
        sha.update(np.ascontiguousarray(image).data)
    return sha.hexdigest()


def fingerprint(digests: Iterable[str]) -> str:
    """First 12 hexadecimal digits of the sha256 over digests, whatever their order."""
    return sha256("".join(sorted(digests)).encode()).hexdigest()[:12]


def data_fingerprint(pairs: Sequence[ImagePair]) -> str:
    """First 12 hexadecimal digits of the sha256 over the decoded pixels of all pairs, whatever order or names."""
    if isinstance(pairs, StoredPairs):
        return fingerprint(pairs.digest(index) for index in range(len(pairs)))
    return fingerprint(pair.digest for pair in pairs)


def make_pair(name: str, hr: Pixels, scale: Scale, *, protocol: Protocol = CLASSIC) -> ImagePair:
    """Crop HR as `mod_crop` does and make LR from it.

    LR is MATLAB's bicubic with the protocol's edge rule: ``"symmetric"``, as newer MATLAB does.

    Raises:
        DataError: If HR is smaller than the scale.
    """
    hr = mod_crop(name, hr, scale)
    size = (int(hr.shape[0] / Fraction(scale)), int(hr.shape[1] / Fraction(scale)))
    return ImagePair(name, imresize(hr, size=size, edge=protocol.degradation_edge), hr, made=True)


def mod_crop(name: str, hr: Pixels, scale: Scale) -> Pixels:
    """Crop an image at the right and the bottom to a multiple of the scale, or of its numerator where it is a fraction.

    HR and LR are then whole pixels of exactly that scale: 5/2 makes 5 pixels of HR from every 2 of LR.

    Raises:
        DataError: If it is smaller than the scale.
    """
    multiple = Fraction(scale).numerator
    height, width = (length // multiple * multiple for length in hr.shape[:2])
    if min(height, width) < 1:
        raise DataError(f"{name}: HR {size_text(hr)} is too small for x{scale}")
    return hr[:height, :width]


def read_pair(record: Record, scale: Scale, *, protocol: Protocol = CLASSIC) -> ImagePair:
    """Decode one photo of a data set with its LR, which is made where the data set holds none; see `make_pair`.

    Raises:
        ImageError: An image cannot be read.
        DataError: HR and LR do not fit, or cannot be scored.
    """
    hr = eight_bits(record.hr, record.source)
    if record.lr is None:
        return make_pair(record.name, hr, scale, protocol=protocol)
    return ImagePair(record.name, eight_bits(record.lr, f"LR of {record.source}"), mod_crop(record.name, hr, scale))


def eight_bits(picture: Picture, source: str) -> Pixels:
    """Decode an image on which scores are defined.

    Raises:
        ImageError: It cannot be read.
        DataError: It has 16 bits, or can be seen through.
    """
    image = picture()
    if image.depth != 8:
        raise DataError(f"{source} has {image.depth} bits per channel; scores are defined on 8")
    if not image.opaque:
        raise DataError(f"{source} is partly transparent; scores are defined on opaque images")
    return image.pixels


def opaque_bytes(image: Image, source: str) -> Pixels:
    """Pixels of a decoded image as uint8, those of 16 bits rounded.

    Raises:
        DataError: One can see through it.
    """
    if not image.opaque:
        raise DataError(f"{source} is partly transparent; put it on a background first")
    if image.pixels.dtype == np.uint8:
        return image.pixels
    return np.floor(np.asarray(image.pixels, np.float64) * 255 + 0.5).astype(np.uint8)


class StoredPairs(OnDemand[ImagePair]):
    """The image pairs of a data set, decoded when asked for; those that fit into `MEMORY` stay decoded.

    Args:
        data: The data set.
        scale: Enlargement factor. Where it is not whole, LR is always made.
        protocol: How LR is made where the data set holds none.

    Raises:
        DataError: The data set has problems, or images of another scale: a score over what is left would be another.
        ImageError: The size of an image cannot be read.
    """

    def __init__(self, data: Dataset, scale: Scale, *, protocol: Protocol = CLASSIC) -> None:
        held = scale if isinstance(scale, int) else None
        self._records = data.records(held)
        problems = data.problems(held)
        if problems:
            more = f" (and {len(problems) - 1} more: srzoo data verify)" if len(problems) > 1 else ""
            raise DataError(f"{problems[0]}{more}")
        self._scale, self._protocol = scale, protocol
        self._kept: dict[int, ImagePair] = {}
        self._digests: dict[int, str] = {}
        self._bytes = 0
        self._check_sizes()

    def _check_sizes(self) -> None:
        wrong = []
        for record in self._records:
            if record.lr is None:
                continue
            (height, width), (low_height, low_width) = record.hr.size, record.lr.size
            if (height // self._scale, width // self._scale) != (low_height, low_width):
                wrong.append(f"{record.name} (HR {width}x{height}, LR {low_width}x{low_height})")
        if wrong:
            raise DataError(f"not x{self._scale}: {listing(wrong)}; give the scale these images were made for")

    def __len__(self) -> int:
        return len(self._records)

    def make(self, index: int) -> ImagePair:
        """See `OnDemand.make`."""
        if index in self._kept:
            return self._kept[index]
        pair = read_pair(self._records[index], self._scale, protocol=self._protocol)
        size = pair.lr.nbytes + pair.hr.nbytes
        if self._bytes + size <= MEMORY:
            self._kept[index] = pair
            self._bytes += size
        elif index not in self._digests:
            self._digests[index] = pair.digest
        return pair

    def digest(self, index: int) -> str:
        """`ImagePair.digest` of one pair, without decoding it again."""
        return self._digests[index] if index in self._digests else self[index].digest


def pairs_from_folder(path: str | Path, scale: Scale, *, protocol: Protocol = CLASSIC) -> Sequence[ImagePair]:
    """The image pairs of a folder or a pack, whatever its name means elsewhere; see `open_path` and `StoredPairs`.

    Raises:
        DataError: It does not exist, an image has no partner, or a pair is of another scale.
        ImageError: It holds no image, or a file cannot be read.
    """
    return StoredPairs(open_path(Path(path)), scale, protocol=protocol)


def sample_pairs(scale: Scale, *, protocol: Protocol = CLASSIC) -> list[ImagePair]:
    """The embedded test set: five photos that scikit-image ships, the same bytes everywhere.

    Raises:
        DataError: If a photo is missing or is another one.
    """
    return list(StoredPairs(open_dataset("sample"), scale, protocol=protocol))


def size_text(image: Pixels) -> str:
    """Width and height, as people write them."""
    return f"{image.shape[1]}x{image.shape[0]}"


def pairs_of(
    data: str | os.PathLike[str] | Sequence[ImagePair] | None, scale: Scale, protocol: Protocol = CLASSIC
) -> Sequence[ImagePair]:
    """Image pairs of whatever a caller may hold.

    Args:
        data: A data set as `open_dataset` takes it, the path of a folder or a pack, image pairs, which are given back
            as they are, or None for the embedded photos.
        scale: Enlargement factor.
        protocol: How LR is made where it is not given.

    Raises:
        SrzooError: The data cannot be found or used.
    """
    if data is None:
        return sample_pairs(scale, protocol=protocol)
    if isinstance(data, str):
        return StoredPairs(open_dataset(data), scale, protocol=protocol)
    if isinstance(data, os.PathLike):
        return pairs_from_folder(Path(data), scale, protocol=protocol)
    pairs: Sequence[ImagePair] = data
    listed = pairs if isinstance(pairs, list | tuple) else ()
    if not isinstance(pairs, Sequence) or not all(isinstance(each, ImagePair) for each in listed):
        raise UsageError("data are a folder, the name of a data set, or image pairs, such as make_pair makes")
    return pairs
