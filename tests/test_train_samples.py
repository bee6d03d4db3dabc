"""Stages whose losses compare two samples of each crop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training import RECIPE, numbers, train

from srzoo.checkpoint import load_model
from srzoo.data.pairs import sample_pairs
from srzoo.train.batch import Batch
from srzoo.train.batches import batch_noise

ENERGY = 'energy = { weight = 1.0, network = "pixels", spread = SPREAD }'
SAMPLES = (
    RECIPE[: RECIPE.index("[[stages]]")]
    + f"""
[stages.samples]
steps = 60
learning_rate = 1e-2
warm_up = 0
schedule = "constant"
ema = 0.5
temperature = 1.0
posterior_share = 0.25
prior = {{ {ENERGY} }}
posterior = {{ l1 = 1.0, kl = 0.01 }}
"""
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SAMPLES.replace("SPREAD", "1.0"))
    return path


def spread(file: Path) -> float:
    """Mean standard deviation of a model's samples, in grey levels of 255."""
    model, lr = load_model(file), torch.from_numpy(sample_pairs(2)[0].lr[40:72, 60:92]).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        samples = torch.stack([model.enlarge(lr, temperature=1.0, sample=each) for each in range(8)])
    return 255 * samples.std(dim=0).mean().item()


def test_samples_that_are_paid_for_differing_differ(recipe: Path, photos: Path, tmp_path: Path) -> None:
    assert train(recipe, photos, tmp_path / "paid").returncode == 0
    recipe.write_text(SAMPLES.replace("SPREAD", "0.0"))
    assert train(recipe, photos, tmp_path / "unpaid").returncode == 0
    paid, unpaid = (spread(tmp_path / name / "samples.safetensors") for name in ("paid", "unpaid"))
    assert paid > 1.5 * unpaid
    rows = numbers(tmp_path / "paid" / "ledger.csv")
    told = [row for row in rows if row["prior.energy"]]
    assert len(told) == 45 and all(float(row["at_image.prior.energy"]) > 0 for row in told)


def test_samples_are_the_same_however_a_run_is_fed(recipe: Path, photos: Path, tmp_path: Path) -> None:
    recipe.write_text(SAMPLES.replace("SPREAD", "0.5").replace("steps = 60", "steps = 8\naccumulate = 2"))
    assert train(recipe, photos, tmp_path / "whole", "--workers", 0).returncode == 0
    assert train(recipe, photos, tmp_path / "again", "--workers", 2).returncode == 0
    assert numbers(tmp_path / "whole" / "ledger.csv") == numbers(tmp_path / "again" / "ledger.csv")
    files = [(tmp_path / name / "samples.safetensors").read_bytes() for name in ("whole", "again")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("temperature = 1.0", "temperature = 0.0"), "do not differ at temperature 0; set temperature = 1.0"),
        (('"conditional", channels = 2, width = 8', '"identity"'), "latent identity draws none; take one that does"),
        (('network = "pixels"', 'network = "pixel"'), "pixel"),
        (('network = "pixels"', 'network = "pixels", taps = ["relu1"]'), "pixels have no maps"),
    ],
)
def test_samples_that_cannot_differ_are_refused(
    change: tuple[str, str], says: str, recipe: Path, photos: Path, tmp_path: Path
) -> None:
    assert change[0] in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(*change))
    refused = train(recipe, photos, tmp_path / "run")
    assert refused.returncode in (1, 2) and "Traceback" not in refused.stderr
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and says in errors[0]
    assert not (tmp_path / "run").exists()


def test_each_crop_is_repeated_beside_its_noises() -> None:
    shapes = [(2, 3, 3), (1, 2, 2)]
    noise = batch_noise((0, 5), range(4), shapes, 1.0, 2)
    assert [each.shape for each in noise] == [(8, 2, 3, 3), (8, 1, 2, 2)]
    assert not torch.equal(noise[0][0], noise[0][1])
    lr = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    batch = Batch(lr, lr, noise)
    assert batch.draws == 2 and batch.repeated().lr[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    parts = list(batch.parts(2))
    assert [part.draws for part in parts] == [2, 2]
    assert torch.equal(parts[1].noise[0], noise[0][4:]) and torch.equal(parts[1].lr, lr[2:])
    single = Batch(lr, lr, batch_noise((0, 5), range(4), shapes, 1.0))
    assert single.repeated() is single and torch.equal(single.noise[0][2], batch_noise((0, 5), [2], shapes, 1.0)[0][0])
    assert Batch(lr, lr, ()).repeated().draws == 1
