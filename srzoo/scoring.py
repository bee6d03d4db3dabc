"""One scorer for every model: the same images, the same rules, the same numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import DataError, UsageError
from srzoo.images import list_images, read_image
from srzoo.metrics import lr_psnr, luma, psnr, ssim
from srzoo.protocol import CLASSIC, Protocol
from srzoo.resize import imresize

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int, str], None]
"""Called after each image with how many are done, how many there are, and the image's name."""

METRICS = ("psnr_y", "ssim_y", "lr_psnr", "seconds")
"""What is measured for each image; PSNR in dB, time in seconds of `upscale` alone."""

_SAMPLES = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
}


class CanUpscale(Interface):
    """What `evaluate` needs of a model."""

    @property
    def scale(self) -> int:
        """Enlargement factor."""

    def upscale(self, image: Any, /) -> Any:
        """Enlarge an (H, W, 3) uint8 array to (scale * H, scale * W, 3) uint8."""


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
            raise DataError(f"{self.name}: HR {_size(self.hr)} is no multiple of LR {_size(self.lr)}")
        return scale

    @cached_property
    def digest(self) -> str:
        """sha256 of both images' shapes and pixels."""
        sha = sha256()
        for array in (self.lr, self.hr):
            sha.update(repr(array.shape).encode())
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()


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


def data_fingerprint(pairs: Sequence[ImagePair]) -> str:
    """First 12 hexadecimal digits of the sha256 over the decoded pixels of all pairs, whatever order or names."""
    return sha256("".join(sorted(pair.digest for pair in pairs)).encode()).hexdigest()[:12]


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
        sizes = f"HR {_size(pair.hr)} and LR {_size(pair.lr)}"
        raise DataError(f"{pair.name}: {sizes} make x{pair.scale}, but the model enlarges x{scale}")
    smallest = protocol.ssim_window + 2 * scale
    if min(pair.hr.shape[:2]) < smallest:
        raise DataError(f"{pair.name}: HR {_size(pair.hr)} is too small to be scored; x{scale} needs {smallest} pixels")


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
        raise DataError(f"{name}: HR {_size(hr)} is too small for x{scale}")
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
    wrong = [f"{pair.name} (HR {_size(pair.hr)}, LR {_size(pair.lr)})" for pair in pairs if not _fits(pair, scale)]
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


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
