"""Pairs of HR and LR: how folders are read, what is said of files that do not fit, and what tells data apart."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from srzoo.data.pairs import ImagePair, data_fingerprint, pairs_from_folder
from srzoo.errors import DataError
from srzoo.images import Image, write_image


@pytest.fixture
def folder(tmp_path: Path, pairs: list[ImagePair]) -> Path:
    """HR/ and LR/ with two photos."""
    for name in ("HR", "LR"):
        (tmp_path / name).mkdir()
    for pair in pairs[:2]:
        write_image(tmp_path / "HR" / f"{pair.name}.png", pair.hr)
        write_image(tmp_path / "LR" / f"{pair.name}.png", pair.lr)
    return tmp_path


def test_the_fingerprint_depends_on_pixels_alone(pairs: list[ImagePair]) -> None:
    first, second = pairs[:2]
    renamed = ImagePair("other", first.lr, first.hr)
    assert data_fingerprint([first, second]) == data_fingerprint([second, renamed])
    changed = first.lr.copy()
    changed[0, 0, 0] ^= 1
    assert data_fingerprint([first, second]) != data_fingerprint([ImagePair("a", changed, first.hr), second])


def test_a_folder_of_pairs_and_a_folder_of_hr_agree(folder: Path, pairs: list[ImagePair]) -> None:
    expected = data_fingerprint(pairs[:2])
    assert data_fingerprint(pairs_from_folder(folder, 4)) == expected
    assert data_fingerprint(pairs_from_folder(folder / "HR", 4)) == expected
    for file in (folder / "LR").iterdir():
        file.rename(file.with_name(f"{file.stem}x4.png"))
    assert data_fingerprint(pairs_from_folder(folder, 4)) == expected


def test_hr_that_is_no_multiple_of_the_scale_is_cropped(folder: Path, pairs: list[ImagePair]) -> None:
    padded = np.pad(pairs[0].hr, ((0, 3), (0, 1), (0, 0)))
    write_image(folder / "HR" / "astronaut.png", padded)
    assert data_fingerprint(pairs_from_folder(folder, 4)) == data_fingerprint(pairs[:2])


def test_files_that_do_not_fit_are_named(folder: Path, pairs: list[ImagePair]) -> None:
    with pytest.raises(DataError, match=r"not x2: astronaut \(HR 512x512, LR 128x128\), chelsea"):
        pairs_from_folder(folder, 2)
    write_image(folder / "HR" / "extra.png", pairs[0].hr)
    with pytest.raises(DataError, match=r"without a partner .*extra\.png"):
        pairs_from_folder(folder, 4)
    write_image(folder / "LR" / "extra.png", pairs[0].lr[..., 0])
    with pytest.raises(DataError, match=r"extra: .* one is gray"):
        list(pairs_from_folder(folder, 4))
    write_image(folder / "LR" / "extra.png", Image(pairs[0].lr, alpha=pairs[0].lr[..., 0]))
    with pytest.raises(DataError, match="transparent"):
        list(pairs_from_folder(folder, 4))
    write_image(folder / "LR" / "extra.png", Image(pairs[0].lr / 255, depth=16))
    with pytest.raises(DataError, match="16 bits"):
        list(pairs_from_folder(folder, 4))
    write_image(folder / "LR" / "extra.jpg", pairs[0].lr)
    with pytest.raises(DataError, match="one name"):
        pairs_from_folder(folder, 4)
    with pytest.raises(DataError, match="does not exist"):
        pairs_from_folder(folder / "nowhere", 4)


def test_hr_alone_is_enough_and_lr_alone_is_not(folder: Path, pairs: list[ImagePair]) -> None:
    (folder / "LR").rename(folder / "other")
    assert [pair.name for pair in pairs_from_folder(folder, 4)] == [pair.name for pair in pairs[:2]]
    (folder / "HR").rename(folder / "LR")
    with pytest.raises(DataError, match="HR does not exist"):
        pairs_from_folder(folder, 4)


def test_two_lr_files_of_one_image_are_refused(folder: Path, pairs: list[ImagePair]) -> None:
    write_image(folder / "LR" / f"{pairs[0].name}x4.png", pairs[0].lr)
    (folder / "LR" / f"{pairs[0].name}.png").rename(folder / "LR" / f"{pairs[0].name}x4.jpg")
    with pytest.raises(DataError, match=r"one name|both LR of"):
        pairs_from_folder(folder, 4)


def test_sample_photos_are_found_without_importing_scikit_image() -> None:
    code = "import sys; from srzoo.data.pairs import sample_pairs; sample_pairs(4); print('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
