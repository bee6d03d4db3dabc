"""Data sets by name, by text and by path: what each says of itself, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trees
from trees import names, save, small

from srzoo.data.pairs import data_fingerprint, pairs_of, sample_pairs
from srzoo.data.reference import open_dataset
from srzoo.errors import DataError, OptionError, PartNotFoundError
from srzoo.options import describe
from srzoo.registry import REGISTRY

OWN = [ref for ref in REGISTRY.parts("dataset") if ref.distribution == "srzoo"]


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
    tmp_path: Path, three_photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRZOO_DATA", raising=False)
    save(tmp_path / "sample" / "mine.png", three_photos[0])
    assert len(names(open_dataset("sample"))) == 5
    assert names(open_dataset("./sample")) == ["mine"]
    assert names(open_dataset("sample", tmp_path)) != names(open_dataset(str(tmp_path / "sample")))
    save(tmp_path / "odd, name" / "mine.png", three_photos[0])
    assert names(open_dataset("odd, name")) == ["mine"]
    save(tmp_path / "deep" / "b" / "two.png", three_photos[0])
    save(tmp_path / "deep" / "a" / "one.png", three_photos[0])
    assert names(open_dataset("deep,recursive=true")) == ["a/one", "b/two"]
    with pytest.raises(DataError, match="in folders below lie 2: write deep,recursive=true"):
        open_dataset("deep").records()
    for scale in (2, 4):
        save(tmp_path / "scales" / f"X{scale}" / "HR" / "a.png", three_photos[0])
        save(tmp_path / "scales" / f"X{scale}" / "LR" / f"ax{scale}.png", small(three_photos[0], scale))
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


# The sample photos and the documentation


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


def test_the_documented_data_set_of_one_s_own_works(tmp_path: Path, three_photos: list[np.ndarray]) -> None:
    text = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    imports = (
        "from __future__ import annotations\nfrom collections.abc import Sequence\nfrom pathlib import Path\n"
        "from typing import Annotated\nfrom pydantic import Field\nfrom srzoo.errors import DataError\n"
        "from srzoo.dataset import About, Dataset, FilePicture, Record\nfrom srzoo.images import list_images\n"
    )
    space: dict[str, Any] = {"__name__": "scans"}
    exec(imports + code, space)
    save(tmp_path / "archive" / "scans" / "2021" / "page.png", three_photos[0])
    scans = space["Scans"]
    (root,) = scans.roots([tmp_path])
    assert names(scans(root, year=2021)) == ["page"]
    with pytest.raises(DataError, match="2020 does not exist"):
        scans(root)
