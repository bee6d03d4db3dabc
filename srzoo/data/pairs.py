"""Image pairs to score on: an LR image, and the HR image that it was made from."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import DataError
from srzoo.images import list_images, read_image
from srzoo.protocol import CLASSIC, Protocol
from srzoo.resize import imresize

Pixels = NDArray[np.uint8]

_SAMPLES = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
}


@dataclass(frozen=True, eq=False)
class ImagePair:
    """An LR image and the HR image it was made from."""

    name: str
    """What the image is called in results."""

    lr: Pixels
    """(H, W, 3) RGB or (H, W) gray."""

    hr: Pixels
    """(sH, sW, 3) or (sH, sW), already cropped to a multiple of the scale s."""

    def __post_init__(self) -> None:
        for array in (self.lr, self.hr):
            if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
                raise DataError(f"{self.name}: a pair holds (H, W, 3) or (H, W) uint8, got {array.dtype} {array.shape}")
        if self.lr.shape[2:] != self.hr.shape[2:]:
            raise DataError(f"{self.name}: of HR and LR one is gray and the other in colour; save both alike")

    @cached_property
    def scale(self) -> int:
        """Enlargement factor that the two sizes imply.

        Raises:
            DataError: If they imply none.
        """
        scale: int = self.hr.shape[0] // self.lr.shape[0]
        if scale < 1 or not _fits(self, scale):
            raise DataError(f"{self.name}: HR {size_text(self.hr)} is no multiple of LR {size_text(self.lr)}")
        return scale

    @cached_property
    def digest(self) -> str:
        """sha256 of both images' shapes and pixels."""
        sha = sha256()
        for array in (self.lr, self.hr):
            sha.update(repr(array.shape).encode())
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()


def data_fingerprint(pairs: Sequence[ImagePair]) -> str:
    """First 12 hexadecimal digits of the sha256 over the decoded pixels of all pairs, whatever order or names."""
    return sha256("".join(sorted(pair.digest for pair in pairs)).encode()).hexdigest()[:12]


def make_pair(name: str, hr: Pixels, scale: int, *, protocol: Protocol = CLASSIC) -> ImagePair:
    """Crop HR at the right and the bottom to a multiple of the scale and make LR from it.

    LR is MATLAB's bicubic with the protocol's edge rule: ``"symmetric"``, as newer MATLAB does.

    Raises:
        DataError: If HR is smaller than the scale.
    """
    hr = _mod_crop(name, hr, scale)
    size = (hr.shape[0] // scale, hr.shape[1] // scale)
    return ImagePair(name, imresize(hr, size=size, edge=protocol.degradation_edge), hr)


def _mod_crop(name: str, hr: Pixels, scale: int) -> Pixels:
    height, width = (length // scale * scale for length in hr.shape[:2])
    if min(height, width) < 1:
        raise DataError(f"{name}: HR {size_text(hr)} is too small for x{scale}")
    return hr[:height, :width]


def pairs_from_folder(path: str | Path, scale: int, *, protocol: Protocol = CLASSIC) -> list[ImagePair]:
    """Load a test set: a folder with ``HR/`` and ``LR/``, with ``HR/`` alone, or of HR images.

    HR is cropped to a multiple of the scale. LR files are matched by stem, with or without a trailing ``x4`` or the
    like; where there is no ``LR/`` they are made, see `make_pair`.

    Args:
        path: The folder.
        scale: Enlargement factor.
        protocol: How LR is made where it is not given.

    Raises:
        DataError: If an image has no partner, or a pair is of another scale.
        ImageError: If a folder is missing or empty, or a file cannot be read.
    """
    folder = Path(path)
    if not (folder / "LR").is_dir():
        alone = folder / "HR" if (folder / "HR").is_dir() else folder
        return [make_pair(name, _read(file), scale, protocol=protocol) for name, file in _by_stem(alone).items()]
    hr_files = _by_stem(folder / "HR")
    lr_files: dict[str, Path] = {}
    for stem, file in _by_stem(folder / "LR").items():
        name = _match(stem, hr_files, scale)
        if name in lr_files:
            raise DataError(f"{lr_files[name]} and {file.name} are both LR of {name}; keep one of them")
        lr_files[name] = file
    lonely = hr_files.keys() ^ lr_files.keys()
    unmatched = [str(files[stem]) for files in (hr_files, lr_files) for stem in sorted(lonely & files.keys())]
    if unmatched:
        raise DataError(f"without a partner of the same name in HR and LR: {', '.join(unmatched)}")
    pairs = [ImagePair(name, _read(lr_files[name]), _mod_crop(name, _read(hr), scale)) for name, hr in hr_files.items()]
    wrong = [
        f"{pair.name} (HR {size_text(pair.hr)}, LR {size_text(pair.lr)})" for pair in pairs if not _fits(pair, scale)
    ]
    if wrong:
        raise DataError(f"{folder}: not x{scale}: {', '.join(wrong)}; give the scale these images were made for")
    return pairs


def _by_stem(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in list_images(folder):
        if file.stem in files:
            raise DataError(f"{files[file.stem]} and {file.name} have one name; keep one of them")
        files[file.stem] = file
    return files


def _match(stem: str, hr_files: dict[str, Path], scale: int) -> str:
    shorter = stem.removesuffix(f"x{scale}")
    return shorter if stem not in hr_files and shorter in hr_files else stem


def _fits(pair: ImagePair, scale: int) -> bool:
    return pair.hr.shape[:2] == (scale * pair.lr.shape[0], scale * pair.lr.shape[1])


def _read(file: Path) -> Pixels:
    image = read_image(file)
    if image.depth != 8:
        raise DataError(f"{file} has {image.depth} bits per channel; scores are defined on 8")
    if image.alpha is not None and image.alpha.min() < 255:
        raise DataError(f"{file} is partly transparent; scores are defined on opaque images")
    return image.pixels


def sample_pairs(scale: int, *, protocol: Protocol = CLASSIC) -> list[ImagePair]:
    """The embedded test set: five photos that scikit-image ships, the same bytes everywhere.

    Raises:
        DataError: If a photo is missing or is another one.
    """
    return [make_pair(file.stem, read_image(file).pixels, scale, protocol=protocol) for file in _sample_files()]


def _sample_files() -> Iterator[Path]:
    # Found by path: importing scikit-image would cost more than reading the photos.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataError("the sample photos come with scikit-image; run: pip install scikit-image")
    for name, digest in _SAMPLES.items():
        file = Path(spec.origin).parent / "data" / name
        if not file.is_file() or sha256(file.read_bytes()).hexdigest() != digest:
            raise DataError(
                f"sample photo {file} is missing or changed; run: pip install --force-reinstall scikit-image"
            )
        yield file


def size_text(image: Pixels) -> str:
    """Width and height, as people write them."""
    return f"{image.shape[1]}x{image.shape[0]}"


def pairs_of(data: str | os.PathLike[str] | Sequence[ImagePair] | None, scale: int) -> Sequence[ImagePair]:
    """Image pairs from a folder, as given, or of the embedded photos where ``data`` is None."""
    if data is None:
        return sample_pairs(scale)
    return pairs_from_folder(Path(data), scale) if isinstance(data, str | os.PathLike) else data
