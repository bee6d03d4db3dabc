"""The latents are what their papers say, and work in training and in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from srzoo_quantize.fsq import FiniteScalarLatent
from srzoo_quantize.vq import VectorQuantizedLatent
from torch import Tensor

import srzoo
from srzoo.errors import OptionError
from srzoo.spec import Spec

TARGET = Spec(3, "1/2")

RECIPE = """
summary = "A few steps with a discrete latent"
preset = "reference"
precision = "float32"

[model]
pre_encoder = { name = "conv" }
encoder = { name = "strided", widths = [8], blocks = 0 }
decoder = { name = "shuffle", widths = [8], blocks = 0, fine_width = 4 }

[model.latent]
name = "vq"
codebook_size = 32

[data]
train = ["photos"]
validation = "photos"
crop = 8
batch = 2

[[stages]]
name = "fidelity"
steps = 6
warm_up = 1
prior = { l1 = 1.0 }
posterior = { l1 = 1.0, kl = 0.002 }
"""


def clusters(seed: int, count: int = 8, channels: int = 6) -> Tensor:
    """Features (4, channels, 16, 16) that lie close around ``count`` points, which are the same for every seed."""
    points = 3 * torch.randn(count, channels, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    chosen = points[torch.randint(count, (4, 16, 16), generator=generator)]
    return (chosen + 0.01 * torch.randn(chosen.shape, generator=generator)).movedim(-1, 1)


def identity(latent: VectorQuantizedLatent | FiniteScalarLatent) -> None:
    """Let the latent quantise the normalised features themselves."""
    with torch.no_grad():
        torch.nn.init.dirac_(latent.project[0].weight)


def made(seed: int = 0, **options: object) -> VectorQuantizedLatent:
    torch.manual_seed(seed)
    latent = VectorQuantizedLatent(Spec(6), TARGET, **{"codebook_size": 16, "dimension": 6, **options})
    identity(latent)
    return latent


def learn(latent: VectorQuantizedLatent, steps: range) -> Tensor:
    """Train on clusters, and return the last commitment."""
    latent.train()
    for step in steps:
        losses = latent(clusters(step)).losses
    return losses["commitment"].detach()


def rows(maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N * H * W, C)."""
    return maps.movedim(1, -1).flatten(0, -2)


def test_z_is_the_nearest_code() -> None:
    latent = made()
    learn(latent, range(3))
    latent.eval()
    features = 3 * torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(1))
    codes = latent.codebook.codes
    nearest = torch.cdist(rows(latent.project(features)).double(), codes.double()).argmin(dim=1)
    torch.testing.assert_close(rows(latent(features).z), codes[nearest])


def test_of_unit_length_the_nearest_code_is_that_of_the_smallest_angle() -> None:
    latent = made(distance="cosine")
    learn(latent, range(3))
    latent.eval()
    features = torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(1))
    codes = latent.codebook.codes
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(16))
    torch.testing.assert_close(
        rows(latent(features).z), codes[(rows(latent.project(features)) @ codes.T).argmax(dim=1)]
    )


def test_more_positions_than_are_compared_at_once_change_nothing() -> None:
    latent = made()
    learn(latent, range(3))
    latent.eval()
    features = clusters(5).repeat(1, 1, 9, 10)
    assert features[0, 0].numel() > 2**14
    torch.testing.assert_close(latent(features).z, latent(clusters(5)).z.repeat(1, 1, 9, 10))


@pytest.mark.parametrize("gradient", ["straight-through", "rotation"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_codebook_finds_the_points_around_which_features_lie(gradient: str, distance: str) -> None:
    latent = made(gradient=gradient, distance=distance)
    before = learn(latent, range(1))
    after = learn(latent, range(1, 200))
    assert after < before / 100
    latent.eval()
    assert len(latent(clusters(300)).z.movedim(1, -1).flatten(0, -2).unique(dim=0)) >= 8


def test_the_commitment_loss_is_that_of_the_paper_and_moves_features_only() -> None:
    latent = made(commitment_weight=0.5)
    learn(latent, range(2))
    codes = latent.codebook.codes.clone()
    features = clusters(3).requires_grad_()
    output, vectors = latent(features), latent.project(features)
    nearest = codes[torch.cdist(rows(vectors), codes).argmin(dim=1)]
    torch.testing.assert_close(output.losses["commitment"], 0.5 * (rows(vectors) - nearest).square().mean())
    # Straight through: as if z were the vectors.
    weights = torch.rand(output.z.shape, generator=torch.Generator().manual_seed(0))
    found, wanted = (torch.autograd.grad((weights * each).sum(), features)[0] for each in (output.z, vectors))
    torch.testing.assert_close(found, wanted)
    assert not list(latent.codebook.parameters())


def test_codes_that_fell_out_of_use_come_back_as_vectors_of_the_batch() -> None:
    latent = made(decay=0.5)
    learn(latent, range(3))
    latent.codebook.codes[:8] = 1000.0
    learn(latent, range(3, 12))
    assert latent.codebook.codes.abs().max() < 20


def test_features_that_hardly_differ_are_told_apart() -> None:
    latent = made()
    latent.train()
    for step in range(100):
        latent(1 + 0.01 * clusters(step))
    latent.eval()
    assert len(rows(latent(1 + 0.01 * clusters(100)).z).unique(dim=0)) >= 8


def test_use_changes_neither_codebook_nor_averages() -> None:
    latent = made()
    learn(latent, range(3))
    before = {name: value.clone() for name, value in latent.state_dict().items()}
    latent.eval()
    latent(clusters(9))
    latent(torch.full((1, 6, 2, 2), 1e4))
    assert all(torch.equal(value, before[name]) for name, value in latent.state_dict().items())


def test_a_run_that_goes_on_from_its_state_ends_like_one_that_never_stopped() -> None:
    whole, first, second = made(), made(), made(seed=1)
    learn(whole, range(12))
    learn(first, range(5))
    second.load_state_dict(first.state_dict())
    torch.manual_seed(5)  # chance has no say
    learn(second, range(5, 12))
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (3, 4, 7)])
def test_every_combination_of_levels_is_a_code_and_nothing_else(levels: tuple[int, ...]) -> None:
    latent = FiniteScalarLatent(Spec(len(levels)), TARGET, levels=levels).eval()
    identity(latent)
    features = 3 * torch.randn(8, len(levels), 64, 64, generator=torch.Generator().manual_seed(0))
    z = latent(features).z
    for channel, count in enumerate(levels):
        found = z[:, channel].unique()
        wanted = (torch.arange(count) - count // 2) / (count // 2)
        torch.testing.assert_close(found, wanted)
    assert (z[:, :, 0, 0].abs() <= 1).all()


def test_odd_levels_are_those_of_the_papers_formula() -> None:
    latent = FiniteScalarLatent(Spec(1), TARGET, levels=(5,)).eval()
    identity(latent)
    features = torch.linspace(-3, 3, 400).view(1, 1, 20, 20)
    torch.testing.assert_close(latent(features).z, (2 * 1.001 * latent.project(features).tanh()).round() / 2)


@pytest.mark.parametrize("latent", ["vq", "fsq"])
def test_a_model_is_saved_and_loaded(folder: Path, latent: str) -> None:
    model = srzoo.build(latent={"name": latent}, seed=3)
    model.train()
    lr = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    model(lr, torch.rand(2, 3, 64, 96))
    model.eval()
    srzoo.save(model, "model.safetensors")
    again = srzoo.load("model.safetensors")
    assert again.config["latent"]["name"] == f"srzoo-quantize:{latent}"
    assert torch.equal(model.upscale(lr), again.upscale(lr))
    assert torch.equal(again.upscale(lr, temperature=1.0), again.upscale(lr))  # nothing to draw


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "srzoo", *arguments], capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("changes", [(), ("--set", 'model.latent={"name": "fsq", "levels": [5, 3]}')])
def test_the_command_line_trains_and_uses_a_discrete_latent(folder: Path, changes: tuple[str, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 48, 40, 3), dtype=np.uint8)
    (folder / "photos").mkdir()
    for index, photo in enumerate(pixels):
        Image.fromarray(photo).resize((80, 96)).save(folder / "photos" / f"{index}.png")
    Path("discrete.toml").write_text(RECIPE)
    trained = run("train", "discrete.toml", "--data", ".", "-o", "out", *changes)
    assert trained.returncode == 0, trained.stderr
    columns, *lines = (line.split(",") for line in Path("out/ledger.csv").read_text().splitlines())
    assert len(lines) == 6
    assert ("prior.commitment" in columns) == (not changes)
    Image.fromarray(pixels[0]).save("in.png")
    used = run("upscale", "in.png", "out.png", "--model", "out/fidelity.safetensors")
    assert used.returncode == 0, used.stderr
    with Image.open("out.png") as enlarged:
        assert enlarged.size == (160, 192)


def test_an_option_that_does_not_fit_is_told_in_one_line() -> None:
    for option, value, message in (
        ("codebook_size", 1, r"option 'codebook_size' cannot be 1: it takes int \(>= 2"),
        ("revival", 0, "option 'revival' cannot be 0"),
        ("codebok_size", 9, "did you mean 'codebook_size'"),
        ("distance", "far", r"it takes choice \(euclidean, cosine\)"),
    ):
        with pytest.raises(OptionError, match=message) as caught:
            srzoo.build(latent={"name": "vq", option: value})
        assert "\n" not in str(caught.value)
    refused = run("build", "--latent", "fsq", "--set", "latent.levels=2,5")
    assert refused.returncode == 2
    assert "option 'levels' cannot be [2, 5]" in refused.stderr and len(refused.stderr.splitlines()) == 1
