"""Data sets as other commands take them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trees
from command import srzoo

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
