"""Layouts of files that several data sets share: folders of images, and pairs of folders matched by name."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from srzoo.dataset import Dataset, FilePicture, Record
from srzoo.errors import DataError
from srzoo.images import SUFFIXES, list_images
from srzoo.ondemand import OnDemand


@dataclass(frozen=True)
class Found:
    """What a folder holds."""

    records: Sequence[Record]
    """What can be used."""

    problems: tuple[str, ...] = ()
    """What was left out; see `Dataset.problems`."""


class FileDataset(Dataset):
    """A data set whose files are looked for once for each scale."""

    @abstractmethod
    def find(self, scale: int | None) -> Found:
        """Look for the files; see `Dataset.records`."""

    def records(self, scale: int | None = None) -> Sequence[Record]:
        found = self._found(scale)
        if not found.records:
            raise DataError(f"nothing can be used: {'; '.join(found.problems[:1]) or 'there are no images'}")
        return found.records

    def problems(self, scale: int | None = None) -> Sequence[str]:
        return self._found(scale).problems

    def _found(self, scale: int | None) -> Found:
        known: dict[int | None, Found] = self.__dict__.setdefault("_found_by_scale", {})
        if scale not in known:
            known[scale] = self.find(scale)
        return known[scale]


class FileRecords(OnDemand[Record]):
    """HR files below one folder, made into records when asked for: a million of them takes little memory.

    Args:
        folder: Where they lie.
        files: Paths relative to it, with ``/``.
    """

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        self._folder = str(folder)
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def make(self, index: int) -> Record:
        """See `OnDemand.make`."""
        file = self._files[index]
        path = os.path.join(self._folder, file)
        return Record(os.path.splitext(file)[0], path, FilePicture(path))


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image, and not a hidden one."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def images_below(folder: Path) -> list[str]:
    """All image files below a folder, relative to it with ``/``, sorted; hidden files and folders are left out."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = PurePath(place).relative_to(folder).as_posix()
        start = "" if inside == "." else f"{inside}/"
        found += [start + name for name in files if is_image(name)]
    return sorted(found)


def without_twins(folder: Path, files: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
    """Of files that differ in nothing but their suffix keep the first.

    Returns:
        The files kept, and one line for each that was not.
    """
    kept: dict[str, str] = {}
    problems = []
    for file in files:
        first = kept.setdefault(os.path.splitext(file)[0], file)
        if first != file:
            problems.append(f"{folder / first} and {PurePath(file).name} have one name; keep one of them")
    return list(kept.values()), tuple(problems)


def hr_files(folder: Path, files: Sequence[str]) -> Found:
    """HR images alone."""
    kept, problems = without_twins(folder, files)
    return Found(FileRecords(folder, kept), problems)


def hr_folder(folder: Path) -> Found:
    """HR images directly in a folder.

    Raises:
        ImageError: There are none.
    """
    return hr_files(folder, [file.name for file in list_images(folder)])


def pair_folders(hr: Path, lr: Path, scale: int) -> Found:
    """HR and LR images directly in two folders, matched by name.

    The name of an LR file is that of its HR file, or ends in the scale, ``x4``, or in ``LR`` where HR ends in ``HR``.

    Raises:
        ImageError: One folder holds no image.
    """
    return pair_files(list_images(hr), list_images(lr), scale)


def pair_files(hr: Iterable[Path], lr: Iterable[Path], scale: int) -> Found:
    """HR and LR files, matched by name as `pair_folders` says."""
    hr_by_name, problems = _by_stem(hr)
    lr_by_stem, more = _by_stem(lr)
    problems += more
    by_short_name = {_short(stem, scale): stem for stem in hr_by_name}
    partners: dict[str, Path] = {}
    strangers = []
    for stem, file in lr_by_stem.items():
        short = _short(stem, scale)
        name = next((each for each in (stem, short) if each in hr_by_name), by_short_name.get(short))
        if name is None:
            strangers.append(file)
        elif name in partners:
            problems.append(f"{partners[name]} and {file.name} are both LR of {name}; keep one of them")
        else:
            partners[name] = file
    strangers += [file for name, file in hr_by_name.items() if name not in partners]
    if strangers:
        problems.append(f"without a partner of the same name in HR and LR: {listing(map(str, strangers))}")
    records = [
        Record(name, str(hr_by_name[name]), FilePicture(str(hr_by_name[name])), FilePicture(str(partners[name])))
        for name in hr_by_name
        if name in partners
    ]
    return Found(records, tuple(problems))


def listing(names: Iterable[str], most: int = 10) -> str:
    """The first ``most`` names between commas, and how many more there are."""
    rest = list(names)
    more = f" and {len(rest) - most} more" if len(rest) > most else ""
    return ", ".join(islice(rest, most)) + more


def check_pattern(pattern: str) -> None:
    """Refuse a path in which more than ``{scale}`` is to be filled in.

    Raises:
        DataError: There are other braces in it.
    """
    try:
        pattern.format(scale=4)
    except (IndexError, KeyError, ValueError):
        raise DataError(f"{pattern}: nothing but {{scale}} is filled in; write X{{scale}}/HR") from None


def scales_of(root: Path, pattern: str) -> list[int]:
    """The scales for which ``pattern``, a path with ``{scale}`` in it, leads to a folder."""
    return [scale for scale in range(2, 17) if (root / pattern.format(scale=scale)).is_dir()]


def _by_stem(files: Iterable[Path]) -> tuple[dict[str, Path], list[str]]:
    found: dict[str, Path] = {}
    problems = []
    for file in files:
        first = found.setdefault(file.stem, file)
        if first != file:
            problems.append(f"{first} and {file.name} have one name; keep one of them")
    return found, problems


def _short(stem: str, scale: int) -> str:
    """A name without what tells HR from LR at its end: ``babyx4``, ``baby_LR`` and ``baby_SRF_4_HR`` are ``baby``."""
    tag = rf"[-_]?(?:x{scale}|(?:SRF_{scale}_)?(?:HR|GT|LR)|LRBI_x{scale})"
    return re.sub(rf"(?<=.){tag}$", "", stem, flags=re.IGNORECASE)
