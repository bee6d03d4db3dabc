"""``srzoo data verify``: which copy of a data set it is, what it shares with another, which files are bad."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trees
from command import srzoo
from copies import Shrink, bad_files, matlab, pairs, pillow, verified
from trees import save

from srzoo.data.origin import origin_of
from srzoo.data.reference import open_dataset
from srzoo.images import read_image
from srzoo.resize import imresize

DATA = os.environ.get("SRZOO_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="set SRZOO_DATA to a folder with test/Set5/X4/{HR,LR} and the like"
)


# Which copy is it?


@pytest.mark.parametrize(("edge", "words"), [("clamp", "clamped"), ("symmetric", "symmetric")])
def test_the_edge_rule_is_told_and_how_many_pixels_the_other_misses(tmp_path: Path, edge: Any, words: str) -> None:
    pairs(tmp_path, lambda hr, size: imresize(hr, size=size, edge=edge))
    report = verified(tmp_path)
    assert [(entry["method"], entry["images"], entry["differing"]) for entry in report["lr"]] == [
        (f"MATLAB's bicubic, {words} edges", 3, 0)
    ]
    assert (report["warnings"], report["broken"], report["images"]) == ([], [], 3)
    counts = report["edges"]
    assert counts.pop("pixels") == 28 * 37 + 32 * 24 + 21 * 25
    assert counts.pop(f"MATLAB's bicubic, {words} edges") == 0 < next(iter(counts.values()))


def jpeg(hr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    draw = np.random.default_rng(0)
    return np.clip(matlab(hr, size) + draw.normal(0, 6, (*size, 3)), 0, 255).astype(np.uint8)


def opencv(hr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear without antialiasing at x4: the mean of the four middle pixels of each block."""
    blocks = hr.reshape(size[0], 4, size[1], 4, 3)[:, 1:3, :, 1:3].astype(float)
    return np.floor(blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("shrink", "message"),
    [
        (pillow("BICUBIC"), "not MATLAB's antialiased bicubic of HR, but Pillow's bicubic"),
        (pillow("LANCZOS"), "but Pillow's Lanczos"),
        (lambda hr, size: imresize(hr, size=size, antialias=False), "but bicubic without antialiasing, a = -0.5"),
        (opencv, "but bilinear without antialiasing, as OpenCV and torch do"),
        (lambda hr, size: hr[::4, ::4], "but nearest neighbour, the first pixel of each block"),
        (lambda hr, size: imresize(hr / 255, size=size) * 255 + 0.5, "but MATLAB's bicubic rounded once"),
        (jpeg, "by no method known here (noise, JPEG, a blur?)"),
    ],
)
def test_another_way_of_making_lr_is_named(tmp_path: Path, shrink: Shrink, message: str) -> None:
    pairs(tmp_path, lambda hr, size: np.clip(shrink(hr, size), 0, 255).astype(np.uint8))
    warnings = verified(tmp_path)["warnings"]
    assert any(message in warning and "LR of 3 images (0, 1, 2)" in warning for warning in warnings), warnings


@pytest.mark.parametrize(("down", "across"), [(1, 0), (0, -1), (2, -3), (-7, 5)])
def test_a_shift_between_hr_and_lr_is_measured(down: int, across: int) -> None:
    photo = next(trees.crops(1, 176, 208, seed=3))
    hr = photo[8:168, 8:200]
    lr = matlab(photo[8 - down : 168 - down, 8 - across : 200 - across], (40, 48))
    origin = origin_of(lr, hr)
    assert origin.shift == (down / 4, across / 4) and origin.shifted
    assert origin.best.exact and origin.best.method.startswith("MATLAB's bicubic of HR moved")


def test_misaligned_pairs_are_told(tmp_path: Path) -> None:
    pairs(tmp_path, lambda hr, size: matlab(np.roll(hr, 2, axis=1), size))
    assert any("LR is moved 0.5 right, in LR pixels" in warning for warning in verified(tmp_path)["warnings"])
    assert not any("lie over" in warning for warning in verified(pairs(tmp_path / "straight"))["warnings"])


def test_a_crop_by_more_than_the_scale_is_told(tmp_path: Path) -> None:
    sizes = ((144, 180), (132, 96), (84, 108))
    assert any("multiples of 12" in warning for warning in verified(pairs(tmp_path / "a", sizes=sizes))["warnings"])
    assert not verified(pairs(tmp_path / "b"))["warnings"]
    trees.div2k(tmp_path / "DIV2K")
    own = verified(f"div2k,root={tmp_path}/DIV2K")["warnings"]
    assert own == ["it holds 4 images; the authors' own copy has 800 (train), 100 (valid)"]


@needs_data
def test_the_usual_copies_are_known_and_what_they_share() -> None:
    done = srzoo("data", "verify", "set5", "--against", "set14")
    assert done.returncode == 0 and done.stdout.count("the usual copy") == 2
    assert (
        "clamped edges, older MATLAB" in done.stdout and "MATLAB's bicubic, clamped edges: every pixel" in done.stdout
    )
    assert "warning: img_004 of set5 and img_006 of set14 show the same scene" in done.stderr
    assert "warning: img_003 of set5 and img_011 of set14 show the same scene" in done.stderr  # a part of it
    assert len(done.stderr.splitlines()) == 2


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(("name", "scales"), [("set5", (2, 3)), ("set14", (2, 3, 4)), ("bsd100", (2, 4))])
def test_the_usual_copies_are_known_at_every_scale(name: str, scales: tuple[int, ...]) -> None:
    for scale in scales:
        report = verified(name, "--scale", scale)
        assert report["usual"]["hr"] == "the usual copy" and "older MATLAB" in report["usual"]["lr"]
        assert report["warnings"] == report["broken"] == []


@needs_data
def test_an_odd_copy_of_a_known_set_is_told(tmp_path: Path) -> None:
    assert DATA is not None
    for file in Path(DATA, "test", "Set5", "X4", "HR").iterdir():
        hr = read_image(file).pixels
        height, width = (length // 12 * 12 for length in hr.shape[:2])
        save(tmp_path / "GTmod12" / file.name, hr[:height, :width])
        save(tmp_path / "LRbicx4" / file.name, matlab(hr[:height, :width], (height // 4, width // 4)))
    warnings = verified(f"set5,root={tmp_path}")["warnings"]
    assert [warning.split("(")[0].split(":")[0].strip() for warning in warnings] == [
        "all sides of HR are multiples of 12",
        "HR is not the usual copy",
        "LR is not the usual copy",
    ]


# Copies in two sets


def test_train_photos_that_are_in_a_test_set_are_found(tmp_path: Path) -> None:
    photos = {record.name: record.hr().pixels for record in open_dataset("sample").records()}
    chelsea, coffee, astronaut = (photos[name] for name in ("chelsea", "coffee", "astronaut"))
    save(tmp_path / "same.png", astronaut)
    save(tmp_path / "small.jpg", imresize(chelsea, scale=0.6), quality=60)
    save(tmp_path / "part.png", coffee[60:300, 150:450])
    save(tmp_path / "part-small.jpg", imresize(astronaut[:330, 100:420], scale=0.7), quality=80)
    save(tmp_path / "dark.webp", (photos["motorcycle_left"] * 0.6 + 10).astype(np.uint8))
    save(tmp_path / "other.png", read_image(Path(open_dataset("sample").records()[0].source).parent / "ihc.png").pixels)
    expected = {
        ("dark", "motorcycle_left"),
        ("part", "coffee"),
        ("part-small", "astronaut"),
        ("same", "astronaut"),
        ("small", "chelsea"),
    }
    for first, second, turned in ((str(tmp_path), "sample", False), ("sample", str(tmp_path), True)):
        warnings = verified(first, "--against", second)["warnings"]
        found = {(words[0], words[4]) for words in map(str.split, warnings)}
        assert {pair[::-1] if turned else pair for pair in found} == expected
        assert sum("hold the same pixels" in warning for warning in warnings) == 1


def test_the_same_pixels_twice_are_told(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    for folder in ("HR", "LR"):
        save(root / folder / "again.png", read_image(root / folder / "0.png").pixels)
    assert verified(root)["warnings"] == ["0, again hold the same pixels"]


# Bad files


def test_bad_files_are_named_and_the_others_looked_at(tmp_path: Path) -> None:
    bad = bad_files(tmp_path)
    report = verified(tmp_path, status=1)
    assert report["images"] == 6
    assert report["kinds"] == {"gray": 2, "CMYK": 1, "rotated by EXIF": 1, "16-bit": 1, "with alpha": 2}
    assert len(report["broken"]) == len(bad)
    assert all(any(name in line for line in report["broken"]) for name in bad)
    done = srzoo("data", "verify", tmp_path)
    assert done.returncode == 1 and "6 images can be used; things found: 2 odd, 6 that cannot be used" in done.stdout
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
