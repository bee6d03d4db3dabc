"""Data sets in the layouts of their authors, as a person would have them on disk."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import trees
from PIL import Image

from srzoo.data import pairs as pairs_module
from srzoo.data.pairs import StoredPairs, data_fingerprint, pairs_of, sample_pairs
from srzoo.data.reference import open_dataset
from srzoo.errors import DataError, ImageError, OptionError, PartNotFoundError
from srzoo.options import describe
from srzoo.packfile import FORMAT, PackWriter
from srzoo.registry import REGISTRY
from srzoo.resize import imresize

OWN = [ref for ref in REGISTRY.parts("dataset") if ref.distribution == "srzoo"]


def save(file: Path, pixels: np.ndarray, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return list(trees.crops(3, 48, 60))


def small(pixels: np.ndarray, scale: int = 4) -> np.ndarray:
    return imresize(pixels, size=(pixels.shape[0] // scale, pixels.shape[1] // scale), edge="clamp")


def names(data: Any, scale: int | None = None) -> list[str]:
    return [record.name for record in data.records(scale)]


# Every data set


@pytest.mark.parametrize("ref", OWN, ids=lambda ref: ref.name)
def test_each_says_what_a_person_must_know(ref: Any) -> None:
    cls = ref.load()
    about = cls.about
    assert all((about.title, about.origin, about.licence, about.download, about.layout, cls.__doc__))
    assert about.citation or about.origin.startswith(("your own", "made by"))
    describe(cls)  # every option is typed, described and has a default


@pytest.mark.parametrize("ref", [ref for ref in OWN if ref.name != "sample"], ids=lambda ref: ref.name)
def test_what_is_missing_is_said_in_one_line_with_what_to_do(
    ref: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SRZOO_DATA", raising=False)
    for text in (ref.name, f"{ref.name},root=nowhere"):
        with pytest.raises(DataError) as caught:
            open_dataset(text, tmp_path)
        message = str(caught.value)
        assert "\n" not in message and ("root=" in message or "nowhere" in message)
    if ref.load().places:
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match=r"empty.*(put|unpack)"):
            open_dataset(f"{ref.name},root=empty", tmp_path)


# The text form


def test_names_options_and_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.div2k(tmp_path / "DIV2K")
    assert names(open_dataset("div2k", tmp_path)) == ["0001", "0002", "0003", "0004"]
    assert names(open_dataset("div2k,split=valid", tmp_path)) == ["0801", "0802"]
    assert names(open_dataset("srzoo:div2k,root=DIV2K,split=valid", tmp_path)) == ["0801", "0802"]
    monkeypatch.setenv("SRZOO_DATA", str(tmp_path))
    assert names(open_dataset("div2k,split=valid")) == ["0801", "0802"]
    assert names(open_dataset("div2k,split=valid", tmp_path / "elsewhere")) == ["0801", "0802"]
    (tmp_path / "DIV2K").rename(tmp_path / "div2k")
    assert names(open_dataset("div2k,split=valid")) == ["0801", "0802"], "the case of a folder's name is no matter"
    monkeypatch.setenv("SRZOO_DATA", str(tmp_path / "div2k"))
    assert names(open_dataset("div2k,split=valid")) == ["0801", "0802"], "the folder of all data may be the root itself"


def test_names_win_over_paths_and_paths_tell_their_layout(
    tmp_path: Path, photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRZOO_DATA", raising=False)
    save(tmp_path / "sample" / "mine.png", photos[0])
    assert len(names(open_dataset("sample"))) == 5
    assert names(open_dataset("./sample")) == ["mine"]
    assert names(open_dataset("sample", tmp_path)) != names(open_dataset(str(tmp_path / "sample")))
    save(tmp_path / "odd, name" / "mine.png", photos[0])
    assert names(open_dataset("odd, name")) == ["mine"]
    save(tmp_path / "deep" / "b" / "two.png", photos[0])
    save(tmp_path / "deep" / "a" / "one.png", photos[0])
    assert names(open_dataset("deep,recursive=true")) == ["a/one", "b/two"]
    with pytest.raises(DataError, match="in folders below lie 2: write deep,recursive=true"):
        open_dataset("deep").records()
    for scale in (2, 4):
        save(tmp_path / "scales" / f"X{scale}" / "HR" / "a.png", photos[0])
        save(tmp_path / "scales" / f"X{scale}" / "LR" / f"ax{scale}.png", small(photos[0], scale))
    scales = open_dataset("scales")
    assert scales.records(2)[0].lr is not None and scales.records()[0].lr is None
    with pytest.raises(DataError, match="nothing for x3, but x2, x4"):
        scales.records(3)
    paired = open_dataset("paired,root=scales,hr=X2/HR,lr=X4/LR")
    assert paired.records(4)[0].lr is not None


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("st5", PartNotFoundError, "did you mean 'set5'.*nor is there a folder st5"),
        ("./nothing", DataError, "no folder nothing"),
        ("pack.safetensors", DataError, "no folder pack.safetensors"),
        ("div2k,spilt=valid", OptionError, "no option 'spilt' .did you mean 'split'"),
        ("div2k,split=test", OptionError, "train, valid"),
        ("celeba,crop=-1", OptionError, ">= 0"),
        ("folder", DataError, "folder,root=FOLDER"),
    ],
)
def test_wrong_texts_are_refused_in_one_line(
    text: str, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message) as caught:
        open_dataset(text)
    assert "\n" not in str(caught.value)


# Folders and pairs


def test_files_with_one_name_are_used_once_and_told(tmp_path: Path, photos: list[np.ndarray]) -> None:
    for name in ("a.png", "a.bmp", "b.png", ".hidden.png"):
        save(tmp_path / name, photos[0])
    (tmp_path / "notes.txt").touch()
    data = open_dataset(str(tmp_path))
    assert names(data) == ["a", "b"]
    assert [problem.split("/")[-1] for problem in data.problems()] == [
        "a.bmp and a.png have one name; keep one of them"
    ]
    with pytest.raises(DataError, match=r"a\.png have one name"):
        StoredPairs(data, 4)


@pytest.mark.parametrize("end", ["", "x4", "_x4", "_LR", "_LRBI_x4"])
def test_lr_is_matched_by_name(tmp_path: Path, photos: list[np.ndarray], end: str) -> None:
    hr_end = "_HR" if end == "_LR" else ""
    for index, pixels in enumerate(photos):
        save(tmp_path / "HR" / f"photo{index}x4{hr_end}.png", pixels)
        save(tmp_path / "LR" / f"photo{index}x4{end}.png", small(pixels))
    data = open_dataset(str(tmp_path))
    assert not data.problems(4)
    for record, pixels in zip(data.records(4), photos, strict=True):
        assert record.lr is not None
        np.testing.assert_array_equal(record.lr().pixels, small(pixels))


def test_pairs_are_decoded_when_asked_for_and_kept_while_there_is_room(
    tmp_path: Path, photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, pixels in enumerate(photos):
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
    monkeypatch.setattr(pairs_module, "MEMORY", photos[0].nbytes + small(photos[0]).nbytes)
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


@pytest.mark.parametrize("layout", [by_scale, edsr, self_ex, basicsr])
@pytest.mark.parametrize("place", ["Set5", "benchmark/Set5", "test/set5"])
def test_a_test_set_is_one_whatever_its_layout(
    tmp_path: Path, photos: list[np.ndarray], layout: Callable[[Path, list[np.ndarray]], None], place: str
) -> None:
    layout(tmp_path / place, photos)
    data = open_dataset("set5", tmp_path)
    assert all(record.lr is not None for record in data.records(4)) and not data.problems(4)
    expected = data_fingerprint([pairs_module.ImagePair("", small(pixels), pixels) for pixels in photos])
    assert data_fingerprint(StoredPairs(data, 4)) == expected
    assert len(data.records()) == len(photos)


def test_lr_of_a_bare_test_set_is_made(tmp_path: Path, photos: list[np.ndarray]) -> None:
    flat(tmp_path / "Urban100", photos)
    pairs = StoredPairs(open_dataset("urban100", tmp_path), 4)
    np.testing.assert_array_equal(pairs[0].lr, imresize(photos[0], size=(12, 15)))


def test_another_lr_folder_may_be_named_and_a_missing_scale_is(tmp_path: Path, photos: list[np.ndarray]) -> None:
    by_scale(tmp_path / "Set14", photos)
    for index, pixels in enumerate(photos):
        save(tmp_path / "Set14" / "X4" / "new" / f"{index}.png", imresize(pixels, size=(12, 15)))
    data = open_dataset("set14,lr=X{scale}/new", tmp_path)
    np.testing.assert_array_equal(StoredPairs(data, 4)[0].lr, imresize(photos[0], size=(12, 15)))
    with pytest.raises(DataError, match="nothing for x2, but x4; put X2/HR there"):
        data.records(2)


# DIV2K


@pytest.mark.parametrize(
    ("track", "folder", "end"),
    [("unknown", "unknown/X4", "x4"), ("mild", "mild", "x4m"), ("difficult", "difficult", "x4d")],
)
def test_div2k_has_tracks(tmp_path: Path, photos: list[np.ndarray], track: str, folder: str, end: str) -> None:
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


# Packs


def pack(file: Path, images: dict[str, np.ndarray]) -> Path:
    with file.open("wb") as stream:
        writer = PackWriter(stream, 4096)
        for name, pixels in images.items():
            writer.add(name, pixels)
        writer.finish({"scale": 4})
    return file


def test_a_pack_is_a_data_set_whose_windows_are_cheap(tmp_path: Path, photos: list[np.ndarray]) -> None:
    gray = photos[1][..., 0]
    images = {"hr/a": photos[0], "lr/x4/a": small(photos[0]), "hr/b/c": gray, "lr/x4/b/c": small(gray)}
    file = pack(tmp_path / "photos.safetensors", images)
    from safetensors.numpy import load_file

    for name, pixels in load_file(file).items():
        np.testing.assert_array_equal(pixels, images[name])
    data = open_dataset(str(file))
    assert names(data, 4) == ["a", "b/c"] and data.records(2)[0].lr is None
    for record, pixels in zip(data.records(4), (photos[0], gray), strict=True):
        assert record.hr.windowed and record.hr.size == pixels.shape[:2]
        np.testing.assert_array_equal(record.hr().pixels, pixels)
        np.testing.assert_array_equal(record.hr.window(7, 11, 20, 30).pixels, pixels[7:27, 11:41])
        assert record.lr is not None
        np.testing.assert_array_equal(record.lr().pixels, small(pixels))
    first = pickle.loads(pickle.dumps(data.records(4)[0]))
    np.testing.assert_array_equal(first.hr().pixels, photos[0])
    assert len(pickle.dumps(first)) < 1000, "a worker is sent where the pixels are, not the pixels"


def test_a_pack_that_is_none_is_named(tmp_path: Path, photos: list[np.ndarray]) -> None:
    file = pack(tmp_path / "photos.safetensors", {"hr/a": photos[0]})
    whole = file.read_bytes()
    shape = str(list(photos[0].shape)).replace(" ", "").encode()
    wrong = {
        "bytes where": whole[:-5],
        "no whole safetensors": whole[:20],
        "not images": whole.replace(FORMAT.encode(), b"srzoo-else"),
        "version 9": whole.replace(b'\\"version\\": 1', b'\\"version\\": 9'),
        "for ": whole.replace(shape, b"[48,61,3]"),
        "no uint8 image": whole.replace(b'"U8"', b'"I8"'),
    }
    for message, content in wrong.items():
        assert content != whole
        file.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            open_dataset(str(file))
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    file.write_bytes(whole)
    record = open_dataset(str(file)).records()[0]
    assert record.hr().pixels.shape == photos[0].shape


def test_the_sample_photos_are_a_data_set() -> None:
    data = open_dataset("sample")
    assert names(data) == ["astronaut", "chelsea", "coffee", "rocket", "motorcycle_left"]
    assert data_fingerprint(sample_pairs(4)) == data_fingerprint(pairs_of("sample", 4)) == "a2af83952812"


def test_the_documentation_lists_every_data_set_with_its_numbers() -> None:
    text = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `")}
    assert set(rows) == {ref.name for ref in OWN}
    for ref in OWN:
        cls = ref.load()
        assert all(str(number) in rows[ref.name] for number in cls.about.images.values())
        assert all(f"`{option.name}`" in rows[ref.name] for option in describe(cls))


def test_the_documented_data_set_of_one_s_own_works(tmp_path: Path, photos: list[np.ndarray]) -> None:
    text = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    imports = (
        "from __future__ import annotations\nfrom collections.abc import Sequence\nfrom pathlib import Path\n"
        "from typing import Annotated\nfrom pydantic import Field\nfrom srzoo.errors import DataError\n"
        "from srzoo.dataset import About, Dataset, FilePicture, Record\nfrom srzoo.images import list_images\n"
    )
    space: dict[str, Any] = {"__name__": "scans"}
    exec(imports + code, space)
    save(tmp_path / "archive" / "scans" / "2021" / "page.png", photos[0])
    scans = space["Scans"]
    (root,) = scans.roots([tmp_path])
    assert names(scans(root, year=2021)) == ["page"]
    with pytest.raises(DataError, match="2020 does not exist"):
        scans(root)
