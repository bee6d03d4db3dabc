"""HR and LR in two folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from srzoo.dataset import About
from srzoo.errors import DataError
from srzoo.layouts import FileDataset, Found, check_pattern, hr_folder, pair_folders, scales_of

_LR = "LR"
"""Where LR is looked for unless another folder is named."""


class PairedDataset(FileDataset):
    """HR and LR images in two folders, matched by name.

    A folder that holds HR/ and LR/, or X4/HR and X4/LR, is opened like this by its path alone. The name of an LR file
    is that of its HR file, perhaps with the scale at its end: 0001.png belongs to 0001x4.png, 0001_x4.png or
    0001_LR.png. Where no LR folder is named and LR/ is missing, LR is made from HR.
    """

    about = About(
        title="HR and LR images in two folders",
        origin="your own",
        licence="your own affair",
        citation="",
        download="nothing; give the folder that holds both, or root=FOLDER",
        layout=("HR/0001.png", "LR/0001.png or LR/0001x4.png"),
        images={},
    )

    def __init__(
        self,
        root: Path,
        *,
        hr: Annotated[str, Field(description="Folder of HR below the root; {scale} stands for 4 and the like.")] = "HR",
        lr: Annotated[str, Field(description="Folder of LR below the root, likewise.")] = _LR,
    ) -> None:
        self._root, self._hr, self._lr = root, hr, lr
        for pattern in (hr, lr):
            check_pattern(pattern)
        if not (scales_of(root, hr) if "{scale}" in hr else (root / hr).is_dir()):
            raise DataError(f"{root / hr} does not exist; put the HR images there, or say hr=FOLDER")

    def find(self, scale: int | None) -> Found:
        hr = self._root / self._hr.format(scale=scale)
        if "{scale}" in self._hr:
            scales = scales_of(self._root, self._hr)
            hr = self._root / self._hr.format(scale=scale or scales[0])
            if scale is not None and scale not in scales:
                known = ", ".join(f"x{each}" for each in scales)
                raise DataError(f"{self._root} holds nothing for x{scale}, but {known}; {hr} does not exist")
        lr = self._root / self._lr.format(scale=scale)
        if scale is not None and self._lr != _LR and not lr.is_dir():
            raise DataError(f"{lr} does not exist; put LR for x{scale} there, or leave out lr, and LR is made")
        return hr_folder(hr) if scale is None or not lr.is_dir() else pair_folders(hr, lr, scale)
