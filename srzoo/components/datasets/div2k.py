"""DIV2K, what most super-resolution networks are trained on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from srzoo.dataset import About, FilePicture, Record
from srzoo.errors import DataError
from srzoo.images import list_images
from srzoo.layouts import FileDataset, Found, hr_folder, listing


class DIV2K(FileDataset):
    """DIV2K: 900 photos of two megapixels and more, 800 to train and 100 to validate.

    Where the bicubic LR of a scale is missing it is made from HR. The wild track has four LR images of each training
    photo: each of them is a record of its own.
    """

    about = About(
        title="DIV2K: DIVerse 2K",
        origin="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        licence="academic research only; the photos belong to their owners",
        citation=(
            "Agustsson and Timofte, NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study, "
            "CVPR Workshops 2017"
        ),
        download=(
            "DIV2K_train_HR.zip and DIV2K_valid_HR.zip, and the LR archives of the tracks wanted, unpacked side by "
            "side into DIV2K/"
        ),
        layout=(
            "DIV2K_train_HR/0001.png to 0800.png, DIV2K_valid_HR/0801.png to 0900.png",
            "DIV2K_train_LR_bicubic/X4/0001x4.png, likewise X2 and X3 (track=bicubic)",
            "DIV2K_train_LR_x8/0001x8.png (track=bicubic, x8)",
            "DIV2K_train_LR_unknown/X4/0001x4.png, likewise X2 and X3 (track=unknown)",
            "DIV2K_train_LR_mild/0001x4m.png (track=mild)",
            "DIV2K_train_LR_difficult/0001x4d.png (track=difficult)",
            "DIV2K_train_LR_wild/0001x4w1.png to 0001x4w4.png (track=wild)",
        ),
        images={"train": 800, "valid": 100},
    )
    places = ("DIV2K", "train/DIV2K", "datasets/DIV2K", ".")
    modulus = 12

    def __init__(
        self,
        root: Path,
        *,
        split: Annotated[Literal["train", "valid"], Field(description="Which photos.")] = "train",
        track: Annotated[
            Literal["bicubic", "unknown", "mild", "difficult", "wild"],
            Field(description="How LR was made: mild, difficult and wild exist for x4."),
        ] = "bicubic",
    ) -> None:
        self._root, self._split, self._track = root, split, track
        self._hr = root / f"DIV2K_{split}_HR"
        if not self._hr.is_dir():
            raise DataError(f"{self._hr} does not exist; unpack {self._hr.name}.zip into {root}")

    def find(self, scale: int | None) -> Found:
        hr = hr_folder(self._hr)
        if scale is None:
            return hr
        folder = self._lr_folder(scale)
        if folder is None or not folder.is_dir():
            if self._track == "bicubic":
                return hr
            wanted = "exists for x4 only" if folder is None else f"lies in {folder}, which does not exist"
            raise DataError(f"LR of DIV2K's track {self._track} {wanted}")
        return self._paired(hr, folder, scale)

    def _lr_folder(self, scale: int) -> Path | None:
        start = self._root / f"DIV2K_{self._split}_LR_{self._track}"
        if self._track in ("bicubic", "unknown"):
            eight = self._root / f"DIV2K_{self._split}_LR_x8"
            return eight if (self._track, scale) == ("bicubic", 8) else start / f"X{scale}"
        return start if scale == 4 else None

    def _paired(self, hr: Found, folder: Path, scale: int) -> Found:
        photos = {record.name: record for record in hr.records}
        end = "" if self._track in ("bicubic", "unknown") else self._track[0]
        records, strangers = [], []
        for file in list_images(folder):
            match = re.fullmatch(rf"(\d+)x{scale}{end}(\d?)", file.stem)
            photo = photos.get(match[1]) if match else None
            if match is None or photo is None:
                strangers.append(str(file))
                continue
            name = f"{photo.name}-{match[2]}" if match[2] else photo.name
            records.append(Record(name, photo.source, photo.hr, FilePicture(str(file))))
        found = {record.source for record in records}
        strangers += [photo.source for photo in photos.values() if photo.source not in found]
        problems = [f"without a partner of the same number in HR and LR: {listing(strangers)}"] if strangers else []
        return Found(records, (*hr.problems, *problems))
