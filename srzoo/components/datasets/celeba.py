"""CelebA: faces of celebrities with forty attributes each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from srzoo.dataset import About, Picture, Record, cut
from srzoo.errors import DataError, ImageError
from srzoo.images import Image, image_size, read_image
from srzoo.layouts import FileDataset, FileRecords, Found, is_image, listing
from srzoo.messages import suggestion

_PARTS = {"train": "0", "valid": "1", "test": "2"}
"""What the partition file calls the splits."""


@dataclass(frozen=True, slots=True)
class _Centre(Picture):
    """The square in the middle of an image file."""

    path: str
    side: int

    def __call__(self) -> Image:
        image = read_image(self.path)
        height, width = image.pixels.shape[:2]
        if min(height, width) < self.side:
            raise ImageError(f"{self.path}: {width}x{height} holds no square of {self.side}; choose a smaller crop")
        return cut(image, (height - self.side) // 2, (width - self.side) // 2, self.side, self.side)

    @property
    def size(self) -> tuple[int, int]:
        image_size(self.path)
        return self.side, self.side


class CelebA(FileDataset):
    """CelebA: 202,599 aligned faces of 178x218 pixels, of 10,177 people."""

    about = About(
        title="CelebA: CelebFaces Attributes",
        origin="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        licence="non-commercial research only; the photos belong to their owners",
        citation="Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, ICCV 2015",
        download="img_align_celeba.zip, unpacked, list_eval_partition.txt and list_attr_celeba.txt into CelebA/",
        layout=(
            "img_align_celeba/000001.jpg to 202599.jpg",
            "list_eval_partition.txt: which split each file belongs to (for split)",
            "list_attr_celeba.txt: its forty attributes (for attributes)",
            "also as in the authors' folders Img, Eval and Anno, and with Kaggle's *.csv in place of *.txt",
        ),
        images={"train": 162770, "valid": 19867, "test": 19962},
    )
    places = ("CelebA", "datasets/CelebA", "train/CelebA", ".")

    def __init__(
        self,
        root: Path,
        *,
        split: Annotated[Literal["train", "valid", "test", "all"], Field(description="Which photos.")] = "train",
        attributes: Annotated[
            str,
            Field(description="Only photos with these, such as Smiling,-Male: a minus asks for those without."),
        ] = "",
        crop: Annotated[int, Field(ge=0, description="Side of the square cut from the middle; 0 for none.")] = 0,
    ) -> None:
        self._root, self._split, self._crop = root, split, crop
        self._wanted = [name.strip() for name in attributes.split(",") if name.strip()]
        places = [root / "img_align_celeba", root / "Img" / "img_align_celeba"]
        self._photos = next((place for place in places if place.is_dir()), places[0])
        nested = self._photos / "img_align_celeba"
        self._photos = nested if nested.is_dir() else self._photos
        if not self._photos.is_dir():
            raise DataError(f"{self._photos} does not exist; unpack img_align_celeba.zip into {root}")
        self._partition = self._table("list_eval_partition", "Eval") if split != "all" else None
        self._attributes = self._table("list_attr_celeba", "Anno") if self._wanted else None

    def find(self, scale: int | None) -> Found:
        present = {Path(name).stem: name for name in sorted(_names(self._photos))}
        wanted = list(present)
        if self._partition is not None:
            part = {Path(row[0]).stem: row[1] for row in _rows(self._partition) if len(row) == 2}
            wanted = [stem for stem, value in part.items() if value == _PARTS[self._split]]
        if self._attributes is not None:
            chosen = self._with_attributes(self._attributes)
            wanted = [stem for stem in wanted if stem in chosen]
        files = [present[stem] for stem in sorted(wanted) if stem in present]
        missing = [f"{stem}.jpg" for stem in sorted(wanted) if stem not in present]
        if not files:
            raise DataError(
                f"{self._photos} holds no photo of split {self._split} with {self._wanted or 'any'} attributes"
            )
        problems = (
            (f"{self._photos} lacks {listing(missing)}; unpack the whole img_align_celeba.zip",) if missing else ()
        )
        records: FileRecords | list[Record] = FileRecords(self._photos, files)
        if self._crop:
            records = [Record(each.name, each.source, _Centre(each.source, self._crop)) for each in records]
        return Found(records, problems)

    def _table(self, name: str, folder: str) -> Path:
        """One of the lists, wherever it lies."""
        places = [self._root / f"{name}.txt", self._root / folder / f"{name}.txt", self._root / f"{name}.csv"]
        for place in places:
            if place.is_file():
                return place
        raise DataError(f"{places[0]} does not exist; put it there, or use split=all without attributes")

    def _with_attributes(self, table: Path) -> set[str]:
        """Names of the photos that have every attribute wanted, and lack every one that is not."""
        rows = _rows(table)
        known = next(rows, [])
        if len(known) == 1:  # the text file begins with the number of photos
            known = ["", *next(rows, [])]
        for name in self._wanted:
            if name.lstrip("-") not in known:
                raise DataError(
                    f"CelebA has no attribute {name.lstrip('-')!r}{suggestion(name.lstrip('-'), known)}: "
                    f"{table.name} lists {', '.join(known[1:])}"
                )
        wanted = [(known.index(name.lstrip("-")), "-1" if name.startswith("-") else "1") for name in self._wanted]
        return {
            Path(row[0]).stem
            for row in rows
            if len(row) == len(known) and all(row[column] == value for column, value in wanted)
        }


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if is_image(entry.name)]


def _rows(table: Path) -> Iterator[list[str]]:
    """The rows of a list, split at spaces or commas."""
    with table.open(encoding="utf-8", errors="replace", newline="") as file:
        yield from csv.reader(file) if table.suffix == ".csv" else map(str.split, file)
