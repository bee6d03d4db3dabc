"""``srzoo data prepare``: what it writes, and what it does where photos, words or the disk are bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trees
from command import srzoo
from copies import bad_files, pairs, pillow, verified
from trees import save

from srzoo.data.prepare import Plan, prepare
from srzoo.data.reference import open_dataset
from srzoo.errors import DataError, UsageError
from srzoo.images import read_image
from srzoo.resize import imresize

# What is written


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


# What goes wrong


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


@pytest.mark.parametrize("packed", [False, True])
def test_what_somebody_else_wrote_meanwhile_stays(tmp_path: Path, packed: bool) -> None:
    pairs(tmp_path / "pairs", pillow("BOX"))
    out = tmp_path / ("out.safetensors" if packed else "out")
    data = open_dataset(str(tmp_path / "pairs"))
    with pytest.raises(UsageError, match="exists, and is never overwritten"):
        prepare(data, out, Plan(4), source="pairs", packed=packed, tell=lambda *_: out.write_text("theirs") and None)
    assert out.read_text() == "theirs" and not list(tmp_path.glob(".out*"))
