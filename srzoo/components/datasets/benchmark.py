"""The small test sets that super-resolution papers report on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from srzoo.dataset import About, UsualCopy
from srzoo.errors import DataError
from srzoo.layouts import FileDataset, Found, check_pattern, hr_files, is_image, pair_files, scales_of


@dataclass(frozen=True)
class _Layout:
    """One way in which people keep a test set."""

    hr: str
    """Folder of HR below the root, perhaps with ``{scale}``."""

    lr: str = ""
    """Folder of LR, likewise; empty where there is none."""

    hr_end: str = ""
    """What the names of HR files end in, before the suffix."""

    lr_end: str = ""
    """What the names of LR files end in."""

    def hr_files(self, root: Path, scale: int | None) -> list[Path]:
        return _images(root, self.hr, self.hr_end, scale)

    def lr_files(self, root: Path, scale: int | None) -> list[Path]:
        return _images(root, self.lr, self.lr_end, scale) if self.lr else []


def _images(root: Path, folder: str, end: str, scale: int | None) -> list[Path]:
    place = root / folder.format(scale=scale)
    ending = end.format(scale=scale)
    if not place.is_dir():
        return []
    return sorted(file for file in place.iterdir() if is_image(file.name) and file.stem.endswith(ending))


_LAYOUTS = (
    _Layout("X{scale}/HR", "X{scale}/LR"),
    _Layout("HR", "LR_bicubic/X{scale}"),
    _Layout("image_SRF_{scale}", "image_SRF_{scale}", "_SRF_{scale}_HR", "_SRF_{scale}_LR"),
    _Layout("GTmod12", "LRbicx{scale}"),
    _Layout("GTmod{scale}", "LRbicx{scale}"),
    _Layout("original", "LRbicx{scale}"),
    _Layout("HR", "LR"),
    _Layout("."),
)
"""Those of this project and its like, EDSR, SelfExSR and BasicSR; then plain ones."""


def _shown(example: str) -> tuple[str, ...]:
    """The layouts for people, of a set whose first image is called ``example``."""
    return (
        f"X4/HR/{example}.png and X4/LR/{example}.png",
        f"HR/{example}.png and LR_bicubic/X4/{example}x4.png (EDSR's benchmark)",
        "image_SRF_4/img_001_SRF_4_HR.png and image_SRF_4/img_001_SRF_4_LR.png (SelfExSR)",
        f"GTmod12/{example}.png and LRbicx4/{example}.png (BasicSR)",
        f"HR/{example}.png and LR/{example}.png",
        f"original/{example}.png, HR/{example}.png or {example}.png alone: LR is made",
    )


def _places(*names: str) -> tuple[str, ...]:
    """Where people keep a test set of these names."""
    folders = ("", "test/", "benchmark/", "testsets/", "datasets/", "SR_testing_datasets/")
    return tuple(f"{folder}{name}" for folder in folders for name in names)


def _usual(scale: int, hr: str, *, clamp: str, symmetric: str) -> UsualCopy:
    return UsualCopy(scale, hr, {"clamp": clamp, "symmetric": symmetric})


class _TestSet(FileDataset):
    """A test set in whichever layout it is found."""

    def __init__(
        self,
        root: Path,
        *,
        lr: Annotated[
            str, Field(description="Folder of LR below the root in place of the layout's own, such as X{scale}/LR_new.")
        ] = "",
    ) -> None:
        check_pattern(lr)
        self._root = root
        held = [layout for layout in _LAYOUTS if any(layout.hr_files(root, each) for each in _scales(root, layout.hr))]
        if not held:
            raise DataError(
                f"{root} holds {self.about.title} in no layout that is known: put its images where one of these lines "
                f"says: {'; '.join(self.about.layout)}"
            )
        paired = (layout for layout in held if any(layout.lr_files(root, each) for each in _scales(root, layout.lr)))
        chosen = next(paired, held[0])
        self._layout = chosen if not lr else _Layout(chosen.hr, lr, chosen.hr_end)
        self._named = bool(lr)

    def find(self, scale: int | None) -> Found:
        scales = _scales(self._root, self._layout.hr)
        if scale is not None and None not in scales and scale not in scales:
            known = ", ".join(f"x{each}" for each in scales)
            raise DataError(
                f"{self._root} holds nothing for x{scale}, but {known}; put {self._layout.hr.format(scale=scale)} there"
            )
        hr = self._layout.hr_files(self._root, scales[0] if scale is None else scale)
        lr = [] if scale is None else self._layout.lr_files(self._root, scale)
        if scale is not None and lr:
            return pair_files(hr, lr, scale)
        if scale is not None and self._named:
            place = self._root / self._layout.lr.format(scale=scale)
            raise DataError(f"{place} holds no LR for x{scale}; put it there, or leave out lr, and LR is made")
        return hr_files(hr[0].parent, [file.name for file in hr])


def _scales(root: Path, folder: str) -> Sequence[int | None]:
    """For which scales there is such a folder; None stands for any."""
    return scales_of(root, folder) if "{scale}" in folder else (None,)


class Set5(_TestSet):
    """Set5: five small photos, the oldest test set still in use."""

    about = About(
        title="Set5",
        origin="http://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html",
        licence="none stated; used in research by custom",
        citation=(
            "Bevilacqua, Roumy, Guillemot and Alberi-Morel, Low-Complexity Single-Image Super-Resolution based on "
            "Nonnegative Neighbor Embedding, BMVC 2012"
        ),
        download="the five images, or a benchmark archive of a super-resolution project that holds them",
        layout=_shown("baby"),
        images={"test": 5},
    )
    places = _places("Set5")
    usual = (
        _usual(2, "56d899b36425", clamp="2fe09adaf5cd", symmetric="a289c111fb23"),
        _usual(3, "8acb3b008d16", clamp="ae17a5071e8f", symmetric="165d36a48d61"),
        _usual(4, "56d899b36425", clamp="52f71761480d", symmetric="ade37504e9e2"),
    )


class Set14(_TestSet):
    """Set14: fourteen photos and drawings, among them one file of a single channel."""

    about = About(
        title="Set14",
        origin="https://sites.google.com/site/romanzeyde/research-interests",
        licence="none stated; used in research by custom",
        citation=(
            "Zeyde, Elad and Protter, On Single Image Scale-Up Using Sparse-Representations, Curves and Surfaces 2010"
        ),
        download="the fourteen images, or a benchmark archive of a super-resolution project that holds them",
        layout=_shown("baboon"),
        images={"test": 14},
    )
    places = _places("Set14")
    usual = (
        _usual(2, "a65579982c3d", clamp="3b437f347bba", symmetric="cd889ccfb4e2"),
        _usual(3, "1d3abae2a62b", clamp="068a3457093c", symmetric="1c6197c9ab80"),
        _usual(4, "ede327ae3d68", clamp="4823d1cdf1e0", symmetric="46e82422872c"),
    )


class BSD100(_TestSet):
    """BSD100: the hundred test photos of the Berkeley segmentation data set BSDS300."""

    about = About(
        title="BSD100",
        origin="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/",
        licence="non-commercial research and education",
        citation=(
            "Martin, Fowlkes, Tal and Malik, A Database of Human Segmented Natural Images and its Application to "
            "Evaluating Segmentation Algorithms and Measuring Ecological Statistics, ICCV 2001"
        ),
        download=(
            "BSDS300's images/test (the same hundred photos as BSDS500's images/val), or a benchmark archive of a "
            "super-resolution project that holds them"
        ),
        layout=_shown("101085"),
        images={"test": 100},
    )
    places = _places("BSD100", "B100", "BSDS100")
    usual = (
        _usual(2, "ab7c173f1a42", clamp="b61540c52506", symmetric="1e45f7d0f48e"),
        _usual(4, "ab7c173f1a42", clamp="8c38c1d9a69c", symmetric="60f6383044a8"),
    )


class Urban100(_TestSet):
    """Urban100: a hundred photos of buildings, full of lines that repeat."""

    about = About(
        title="Urban100",
        origin="https://github.com/jbhuang0604/SelfExSR",
        licence="photos from Flickr under Creative Commons licences; of the collection none stated",
        citation="Huang, Singh and Ahuja, Single Image Super-Resolution from Transformed Self-Exemplars, CVPR 2015",
        download="the images from the authors' repository",
        layout=_shown("img001"),
        images={"test": 100},
    )
    places = _places("Urban100", "Urban100_SR")


class Manga109(_TestSet):
    """Manga109: one page of each of 109 Japanese comics."""

    about = About(
        title="Manga109",
        origin="http://www.manga109.org",
        licence="academic research, on application to the authors; the drawings belong to their artists",
        citation=(
            "Matsui, Ito, Aramaki, Fujimoto, Ogawa, Yamasaki and Aizawa, Sketch-based Manga Retrieval using Manga109 "
            "Dataset, Multimedia Tools and Applications 2017"
        ),
        download=(
            "the 109 pages that super-resolution papers use, one of each volume; the authors' own archive holds whole "
            "volumes"
        ),
        layout=_shown("ARMS"),
        images={"test": 109},
    )
    places = _places("Manga109")
