"""Rankings as a pure function of results, results that are found again, and models that fail alone."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from parts import TINY
from torch import Tensor

from srzoo import zoo
from srzoo.api import build
from srzoo.benchmark.contributions import contributions
from srzoo.benchmark.identity import model_digest
from srzoo.benchmark.plot import plot
from srzoo.benchmark.report import leaderboards
from srzoo.benchmark.run import Benchmark, default_models, run
from srzoo.benchmark.store import Result, Store
from srzoo.checkpoint import load_model, save_model
from srzoo.components.upscalers.nearest import NearestUpscaler
from srzoo.data.pairs import ImagePair, make_pair, sample_pairs
from srzoo.errors import DataError, UsageError, WriteError


@pytest.fixture(autouse=True)
def _small_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_PLUGINS", "")
    monkeypatch.setattr("srzoo.cost.OUTPUT", (64, 96))
    zoo.REGISTRY.refresh()


@pytest.fixture(scope="module")
def pairs() -> list[ImagePair]:
    return [make_pair(pair.name, pair.hr[100:164, 100:180], 4) for pair in sample_pairs(4)[:2]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_model(build(**TINY), path)
    return str(path)


def quality(model: str, psnr: float, *, data: str = "d", protocol: str = "p", **values: Any) -> Result:
    key = {
        "protocol": {"name": "classic", "version": 1, "hash": protocol},
        "data": {"fingerprint": data, "images": 5, "scale": 4},
        "digest": f"digest of {model}",
        "settings": {"temperature": 0.0},
    }
    mean = {"psnr_y": psnr, "ssim_y": psnr / 40, "lr_psnr": 40.0}
    return Result("quality", model, key, {"trained": True, "config": {}, "training": None, "mean": mean} | values)


def cost(model: str, macs: int) -> Result:
    values = {"params": 10, "macs": macs, "seconds": 0.5, "memory": 100}
    return Result("cost", model, {"digest": f"digest of {model}"}, values)


def test_results_are_ranked_by_psnr_whatever_their_order() -> None:
    results = [quality("a", 28.0), quality("b", 30.0), quality("c", 28.0), quality("d", 27.0), cost("b", 7)]
    expected = leaderboards(results)
    assert [(row.rank, row.model) for row in expected[0].rows] == [(1, "b"), (2, "a"), (2, "c"), (4, "d")]
    assert (expected[0].rows[0].macs, expected[0].rows[1].macs) == (7, None)
    for seed in range(5):
        random.Random(seed).shuffle(results)
        assert leaderboards(results) == expected


def test_other_protocols_and_other_data_are_other_boards() -> None:
    boards = leaderboards([quality("a", 28), quality("b", 40, protocol="q"), quality("c", 50, data="e")])
    assert sorted([row.model for row in board.rows] for board in boards) == [["a"], ["b"], ["c"]]
    assert all(board.rows[0].rank == 1 for board in boards)


def test_a_perfect_score_is_ranked_first_and_stays_strict_json() -> None:
    perfect = quality("b", inf, mean={"psnr_y": "inf", "ssim_y": 1.0, "lr_psnr": "inf"})
    board = leaderboards([quality("a", 28.0), perfect])[0]
    assert (board.rows[0].model, board.rows[0].psnr_y) == ("b", inf)
    assert json.loads(json.dumps(board.rows[0].to_dict(), allow_nan=False))["psnr_y"] == "inf"


CONFIG = {"scale": 4, "skips": True, "decoder": {"name": "srzoo:attn", "blocks": 2}, "discriminator": {"name": "a"}}
STAGES = [{"name": "fidelity", "steps": 10}, {"name": "adversarial", "steps": 5, "prior": {"adversarial": 0.01}}]


def training(stages: int = 2, preset: str = "reference", **changes: Any) -> dict[str, Any]:
    recipe = {"preset": preset, "model": {}, "seed": 0, "save_every": 9, "stages": STAGES, **changes}
    return {"recipe": recipe, "stages": [stage["name"] for stage in STAGES[:stages]], "photos": {"fingerprint": "f"}}


def test_an_ablation_is_held_against_the_reference_of_the_same_training() -> None:
    rows = contributions(
        [
            quality("reference", 27.0, config=CONFIG, training=training()),
            quality("reference-fidelity", 28.0, config=CONFIG, training=training(1, sizes=[], keep=0.0, permute=False)),
            quality("ablation-no-skips", 26.5, config=CONFIG | {"skips": False}, training=training(preset="x")),
            quality(
                "ablation-no-attention",
                27.9,
                config=CONFIG | {"decoder": {"name": "srzoo:shuffle", "widths": [1]}, "discriminator": {"name": "b"}},
                training=training(1),
            ),
            quality(
                "ablation-shallow", 27, config=CONFIG | {"decoder": {"name": "srzoo:attn"}}, training=training(seed=1)
            ),
            quality("bicubic", 26.0, config={"upscaler": {"name": "srzoo:bicubic"}}),
            quality(
                "ablation-no-skips+", 26.7, config=CONFIG | {"skips": False, "self_ensemble": 8}, training=training()
            ),
        ]
    )
    found = {row.ablation: (row.baseline, row.psnr_y, row.change) for row in rows}
    assert found == {
        "reference-fidelity": ("reference", 1.0, "stages.adversarial: adversarial → none"),
        "ablation-no-skips": ("reference", -0.5, "skips: yes → no"),
        "ablation-no-attention": ("reference-fidelity", pytest.approx(-0.1), "decoder: attn → shuffle"),
        "ablation-shallow": (None, None, "decoder.blocks: 2 → none; training differs, too: seed: 0 → 1"),
    }


def test_without_the_reference_there_are_no_contributions() -> None:
    assert contributions([quality("ablation-no-skips", 27.0)]) == ()


def test_a_result_is_found_again_unless_something_changed(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    result = quality("models/x.safetensors", 28.0)
    assert store.find("quality", result.model, result.key) is None
    store.add(result)
    assert store.find("quality", result.model, result.key) == result
    assert store.find("quality", "other", result.key) is None
    assert store.find("quality", result.model, {**result.key, "digest": "other"}) is None
    assert Store(tmp_path / "a" / "b", fresh=True).find("quality", result.model, result.key) is None
    (file,) = (tmp_path / "a" / "b" / "quality").iterdir()
    assert file.name.startswith("x-")
    file.write_text("{")
    with pytest.raises(DataError, match=r"x-.*\.json is damaged: delete it"):
        store.find("quality", result.model, result.key)
    whole = asdict(result)
    for values in ({}, {**whole["values"], "mean": {"psnr_y": 28.0}}, {**whole["values"], "mean": None}):
        file.write_text(json.dumps({**whole, "values": values}))
        with pytest.raises(DataError, match=r"x-.*\.json is damaged: delete it"):
            store.find("quality", result.model, result.key)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="cannot make the results folder"):
        Store(tmp_path / "taken")


def test_the_digest_follows_what_use_needs(tiny: str, tmp_path: Path) -> None:
    model = build(**TINY)
    same = model_digest(model)
    assert model_digest(load_model(tiny)) == same
    assert model_digest(build(**TINY, discriminator="patch")) == same
    save_model(model, tmp_path / "whole.safetensors", training_parts=True)
    assert model_digest(load_model(tmp_path / "whole.safetensors")) == same
    others = [build(**TINY, seed=1), build(**{**TINY, "skips": False}), zoo.load("bicubic"), zoo.load("bicubic", 2)]
    assert len({same, *map(model_digest, others)}) == 5


def test_measuring_ranks_keeps_and_finds_again(tiny: str, pairs: list[ImagePair], tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    names = ["bicubic", tiny, "bicubic", "nope"]
    first = run(names, pairs, scale=4, results=tmp_path, progress=lambda done, total, what: heard.append((done, total)))
    assert sorted(row.model for row in first.board.rows) == sorted(["bicubic", tiny])
    assert {row.model: row.trained for row in first.board.rows} == {"bicubic": True, tiny: False}
    assert all(row.params is not None and row.macs and row.seconds for row in first.board.rows)
    assert "there is no model 'nope'" in first.failed["nope"] and not first.reused
    assert heard == sorted(heard) and heard[-1] == (9, 9)
    assert len(list(tmp_path.rglob("*.json"))) == 4
    json.dumps(first.to_dict(), allow_nan=False)

    again = run(names, pairs, scale=4, results=tmp_path)
    assert again.board == first.board
    assert again.reused == {"bicubic": ("quality", "cost"), tiny: ("quality", "cost")}
    other = run(["bicubic"], pairs[:1], scale=4, results=tmp_path)
    assert other.reused == {"bicubic": ("cost",)} and other.board.data != first.board.data
    assert not run(["bicubic"], pairs, scale=4, results=tmp_path, fresh=True).reused


def test_what_cannot_be_kept_is_on_the_board_all_the_same(
    pairs: list[ImagePair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise WriteError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("srzoo.benchmark.store.write_atomically", full)
    outcome = run(["bicubic"], pairs, scale=4, results=tmp_path)
    assert [row.model for row in outcome.board.rows] == ["bicubic"] and not outcome.failed
    assert len(outcome.unkept) == 2 and "No space left" in outcome.unkept[0]
    assert outcome.to_dict()["unkept"] == list(outcome.unkept)


def test_one_that_fails_does_not_stop_the_others(pairs: list[ImagePair], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: NearestUpscaler, lr: Tensor) -> Tensor:
        raise ZeroDivisionError("of no use")

    monkeypatch.setattr(NearestUpscaler, "forward", broken)
    outcome = run(["nearest", "lanczos"], pairs, scale=4)
    assert [row.model for row in outcome.board.rows] == ["lanczos"]
    assert outcome.failed == {"nearest": "ZeroDivisionError: of no use"}
    with pytest.raises(DataError, match="no images"):
        run(["lanczos"], [], scale=4)


def test_by_default_everything_of_that_scale_is_measured(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "shipped", lambda: {"tiny": Path(tiny)})
    assert default_models(4) == ["tiny", "bicubic", "lanczos", "nearest"]
    assert default_models(2) == ["bicubic", "lanczos", "nearest"]


def test_a_plot_is_an_image_of_every_format(tmp_path: Path) -> None:
    names = ["a", "b", "c", "perfect"]
    results = [quality(name, 28.0 if name != "perfect" else inf) for name in names] + [
        cost(name, 10**9) for name in names
    ]
    benchmark = Benchmark(leaderboards(results)[0], {}, (180, 320), {}, {})
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        plot(benchmark, tmp_path / f"plot{suffix}")
        assert (tmp_path / f"plot{suffix}").read_bytes().startswith(start)
    with pytest.raises(UsageError, match=r"ends in \.png, \.svg, \.pdf"):
        plot(benchmark, tmp_path / "plot.gif")
    with pytest.raises(UsageError, match="nothing to plot"):
        plot(replace(benchmark, board=replace(benchmark.board, rows=())), tmp_path / "empty.png")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plot.pdf", "plot.png", "plot.svg"]
