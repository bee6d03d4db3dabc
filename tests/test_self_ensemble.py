"""A ``+`` behind a model's name: the mean over the eight sides of an image."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from command import srzoo
from parts import TINY
from PIL import Image
from test_whole import Choosy

from srzoo import zoo
from srzoo.api import bench, build, evaluate
from srzoo.checkpoint import save_model
from srzoo.cost import count_macs, count_parameters
from srzoo.data.pairs import ImagePair, make_pair, sample_pairs
from srzoo.errors import UsageError
from srzoo.model import Model, WholeModel
from srzoo.self_ensemble import SelfEnsemble
from srzoo.zoo import load

ANY_SCALE = TINY | {"decoder": {"name": "implicit", "widths": [8, 12], "blocks": 1, "code": 8}, "latent": "identity"}


@pytest.fixture(autouse=True)
def _only_own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_PLUGINS", "")
    zoo.REGISTRY.refresh()


@pytest.fixture(scope="module")
def pairs() -> list[ImagePair]:
    return [make_pair(pair.name, pair.hr[100:228, 100:260], 4) for pair in sample_pairs(4)[:2]]


def sides(model: Model, lr: torch.Tensor) -> torch.Tensor:
    """What the model makes of each of eight sides, laid back: each mirroring, as it is and with its axes exchanged."""
    made = []
    for mirrored in ([], [-1], [-2], [-2, -1]):
        seen = lr.flip(mirrored)
        made += [model.upscale(seen).flip(mirrored), model.upscale(seen.mT).mT.flip(mirrored)]
    return torch.stack(made)


@pytest.mark.parametrize(("parts", "scale"), [(TINY, 4), (ANY_SCALE, "5/2")])
def test_it_is_the_mean_over_all_eight_sides(parts: dict[str, object], scale: int | str) -> None:
    model = build(**parts, scale=scale)
    lr = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    made = sides(model, lr)
    assert made.std(dim=0).max() > 1e-3
    together = SelfEnsemble(model).upscale(lr)
    assert together.shape == made.shape[1:] == (2, 3, 12 * Fraction(scale), 20 * Fraction(scale))
    assert torch.allclose(together, made.mean(dim=0), atol=1e-6)


@pytest.mark.parametrize(("parts", "scale"), [(TINY, 4), (ANY_SCALE, "5/2")])
def test_sizes_that_fit_no_grid_come_out_as_without_it(parts: dict[str, object], scale: int | str) -> None:
    model = build(**parts, scale=scale)
    lr = torch.rand(1, 3, 13, 7, generator=torch.Generator().manual_seed(0))
    one, eight = model.upscale(lr), SelfEnsemble(model).upscale(lr)
    assert one.shape == eight.shape
    # Fresh weights add little to the base: shifted by a pixel, it would be far off.
    assert (one - eight).abs().mean() < 0.25 * (one[..., 1:] - one[..., :-1]).abs().mean()


def test_tiles_change_nothing() -> None:
    model = SelfEnsemble(build(**TINY))
    lr = torch.rand(1, 3, 83, 146, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model.upscale(lr, tile=40), model.upscale(lr), atol=1e-5)


def test_a_shipped_model_gains_by_it_and_costs_eight_times_as_much(pairs: list[ImagePair]) -> None:
    plain, marked = (evaluate(name, pairs).mean["psnr_y"] for name in ("compact-fidelity", "compact-fidelity+"))
    assert plain + 0.03 < marked < plain + 0.5
    one, eight = load("compact-fidelity"), load("compact-fidelity+")
    assert count_parameters(one) == count_parameters(eight)
    assert 4 * count_macs(one, (32, 48)) + 4 * count_macs(one, (48, 32)) == count_macs(eight, (31, 40))


def test_both_stand_on_one_board(pairs: list[ImagePair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srzoo.cost.OUTPUT", (64, 96))
    file = tmp_path / "tiny.safetensors"
    save_model(build(**TINY), file)
    names = [str(file), f"{file}+"]
    board = bench(names, pairs, results=tmp_path / "results").set_index("model")
    assert sorted(board.index) == names
    assert board.loc[names[1], "macs"] == pytest.approx(8 * board.loc[names[0], "macs"], rel=0.02)
    assert board.loc[names[1], "params"] == board.loc[names[0], "params"]
    assert board.loc[names[1], "digest"] != board.loc[names[0], "digest"]
    again = bench(names, pairs, results=tmp_path / "results")
    assert again.attrs["reused"] == {name: ["quality", "cost"] for name in names}


def test_the_latent_is_taken_at_its_mean() -> None:
    model = SelfEnsemble(build(**TINY))
    lr = torch.rand(1, 3, 16, 16)
    assert not model.draws_samples
    assert torch.equal(model.upscale(lr, temperature=1.0, seed=1), model.upscale(lr))


def test_the_command_line_takes_the_mark(pairs: list[ImagePair], tmp_path: Path) -> None:
    lr = pairs[0].lr
    Image.fromarray(lr).save(tmp_path / "photo.png")
    (tmp_path / "photos").mkdir()
    Image.fromarray(pairs[1].hr).save(tmp_path / "photos" / "one.png")
    done = srzoo("upscale", "photo.png", "large.png", "--model", "seed+", "--temperature", "0.8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "by seed+, x4" in done.stdout and "seed+ draws no samples" in done.stderr
    written = np.asarray(Image.open(tmp_path / "large.png"))
    assert np.array_equal(written, load("seed+").upscale(lr))
    assert not np.array_equal(written, load("seed").upscale(lr))
    scored = srzoo("eval", "bicubic+", "--data", "photos", "--json", cwd=tmp_path)
    assert json.loads(scored.stdout)["model"] == "bicubic+"


def test_what_does_not_exist_is_named_without_the_mark(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape("there is no model 'larg' (did you mean 'large'?)")):
        load("larg+")
    for ask, name in ((load, "large++"), (zoo.find_file, "large+")):
        with pytest.raises(UsageError, match=r"large\+ is a self-ensemble, which has no weights of its own"):
            ask(name)
    (tmp_path / "images").mkdir()
    for arguments, says in (
        (("eval", "images+", "--data", "images"), "images is a folder, and what is in it has no self-ensemble"),
        (("eval", "+"), "there is no model '+'"),
    ):
        done = srzoo(*arguments, cwd=tmp_path)
        assert done.returncode in (1, 2) and says in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_names_win_over_folders_that_are_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("compact+", "bicubic+"):
        (tmp_path / name).mkdir()
        assert isinstance(load(name), SelfEnsemble)


def test_costs_are_those_of_the_padded_image() -> None:
    class Grid(Choosy):
        tile_multiple = 4

    model = SelfEnsemble(WholeModel(Grid(engine="other"), {"scale": 2}))
    seen = model.model.upscaler.seen
    assert model.upscale(torch.rand(1, 3, 5, 9)).shape == (1, 3, 10, 18)
    assert len(seen) == 8 and count_macs(model, (5, 9)) == sum(height * width for height, width in seen)
    assert count_parameters(model) == 7


def test_a_file_of_that_very_name_is_itself(tmp_path: Path) -> None:
    file = tmp_path / "tiny+"
    save_model(build(**TINY), file)
    assert not isinstance(load(file), SelfEnsemble)
