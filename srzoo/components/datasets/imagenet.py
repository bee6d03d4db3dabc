"""ImageNet, the thousand classes of ILSVRC 2012."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from srzoo.dataset import About
from srzoo.errors import DataError
from srzoo.layouts import FileDataset, Found, hr_files, images_below

_INSIDE = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "ILSVRC2012")
"""Where ``train`` and ``val`` lie below the root: directly, or as in Kaggle's archive."""


class ImageNet(FileDataset):
    """ImageNet ILSVRC 2012: photos of a thousand kinds of things, most of them JPEG of about 500x375 pixels."""

    about = About(
        title="ImageNet ILSVRC 2012",
        origin="https://www.image-net.org",
        licence="non-commercial research and education, on registration; the photos belong to their owners",
        citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
        download=(
            "ILSVRC2012_img_train.tar with the archive of every class unpacked into train/<wnid>/, and "
            "ILSVRC2012_img_val.tar into val/; or Kaggle's archive as it is"
        ),
        layout=(
            "train/n01440764/n01440764_10026.JPEG and so on, one folder for each class",
            "val/ILSVRC2012_val_00000001.JPEG, or sorted into val/n01440764/",
            "the same below ILSVRC/Data/CLS-LOC/",
        ),
        images={"train": 1281167, "val": 50000},
    )
    places = ("ImageNet", "imagenet-1k", "ILSVRC2012", "ILSVRC", "datasets/ImageNet", ".")

    def __init__(
        self,
        root: Path,
        *,
        split: Annotated[Literal["train", "val"], Field(description="Which photos.")] = "train",
    ) -> None:
        folders = [root / inside / split for inside in _INSIDE]
        held = [folder for folder in folders if folder.is_dir() and _is_imagenet(folder, flat=split == "val")]
        if not held:
            flat = "" if split == "train" else ", or ILSVRC2012_val_00000001.JPEG and so on"
            raise DataError(
                f"{folders[0]} holds no folders such as n01440764{flat}; unpack ImageNet's {split} archive into it"
            )
        self._folder = held[0]

    def find(self, scale: int | None) -> Found:
        files = images_below(self._folder)
        if not files:
            raise DataError(f"{self._folder} holds no images; unpack the archives of the classes into it")
        return hr_files(self._folder, files)


def _is_imagenet(folder: Path, *, flat: bool) -> bool:
    pattern = r"n\d{8}|ILSVRC2012_val_\d{8}\.jpe?g" if flat else r"n\d{8}"
    return any(re.fullmatch(pattern, entry.name, re.IGNORECASE) for entry in folder.iterdir())
