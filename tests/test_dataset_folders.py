"""Folders, pairs, and the test sets in the layouts they are handed on in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trees import names, save, small

from srzoo.data import pairs as pairs_module
from srzoo.data.pairs import StoredPairs, data_fingerprint, pairs_of
from srzoo.data.reference import open_dataset
from srzoo.errors import DataError, OptionError
from srzoo.resize import imresize

# Folders and pairs


def test_files_with_one_name_are_used_once_and_told(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    for name in ("a.png", "a.bmp", "b.png", ".hidden.png"):
        save(tmp_path / name, three_photos[0])
    (tmp_path / "notes.txt").touch()
    data = open_dataset(str(tmp_path))
    assert names(data) == ["a", "b"]
    assert [problem.split("/")[-1] for problem in data.problems()] == [
        "a.bmp and a.png have one name; keep one of them"
    ]
    with pytest.raises(DataError, match=r"a\.png have one name"):
        StoredPairs(data, 4)


@pytest.mark.parametrize("end", ["", "x4", "_x4", "_LR", "_LRBI_x4"])
def test_lr_is_matched_by_name(tmp_path: Path, three_photos: list[np.ndarray], end: str) -> None:
    hr_end = "_HR" if end == "_LR" else ""
    for index, pixels in enumerate(three_photos):
        save(tmp_path / "HR" / f"photo{index}x4{hr_end}.png", pixels)
        save(tmp_path / "LR" / f"photo{index}x4{end}.png", small(pixels))
    data = open_dataset(str(tmp_path))
    assert not data.problems(4)
    for record, pixels in zip(data.records(4), three_photos, strict=True):
        assert record.lr is not None
        np.testing.assert_array_equal(record.lr().pixels, small(pixels))


def test_pairs_are_decoded_when_asked_for_and_kept_while_there_is_room(
    tmp_path: Path, three_photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, pixels in enumerate(three_photos):
        save(tmp_path / "HR" / f"{index}.png", pixels)
        save(tmp_path / "LR" / f"{index}.png", small(pixels))
    decoded: list[str] = []
    read = pairs_module.read_pair
    monkeypatch.setattr(
        pairs_module, "read_pair", lambda record, *a, **k: decoded.append(record.name) or read(record, *a, **k)
    )
    kept = pairs_of(str(tmp_path), 4)
    assert not decoded
    expected = data_fingerprint(list(kept))
    assert data_fingerprint(kept) == expected and decoded == ["0", "1", "2"]
    monkeypatch.setattr(pairs_module, "MEMORY", three_photos[0].nbytes + small(three_photos[0]).nbytes)
    tight = pairs_of(tmp_path, 4)
    decoded.clear()
    assert [pair.name for pair in tight] == ["0", "1", "2"]
    assert data_fingerprint(tight) == expected, "digests of what is not kept are"
    assert decoded == ["0", "1", "2"]
    assert tight[-1].name == "2" and decoded == ["0", "1", "2", "2"]


# The test sets


def flat(root: Path, photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(photos):
        save(root / f"{index}.bmp", pixels)


def by_scale(root: Path, photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(photos):
        save(root / "X4" / "HR" / f"{index}.png", pixels)
        save(root / "X4" / "LR" / f"{index}.png", small(pixels))


def edsr(root: Path, photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(photos):
        save(root / "HR" / f"{index}.png", pixels)
        save(root / "LR_bicubic" / "X4" / f"{index}x4.png", small(pixels))


def self_ex(root: Path, photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(photos):
        folder = root / "image_SRF_4"
        save(folder / f"img_{index:03}_SRF_4_HR.png", pixels)
        save(folder / f"img_{index:03}_SRF_4_LR.png", small(pixels))
        save(folder / f"img_{index:03}_SRF_4_bicubic.png", pixels)


def basicsr(root: Path, photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(photos):
        save(root / "GTmod12" / f"{index}.png", pixels)
        save(root / "LRbicx4" / f"{index}.png", small(pixels))


def plain(root: Path, photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(photos):
        save(root / "HR" / f"{index}.png", pixels)
        save(root / "LR" / f"{index}x4.png", small(pixels))


@pytest.mark.parametrize("layout", [by_scale, edsr, self_ex, basicsr, plain])
@pytest.mark.parametrize("place", ["Set5", "benchmark/Set5", "test/set5"])
def test_a_test_set_is_one_whatever_its_layout(
    tmp_path: Path, three_photos: list[np.ndarray], layout: Callable[[Path, list[np.ndarray]], None], place: str
) -> None:
    layout(tmp_path / place, three_photos)
    data = open_dataset("set5", tmp_path)
    assert all(record.lr is not None for record in data.records(4)) and not data.problems(4)
    expected = data_fingerprint([pairs_module.ImagePair("", small(pixels), pixels) for pixels in three_photos])
    assert data_fingerprint(StoredPairs(data, 4)) == expected
    assert len(data.records()) == len(three_photos)


def test_lr_of_a_bare_test_set_is_made(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    flat(tmp_path / "Urban100", three_photos)
    pairs = StoredPairs(open_dataset("urban100", tmp_path), 4)
    np.testing.assert_array_equal(pairs[0].lr, imresize(three_photos[0], size=(12, 15)))


def test_another_lr_folder_may_be_named_and_a_missing_scale_is(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    by_scale(tmp_path / "Set14", three_photos)
    for index, pixels in enumerate(three_photos):
        save(tmp_path / "Set14" / "X4" / "new" / f"{index}.png", imresize(pixels, size=(12, 15)))
    data = open_dataset("set14,lr=X{scale}/new", tmp_path)
    np.testing.assert_array_equal(StoredPairs(data, 4)[0].lr, imresize(three_photos[0], size=(12, 15)))
    with pytest.raises(DataError, match=r"LR_typo holds no LR for x4; put it there, or leave out lr"):
        open_dataset("set14,lr=X{scale}/LR_typo", tmp_path).records(4)
    with pytest.raises(DataError, match=r"nothing but \{scale\} is filled in"):
        open_dataset("set14,lr=X{Scale}/new", tmp_path)
    with pytest.raises(DataError, match=r"LR_typo does not exist; put LR for x4 there, or leave out lr"):
        open_dataset(f"paired,root={tmp_path}/Set14/X4,lr=LR_typo").records(4)
    with pytest.raises(DataError, match="nothing for x2, but x4; put X2/HR there"):
        data.records(2)


def test_hr_and_lr_may_be_written_small(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    for index, pixels in enumerate(three_photos):
        save(tmp_path / "set" / "hr" / f"{index}.png", pixels)
        save(tmp_path / "set" / "lr" / f"{index}.png", imresize(pixels, size=(12, 15)))
    pairs = StoredPairs(open_dataset("set", tmp_path), 4)
    assert len(pairs) == 3
    np.testing.assert_array_equal(pairs[0].lr, imresize(three_photos[0], size=(12, 15)))
    with pytest.raises(OptionError, match="root is empty"):
        open_dataset("set5,root=", tmp_path)
