"""Steps that a GPU repeats by itself: they come to what steps come to whose every kernel is launched anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from training import RECIPE, numbers

from srzoo.components.losses.kl import KLLoss
from srzoo.components.losses.l1 import L1Loss
from srzoo.errors import TrainingError
from srzoo.train.loop import Run
from srzoo.train.recipe import load_recipe

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")

LONGER = (
    RECIPE.replace("steps = 6", "steps = 24")
    .replace("steps = 4", "steps = 24\nr1 = 1.0\nr1_every = 4")
    .replace("validate_every = 4", "validate_every = 8")
    .replace("save_every = 2", "save_every = 5")
)
KINDS = 2 + 3
"""Kinds of steps: from prior and posterior, then from both with and without R1, which only meets one of them."""


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with each recorded step that is repeated."""
    seen: list[None] = []
    replay = torch.cuda.CUDAGraph.replay

    def counted(graph: torch.cuda.CUDAGraph) -> None:
        seen.append(None)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", counted)
    return seen


def trained(photos: Path, folder: Path, text: str = LONGER, *, graphs: bool) -> list[dict[str, str]]:
    """Train on the GPU; returns the ledger without what tells the time."""
    recipe = folder.with_suffix(".toml")
    recipe.write_text(text)
    Run(load_recipe(str(recipe)), folder, photos, device="cuda", graphs=graphs).run(lambda report: None)
    return numbers(folder / "ledger.csv")


def same(ledger: list[dict[str, str]], other: list[dict[str, str]], tolerance: float) -> bool:
    """Whether all numbers of two ledgers agree."""
    return len(ledger) == len(other) and all(
        one[key] == two[key] or float(one[key]) == pytest.approx(float(two[key]), rel=tolerance, abs=1e-5)
        for one, two in zip(ledger, other, strict=True)
        for key in one
        if key != "note"
    )


@gpu
def test_recorded_steps_come_to_what_others_come_to(photos: Path, tmp_path: Path, replays: list[None]) -> None:
    anew = trained(photos, tmp_path / "anew", graphs=False)
    assert not replays
    recorded = trained(photos, tmp_path / "recorded", graphs=True)
    assert len(replays) == len(recorded) - 3 * KINDS
    assert same(anew, recorded, 0.05), (anew[-1], recorded[-1])


@gpu
def test_a_weight_that_climbs_goes_on_climbing(photos: Path, tmp_path: Path, replays: list[None]) -> None:
    text = LONGER.replace("kl = 0.01", "kl = { weight = 0.01, warm_up = 16 }")
    anew = trained(photos, tmp_path / "anew", text, graphs=False)
    recorded = trained(photos, tmp_path / "recorded", text, graphs=True)
    assert replays and same(anew, recorded, 0.05)


def test_kl_is_steady_once_it_is_warm() -> None:
    assert [KLLoss(4, warm_up=3).steady(step) for step in range(5)] == [False] * 3 + [True] * 2
    assert KLLoss(4).steady(0)


@gpu
def test_a_loss_that_looks_at_its_value_ends_the_run_and_can_go_on_without(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this file: what a broken recording leaves of PyTorch is not defined."""
    forward = L1Loss.forward

    def looking(loss: L1Loss, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        value = forward(loss, sr, hr, lr)
        assert value.item() >= 0
        return value

    monkeypatch.setattr(L1Loss, "forward", looking)
    with pytest.raises(TrainingError, match=r"cannot be recorded as CUDA graphs .*captur.*--no-graphs --resume"):
        trained(photos, tmp_path / "looking", graphs=True)
