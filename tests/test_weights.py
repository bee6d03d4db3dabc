"""The shipped weights are what they are said to be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

import srzoo
from srzoo import checkpoint, zoo
from srzoo.assembly import build_discriminator, build_model
from srzoo.config import preset
from srzoo.data.pairs import pairs_from_folder, sample_pairs
from srzoo.train.recipe import load_recipe

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

ABLATIONS = "no-skips no-attention no-vae gaussian no-pre-encoder no-base resnet deconv dense no-discriminator"
REFERENCES = ["reference", "reference-fidelity", "reference-perceptual", "reference-x2", "reference-x3"]
LARGE = ["large", "large-fidelity"]
NAMES = {
    *REFERENCES,
    *LARGE,
    "compact",
    "compact-fidelity",
    "seed",
    *(f"ablation-{name}" for name in ABLATIONS.split()),
}
OTHERS = sorted(NAMES - {"reference"})


def header(name: str) -> dict:  # type: ignore[type-arg]
    return checkpoint.read_header(zoo.shipped()[name])


def test_everything_ships_and_stays_small() -> None:
    assert set(zoo.shipped()) == NAMES
    assert sum(path.stat().st_size for path in zoo.shipped().values()) <= 32e6


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_file_says_where_its_weights_come_from(name: str) -> None:
    facts = header(name)
    assert facts["trained"] and "Trained on" in facts["licence"]
    assert facts["training"]["photos"]["count"] > 500
    assert {"sample", "validation", "Set5", "Set14"} <= set(facts["scores"])
    assert facts["config"]["scale"] == {"reference-x2": 2, "reference-x3": 3}.get(name, 4)
    stored = checkpoint.describe(zoo.shipped()[name])["file"]["stored_as"]
    assert set(stored) <= {"F16", "I64"}


def test_all_were_trained_by_the_recipes_in_the_repository() -> None:
    from train_zoo import ZOO

    recipes = {name: shipped.recipe for name, shipped in ZOO.items()}
    assert set(recipes) == NAMES
    for name, recipe in recipes.items():
        assert header(name)["training"]["recipe_hash"] == load_recipe(recipe).hash(), name


@pytest.mark.parametrize("name", ["reference", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_the_scores_in_the_file_are_those_of_the_file(name: str) -> None:
    noted = header(name)["scores"]["sample"]
    measured = srzoo.evaluate(name, sample_pairs(header(name)["config"]["scale"])).mean
    assert measured["psnr_y"] == pytest.approx(noted["psnr_y"], abs=0.01)
    assert measured["ssim_y"] == pytest.approx(noted["ssim_y"], abs=0.0005)


def test_the_seed_is_as_large_as_it_is_said_to_be() -> None:
    config = preset("seed")
    assert sum(p.numel() for p in build_model(config, device="meta").parameters()) == pytest.approx(4.9e6, rel=0.03)
    judge = build_discriminator(config, device="meta")
    assert sum(p.numel() for p in judge.parameters()) == pytest.approx(1.7e6, rel=0.03)


def test_the_reference_stays_within_its_size() -> None:
    model = srzoo.load("reference")
    assert sum(value.numel() for value in checkpoint.kept_weights(model).values()) <= 800_000


def test_the_latent_carries_information() -> None:
    from latent_evidence import gather, middles

    photos = middles(list(sample_pairs(4)))
    evidence, _ = gather("reference", srzoo.load("reference"), photos, samples=4)
    assert evidence.posterior - evidence.prior >= 0.5
    assert evidence.posterior - evidence.stranger > evidence.posterior - evidence.prior
    assert evidence.spread_textured > 2 * evidence.spread_flat
    assert evidence.spread_textured > 1


def test_samples_are_functions_of_their_seed() -> None:
    model = srzoo.load("reference")
    lr = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    one, again, other = (model.upscale(lr, temperature=1.0, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "name", "least"),
    [
        ("reference-fidelity", "Set5", 31.75),
        ("reference-fidelity", "Set14", 28.25),
        ("reference-fidelity", "BSD100", 27.45),
        ("large-fidelity", "Set5", 31.85),
        ("large-fidelity", "Set14", 28.35),
        ("large-fidelity", "BSD100", 27.5),
    ],
)
def test_the_fidelity_stage_reaches_its_mark(model: str, name: str, least: float) -> None:
    if "SRZOO_DATA" not in os.environ:
        pytest.skip("SRZOO_DATA does not name a folder with the literature's images")
    pairs = pairs_from_folder(Path(os.environ["SRZOO_DATA"]) / "test" / name / "X4", 4)
    assert srzoo.evaluate(model, pairs).mean["psnr_y"] >= least
