"""DIV2K, CelebA, ImageNet and CIFAR-10 in the layouts of their authors, as a person would have them on disk."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import trees
from trees import names, save, small

from srzoo.data.reference import open_dataset
from srzoo.errors import DataError, ImageError

# DIV2K


@pytest.mark.parametrize(
    ("track", "folder", "end"),
    [("unknown", "unknown/X4", "x4"), ("mild", "mild", "x4m"), ("difficult", "difficult", "x4d")],
)
def test_div2k_has_tracks(tmp_path: Path, track: str, folder: str, end: str) -> None:
    trees.div2k(tmp_path)
    for number in range(1, 5):
        save(tmp_path / f"DIV2K_train_LR_{folder}" / f"{number:04}{end}.png", small(np.zeros((144, 192, 3), np.uint8)))
    data = open_dataset(f"div2k,track={track}", tmp_path)
    records = data.records(4)
    assert not data.problems(4) and len(records) == 4
    assert all(record.lr is not None and not record.lr().pixels.any() for record in records)
    with pytest.raises(DataError, match=f"track {track} "):
        data.records(2)


def test_the_wild_track_of_div2k_has_four_lr_of_a_photo(tmp_path: Path) -> None:
    trees.div2k(tmp_path)
    for number in range(1, 5):
        for take in range(1, 5):
            pixels = np.full((36, 48, 3), take, np.uint8)
            save(tmp_path / "DIV2K_train_LR_wild" / f"{number:04}x4w{take}.png", pixels)
    records = open_dataset("div2k,track=wild", tmp_path).records(4)
    assert [record.name for record in records[:5]] == ["0001-1", "0001-2", "0001-3", "0001-4", "0002-1"]
    assert records[2].lr is not None and records[2].lr().pixels[0, 0, 0] == 3
    np.testing.assert_array_equal(records[0].hr().pixels, records[3].hr().pixels)


def test_div2k_makes_bicubic_lr_that_is_not_there_and_tells_what_lacks_a_partner(tmp_path: Path) -> None:
    trees.div2k(tmp_path)
    assert open_dataset("div2k", tmp_path).records(3)[0].lr is None
    (tmp_path / "DIV2K_train_LR_bicubic" / "X4" / "0003x4.png").unlink()
    data = open_dataset("div2k", tmp_path)
    assert names(data, 4) == ["0001", "0002", "0004"]
    assert "DIV2K_train_HR/0003.png" in data.problems(4)[0]


# CelebA


def test_celeba_is_split_by_its_list(tmp_path: Path) -> None:
    trees.celeba(tmp_path / "CelebA")
    assert names(open_dataset("celeba", tmp_path)) == ["000001", "000002", "000003", "000004"]
    assert names(open_dataset("celeba,split=valid", tmp_path)) == ["000005"]
    assert names(open_dataset("celeba,split=all", tmp_path)) == [f"{number:06}" for number in range(1, 7)]
    assert open_dataset("celeba", tmp_path).records()[0].hr.size == (218, 178)


def test_celeba_is_chosen_by_attributes_and_cropped(tmp_path: Path) -> None:
    trees.celeba(tmp_path)
    assert names(open_dataset("celeba,attributes=Smiling,-Male", tmp_path)) == ["000002", "000004"]
    assert names(open_dataset("celeba,split=all,attributes=-Smiling", tmp_path)) == ["000001", "000003", "000005"]
    picture = open_dataset("celeba,crop=100", tmp_path).records()[0].hr
    whole = open_dataset("celeba", tmp_path).records()[0].hr
    assert picture.size == picture().pixels.shape[:2] == (100, 100)
    np.testing.assert_array_equal(picture().pixels, whole().pixels[59:159, 39:139])
    with pytest.raises(DataError, match=r"no attribute 'Smilling' \(did you mean 'Smiling'\?\)"):
        open_dataset("celeba,attributes=Smilling", tmp_path).records()
    with pytest.raises(ImageError, match=r"178x218 holds no square of 200"):
        open_dataset("celeba,crop=200", tmp_path).records()[0].hr()


def test_celeba_as_others_hand_it_on(tmp_path: Path) -> None:
    trees.celeba(tmp_path)
    rows = [line.split() for line in (tmp_path / "list_eval_partition.txt").read_text().splitlines()]
    attributes = [line.split() for line in (tmp_path / "list_attr_celeba.txt").read_text().splitlines()][1:]
    attributes[0].insert(0, "image_id")
    official, kaggle = tmp_path / "official", tmp_path / "kaggle"
    for folder in (official / "Img", official / "Eval", kaggle / "img_align_celeba"):
        folder.mkdir(parents=True)
    os.symlink(tmp_path / "img_align_celeba", official / "Img" / "img_align_celeba")
    (tmp_path / "list_eval_partition.txt").rename(official / "Eval" / "list_eval_partition.txt")
    os.symlink(tmp_path / "img_align_celeba", kaggle / "img_align_celeba" / "img_align_celeba")
    (kaggle / "list_eval_partition.csv").write_text(
        "image_id,partition\n" + "".join(f"{','.join(row)}\n" for row in rows)
    )
    (kaggle / "list_attr_celeba.csv").write_text("".join(f"{','.join(row)}\n" for row in attributes))
    assert names(open_dataset(f"celeba,split=test,root={official}")) == ["000006"]
    assert names(open_dataset(f"celeba,split=test,root={kaggle}")) == ["000006"]
    assert names(open_dataset(f"celeba,attributes=Smiling,root={kaggle}")) == ["000002", "000004"]
    with pytest.raises(DataError, match=r"list_eval_partition\.txt does not exist"):
        open_dataset(f"celeba,root={tmp_path}")
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()
    incomplete = open_dataset(f"celeba,root={official}")
    assert len(incomplete.records()) == 3 and "lacks 000002.jpg" in incomplete.problems()[0]


# ImageNet


@pytest.mark.parametrize("inside", ["ImageNet", "ImageNet/ILSVRC/Data/CLS-LOC", "."])
def test_imagenet_in_either_shape(tmp_path: Path, inside: str) -> None:
    trees.imagenet(tmp_path / inside)
    train, val = (open_dataset(f"imagenet,split={split}", tmp_path) for split in ("train", "val"))
    assert names(train)[:2] == ["n01440764/n01440764_10", "n01440764/n01440764_11"] and len(names(train)) == 4
    assert names(val) == ["ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002"]
    folder = tmp_path / inside / "val" / "n01440764"
    folder.mkdir()
    (tmp_path / inside / "val" / "ILSVRC2012_val_00000001.JPEG").rename(folder / "ILSVRC2012_val_00000001.JPEG")
    sorted_val = open_dataset("imagenet,split=val", tmp_path)
    assert "n01440764/ILSVRC2012_val_00000001" in names(sorted_val)


# CIFAR-10


class Python2(pickle._Pickler):
    """Writes what Python 2 wrote: its strings are those that are bytes here."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, text: bytes | str) -> None:
        data = text.encode() if isinstance(text, str) else text
        short = len(data) < 256
        head = pickle.SHORT_BINSTRING + bytes([len(data)]) if short else pickle.BINSTRING + struct.pack("<i", len(data))
        self.write(head + data)
        self.memoize(text)

    dispatch[bytes] = save_string
    dispatch[str] = save_string

    def save_global(self, part: Any, name: str | None = None) -> None:
        module = part.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or part.__qualname__}\n".encode())
        self.memoize(part)

    dispatch[type] = save_global
    dispatch[type(pickle.dumps)] = save_global
    dispatch[type(trees.crops)] = save_global


def as_python2(file: Path) -> None:
    content = pickle.loads(file.read_bytes())
    with file.open("wb") as stream:
        Python2(stream, protocol=2).dump(content)


def test_cifar10_as_its_author_wrote_it(tmp_path: Path) -> None:
    folder = trees.cifar10(tmp_path) / "cifar-10-batches-py"
    as_python_3 = [record.hr().pixels for record in open_dataset("cifar10", tmp_path).records()]
    for file in folder.iterdir():
        as_python2(file)
    batch = (folder / "data_batch_1").read_bytes()
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in batch and b"_codecs" not in batch and b"U\x06labels" in batch
    data = open_dataset("cifar10", tmp_path)
    records = data.records(4)
    assert len(records) == 20 and records[0].name == "data_batch_1-00000-airplane"
    for record, pixels in zip(records, as_python_3, strict=True):
        np.testing.assert_array_equal(record.hr().pixels, pixels)
        np.testing.assert_array_equal(record.hr.window(3, 5, 8, 9).pixels, pixels[3:11, 5:14])
    np.testing.assert_array_equal(records[0].hr().pixels, next(trees.crops(1, 32, 32, seed=0)))
    assert len(open_dataset(f"cifar10,split=test,root={folder}").records()) == 4


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


class Hidden:
    """Reaches for a module inside an allowed package."""

    def __reduce__(self) -> tuple[Any, ...]:
        return np.load, ("nowhere",)


def test_a_pickle_that_asks_for_more_is_refused_by_name(tmp_path: Path) -> None:
    folder = trees.cifar10(tmp_path) / "cifar-10-batches-py"
    for content, asked in ((Evil(tmp_path / "broken-in"), "posix.mkdir"), (Hidden(), "numpy.load")):
        (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": content}, protocol=2))
        with pytest.raises(DataError, match=f"data_batch_3 is refused: it asks for {asked}"):
            open_dataset("cifar10", tmp_path).records()
    assert not (tmp_path / "broken-in").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"\x80\x02garbage", "damaged"),
        (pickle.dumps([1, 2], protocol=2), "no dictionary"),
        (pickle.dumps({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 0]}, protocol=2), r"\(N, 3072\)"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]}, protocol=2), "labels do not fit"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, protocol=2), "labels do not fit"),
    ],
)
def test_a_batch_that_is_none_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    folder = trees.cifar10(tmp_path) / "cifar-10-batches-py"
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=f"test_batch .*{message}"):
        open_dataset("cifar10,split=test", tmp_path).records()
    assert len(open_dataset("cifar10", tmp_path).records()) == 20
