"""``srzoo data verify`` and ``srzoo data prepare``, and data sets as other commands take them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trees
from command import srzoo
from PIL import Image

from srzoo.data.origin import origin_of
from srzoo.data.prepare import Plan, prepare
from srzoo.data.reference import open_dataset
from srzoo.errors import DataError
from srzoo.images import Image as Decoded
from srzoo.images import read_image, write_image
from srzoo.resize import imresize

DATA = os.environ.get("SRZOO_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="set SRZOO_DATA to a folder with test/Set5/X4/{HR,LR} and the like"
)

Shrink = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


def save(file: Path, pixels: np.ndarray, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


def matlab(hr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return imresize(hr, size=size)


def pairs(
    root: Path, shrink: Shrink = matlab, sizes: tuple[tuple[int, int], ...] = ((112, 148), (128, 96), (84, 100))
) -> Path:
    for number, (height, width) in enumerate(sizes):
        pixels = next(trees.crops(1, height, width, seed=number))
        save(root / "HR" / f"{number}.png", pixels)
        save(root / "LR" / f"{number}.png", shrink(pixels, (height // 4, width // 4)))
    return root


def verified(*arguments: object, status: int = 0) -> dict[str, Any]:
    done = srzoo("data", "verify", *arguments, "--json")
    assert done.returncode == status, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


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


def pillow(name: str) -> Shrink:
    return lambda hr, size: np.asarray(Image.fromarray(hr).resize(size[::-1], Image.Resampling[name]))


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


def bad_files(folder: Path) -> set[str]:
    """Files that can be used, oddly, beside ones that cannot, whose names are given back."""
    pixels = next(trees.crops(1, 96, 128))
    save(folder / "good.png", pixels)
    save(folder / "gray.png", pixels[..., 0])
    save(folder / "printed.tif", np.asarray(Image.fromarray(pixels)))
    Image.fromarray(pixels).convert("CMYK").save(folder / "printed.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.jpg", exif=exif, quality=95)
    write_image(folder / "deep.png", Decoded(pixels.astype(np.float32) / 255, depth=16))
    write_image(folder / "opaque.png", Decoded(pixels, alpha=np.full(pixels.shape[:2], 255, np.uint8)))
    write_image(folder / "gray-alpha.png", Decoded(pixels[..., 0], alpha=pixels[..., 1]))
    save(folder / "pixel.png", pixels[:1, :1])
    whole = (folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no image")
    save(folder / "good.bmp", pixels)
    return {"gray-alpha", "pixel", "cut", "empty", "text", "good.bmp"}


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


@pytest.mark.parametrize("options", [[], ["--pack"]])
def test_bad_files_do_not_end_preparing(tmp_path: Path, options: list[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / ("out.safetensors" if options else "out")
    photos.mkdir()
    bad = bad_files(photos)
    done = srzoo("data", "prepare", photos, "-o", out, *options)
    assert done.returncode == 1
    *warnings, rounded, error = done.stderr.splitlines()
    assert len(warnings) == len(bad) and all(any(name in line for line in warnings) for name in bad)
    assert rounded == "warning: 1 photos of 16 bits were rounded to 8"
    assert error == f"error: 6 photos could not be used, see above; the others are in {out}"
    records = open_dataset(str(out)).records(4)
    assert {record.name for record in records} == {"deep", "good", "gray", "opaque", "printed", "turned"}
    by_name = {record.name: record for record in records}
    assert by_name["gray"].hr().pixels.ndim == 2
    assert by_name["turned"].hr().pixels.shape == (128, 96, 3)
    np.testing.assert_array_equal(by_name["deep"].hr().pixels, by_name["good"].hr().pixels)


def test_where_nothing_can_be_used_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "empty.png").touch()
    done = srzoo("data", "prepare", tmp_path / "photos", "-o", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1) and "empty.png is empty" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["photos"]


# Preparing


@pytest.mark.parametrize("edge", ["clamp", "symmetric"])
def test_lr_is_made_as_asked_and_all_that_reads_data_takes_it(tmp_path: Path, edge: Any) -> None:
    photos = tmp_path / "photos"
    for number, pixels in enumerate(trees.crops(3, 101, 118)):
        save(photos / f"{number}.png", pixels)
    folder, file = tmp_path / "out", tmp_path / "out.safetensors"
    for out, options in ((folder, []), (file, ["--pack"])):
        done = srzoo("data", "prepare", photos, "-o", out, "--edge", edge, *options)
        assert (done.returncode, done.stderr) == (0, "")
        scores = json.loads(srzoo("eval", "bicubic", "--data", out, "--json").stdout)
        assert scores["data"]["images"] == 3 and scores["data"]["fingerprint"] in done.stdout
    for number in range(3):
        hr = read_image(photos / f"{number}.png").pixels[:100, :116]
        np.testing.assert_array_equal(read_image(folder / "HR" / f"{number}.png").pixels, hr)
        expected = imresize(hr, size=(25, 29), edge=edge)
        np.testing.assert_array_equal(read_image(folder / "LR" / f"{number}.png").pixels, expected)
        record = open_dataset(str(file)).records(4)[number]
        assert record.lr is not None
        np.testing.assert_array_equal(record.lr().pixels, expected)


def test_lr_of_the_data_set_is_kept_unless_an_edge_rule_is_asked_for(tmp_path: Path) -> None:
    pairs(tmp_path / "pairs", pillow("BOX"))
    kept, made = tmp_path / "kept", tmp_path / "made"
    assert srzoo("data", "prepare", tmp_path / "pairs", "-o", kept).returncode == 0
    assert srzoo("data", "prepare", tmp_path / "pairs", "-o", made, "--edge", "symmetric").returncode == 0
    own = read_image(tmp_path / "pairs" / "LR" / "1.png").pixels
    np.testing.assert_array_equal(read_image(kept / "LR" / "1.png").pixels, own)
    assert verified(made)["lr"][0]["method"] == "MATLAB's bicubic, symmetric edges"


@pytest.mark.parametrize("packed", [False, True])
def test_crops_cover_the_photo_and_lr_is_cut_not_made(tmp_path: Path, packed: bool) -> None:
    photo = next(trees.crops(1, 101, 150))
    save(tmp_path / "photos" / "deep" / "photo.png", photo)
    save(tmp_path / "photos" / "small.png", photo[:40, :40])
    out = tmp_path / ("out.safetensors" if packed else "out")
    data = open_dataset(f"{tmp_path}/photos,recursive=true")
    made = prepare(data, out, Plan(4, crop=48, stride=32), source="photos", packed=packed)
    records = {record.name.replace("/", "_"): record for record in open_dataset(str(out)).records(4)}
    corners = [(top, left) for top in (0, 32, 52) for left in (0, 32, 64, 96, 100)]
    assert (made.images, made.pieces, len(records)) == (2, 16, 16)
    whole = imresize(photo[:100, :148], size=(25, 37))
    for number, (top, left) in enumerate(corners, 1):
        record = records[f"deep_photo_s{number:03}"]
        np.testing.assert_array_equal(record.hr().pixels, photo[top : top + 48, left : left + 48])
        small = whole[top // 4 : top // 4 + 12, left // 4 : left // 4 + 12]
        assert record.lr is not None
        np.testing.assert_array_equal(record.lr().pixels, small)
    assert records["small_s001"].hr.size == (40, 40)
    report = verified(out)
    assert not any("LR" in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-o", "taken"], 2, "taken exists, and is never overwritten"),
        (["-o", "nowhere/out"], 2, "nowhere does not exist; create it first"),
        (["-o", "out", "--pack"], 2, "name it PACK.safetensors"),
        (["-o", "out.safetensors"], 2, "say --pack"),
        (["-o", "out", "--crop", "50"], 2, "crop 50 is no multiple of the scale 4; take 48"),
        (["-o", "out", "--crop", "48", "--stride", "2"], 2, "stride 2 is no multiple of the scale 4; take 4"),
        (["-o", "out", "--stride", "48"], 2, "--stride needs the --crop"),
    ],
)
def test_wrong_use_of_prepare_is_one_line(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    (tmp_path / "taken").mkdir()
    done = srzoo("data", "prepare", "sample", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1) and message in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    pairs(tmp_path / "pairs")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / ("out.safetensors" if packed else "out")
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write .*nothing was kept") as caught:
            prepare(open_dataset(str(tmp_path / "pairs")), out, Plan(4), source="pairs", packed=packed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pairs"]


# Data sets in other commands

TREES = [
    (trees.cifar10, "cifar10,split=test", 4),
    (trees.celeba, "celeba,split=valid,crop=160", 1),
    (trees.imagenet, "imagenet,split=val", 2),
    (trees.div2k, "div2k,split=valid", 2),
]


@pytest.mark.parametrize(("plant", "text", "count"), TREES, ids=[text.split(",")[0] for _, text, _ in TREES])
def test_every_true_layout_is_verified_and_scored_on(
    tmp_path: Path, plant: Callable[[Path], Path], text: str, count: int
) -> None:
    plant(tmp_path)
    where = {"SRZOO_DATA": str(tmp_path)}
    done = srzoo("data", "verify", text, "--json", env=where)
    report = json.loads(done.stdout)
    assert (done.returncode, report["images"], report["broken"]) == (0, count, [])
    scored = srzoo("eval", "bicubic", "--data", text, "--json", env=where)
    assert scored.returncode == 0, scored.stderr
    scores = json.loads(scored.stdout)
    assert len(scores["images"]) == count
    if "pairs" in report["fingerprints"]:
        assert report["fingerprints"]["pairs"] == scores["data"]["fingerprint"]


def test_show_tells_of_a_data_set_without_its_files(tmp_path: Path) -> None:
    for name in ("div2k", "celeba", "cifar10", "set5"):
        done = srzoo("show", "dataset", name, env={"SRZOO_DATA": str(tmp_path)})
        assert done.returncode == 0
        for word in ("licence", "citation", "download", "origin", "layout", "images", "looked for"):
            assert f"\n{word}" in done.stdout or word in done.stdout
    facts = json.loads(srzoo("show", "dataset", "celeba", "--json").stdout)
    assert facts["about"]["images"] == {"train": 162770, "valid": 19867, "test": 19962}
    assert {option["name"] for option in facts["options"]} == {"split", "attributes", "crop"}
    assert "set5" in srzoo("list", "datasets").stdout


def test_a_data_set_that_is_not_there_is_one_line_in_every_command(tmp_path: Path) -> None:
    for command in (["data", "verify"], ["eval", "bicubic", "--data"], ["bench", "bicubic", "--data"]):
        done = srzoo(*command, "urban100", env={"SRZOO_DATA": str(tmp_path)})
        assert done.returncode == 1 and done.stderr.startswith("error: data set urban100 is not in ")
        assert len(done.stderr.splitlines()) == 1
