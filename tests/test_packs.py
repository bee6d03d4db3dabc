"""Packs: a data set in one file, and files that are none."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from trees import names, small

from srzoo.data.reference import open_dataset
from srzoo.errors import DataError
from srzoo.packfile import FORMAT, PackWriter


def pack(file: Path, images: dict[str, np.ndarray]) -> Path:
    with file.open("wb") as stream:
        writer = PackWriter(stream, 4096)
        for name, pixels in images.items():
            writer.add(name, pixels)
        writer.finish({"scale": 4})
    return file


def test_a_pack_is_a_data_set_whose_windows_are_cheap(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    gray = three_photos[1][..., 0]
    images = {"hr/a": three_photos[0], "lr/x4/a": small(three_photos[0]), "hr/b/c": gray, "lr/x4/b/c": small(gray)}
    file = pack(tmp_path / "photos.safetensors", images)
    from safetensors.numpy import load_file

    for name, pixels in load_file(file).items():
        np.testing.assert_array_equal(pixels, images[name])
    data = open_dataset(str(file))
    assert names(data, 4) == ["a", "b/c"] and data.records(2)[0].lr is None
    for record, pixels in zip(data.records(4), (three_photos[0], gray), strict=True):
        assert record.hr.windowed and record.hr.size == pixels.shape[:2]
        np.testing.assert_array_equal(record.hr().pixels, pixels)
        np.testing.assert_array_equal(record.hr.window(7, 11, 20, 30).pixels, pixels[7:27, 11:41])
        assert record.lr is not None
        np.testing.assert_array_equal(record.lr().pixels, small(pixels))
    first = pickle.loads(pickle.dumps(data.records(4)[0]))
    np.testing.assert_array_equal(first.hr().pixels, three_photos[0])
    assert len(pickle.dumps(first)) < 1000, "a worker is sent where the pixels are, not the pixels"


def test_a_pack_that_is_none_is_named(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    file = pack(tmp_path / "photos.safetensors", {"hr/a": three_photos[0]})
    whole = file.read_bytes()
    shape = str(list(three_photos[0].shape)).replace(" ", "").encode()
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
    assert record.hr().pixels.shape == three_photos[0].shape
