"""Any images in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from srzoo.dataset import About
from srzoo.errors import DataError, ImageError
from srzoo.layouts import FileDataset, Found, hr_files, hr_folder, images_below


class FolderDataset(FileDataset):
    """Any images in a folder, all of them HR.

    A path says as much: ``./photos`` is ``folder,root=./photos``, and ``./photos,recursive=true`` goes deeper.
    """

    about = About(
        title="Images in a folder",
        origin="your own",
        licence="your own affair",
        citation="",
        download="nothing; give the folder itself, or root=FOLDER",
        layout=("*.png, *.jpg, *.webp, *.tif or *.bmp, with recursive=true in folders below, too",),
        images={},
    )

    def __init__(
        self,
        root: Path,
        *,
        recursive: Annotated[bool, Field(description="Look into the folders below, too.")] = False,
    ) -> None:
        if not root.is_dir():
            raise DataError(f"{root} is no folder; give the folder that holds the images")
        self._root = root
        self._recursive = recursive

    def find(self, scale: int | None) -> Found:
        if self._recursive and (files := images_below(self._root)):
            return hr_files(self._root, files)
        try:
            return hr_folder(self._root)
        except ImageError as error:
            below = images_below(self._root)
            if not below:
                raise
            raise DataError(f"{error}; in folders below lie {len(below)}: write {self._root},recursive=true") from None
