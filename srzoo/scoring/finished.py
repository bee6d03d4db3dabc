"""A folder of finished SR images, whoever made them, matched to HR by name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from srzoo.data.pairs import ImagePair, eight_bits, size_text
from srzoo.dataset import FilePicture
from srzoo.errors import DataError, UsageError
from srzoo.images import image_size, list_images
from srzoo.layouts import listing
from srzoo.scale import Scale
from srzoo.scoring.comparison import Levels
from srzoo.scoring.sources import Made

_HR_TAG = re.compile(r"[_\-. ](hr|gt)$", re.IGNORECASE)
"""What names of HR files may end in that SR files lack."""

_SUFFIX = re.compile(r"$|[^0-9a-zA-Z]|[xX][0-9]|(SR|sr|Sr)(?![a-z])")
"""How what an SR file's name has beyond its HR file's may begin; not with a digit, which would be another number."""


class FinishedImages:
    """SR images that another program has finished.

    A file belongs to the HR image whose name its own begins with, the longest where there are several: ``baby.png``,
    ``babyx4.png``, ``baby_SR.png`` and ``baby_x4_SwinIR.png`` to ``baby.png``, and also to ``baby_HR.png``.

    Args:
        folder: Where they lie.
        scale: Enlargement factor that they were made with.

    Raises:
        ImageError: The folder is missing or holds no images.
    """

    follows_rules = False

    def __init__(self, folder: Path, scale: Scale) -> None:
        self._folder = folder
        self._files = list_images(folder)
        self._scale = scale
        self._matched: Mapping[str, Path] = {}

    @property
    def scale(self) -> Scale:
        """Enlargement factor."""
        return self._scale

    def match(self, names: Sequence[str]) -> None:
        """Find the file of each HR image.

        Raises:
            DataError: An image has no file or two, or a file no image.
        """
        self._matched = match_files(self._folder, self._files, names)

    def make(self, name: str, lr: Levels, shape: tuple[int, ...], *, exact: bool) -> Made:
        """See `Source.make`."""
        path = self._matched[name]
        pixels = read_finished(path)
        if pixels.shape[:2] != shape[:2]:
            raise DataError(f"{path} has {size_text(pixels)} pixels, but HR of {name} {shape[1]}x{shape[0]}")
        if pixels.ndim == 2 and len(shape) == 3:
            raise DataError(f"{path} is gray, but HR of {name} is in colour; save both alike")
        return Made(pixels, None)


def scale_of(data: str | os.PathLike[str] | Sequence[ImagePair] | None) -> Scale:
    """The scale that finished images must have been made with to fit a data set.

    Args:
        data: Image pairs, or a folder with ``HR`` and ``LR``, whose first images' sizes tell.

    Raises:
        UsageError: It is something else.
        ImageError: An image cannot be read.
    """
    if isinstance(data, Sequence) and not isinstance(data, str) and data:
        return data[0].scale
    folders = [Path(data) / name for name in ("HR", "LR")] if isinstance(data, str | os.PathLike) else []
    if not folders or not all(folder.is_dir() for folder in folders):
        raise UsageError("which scale the finished images were made with cannot be told from sizes here: give --scale")
    (height, _), (low_height, _) = (image_size(list_images(folder)[0]) for folder in folders)
    return max(1, height // low_height)


def read_finished(path: Path) -> NDArray[np.uint8]:
    """The pixels of a finished image; raises as `eight_bits` does."""
    return eight_bits(FilePicture(str(path)), str(path))


def match_files(folder: Path, files: Sequence[Path], names: Sequence[str]) -> dict[str, Path]:
    """The file of each HR image; see `FinishedImages`.

    Args:
        folder: Where the files lie, for messages.
        files: SR images.
        names: Names of the HR images.

    Raises:
        DataError: An image has no file or two, or a file no image.
    """
    stems = {_HR_TAG.sub("", PurePath(name).name): name for name in names}
    if len(stems) < len(names):
        raise DataError(f"two HR images differ in their folder alone; finished images in {folder} cannot be told apart")
    found: dict[str, list[Path]] = {name: [] for name in names}
    strangers = []
    for file in files:
        own = [stem for stem in stems if file.stem.startswith(stem) and _SUFFIX.match(file.stem[len(stem) :])]
        if own:
            found[stems[max(own, key=len)]].append(file)
        else:
            strangers.append(file.name)
    problems = {
        "no image for": [name for name, own in found.items() if not own],
        "more than one image for": [
            f"{name} ({', '.join(file.name for file in own)})" for name, own in found.items() if len(own) > 1
        ],
        "no HR for": strangers,
    }
    said = "; ".join(f"{what} {listing(those)}" for what, those in problems.items() if those)
    if said:
        raise DataError(f"{folder}: {said}")
    return {name: own[0] for name, own in found.items()}
