"""The discriminator on a backbone of timm."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from command import srzoo
from parts import make
from PIL import Image
from safetensors.torch import save_file

from srzoo.assembly import build_discriminator
from srzoo.data.pairs import sample_pairs
from srzoo.errors import AssemblyError, FetchError, OptionError
from srzoo.spec import Spec
from srzoo.testing import conformance
from srzoo.train.recipe import load_recipe
from srzoo.train.state import load_state

SMALL = "mobilenetv3_small_050"
"""A backbone that is built in no time; it has batch normalisation."""

RECIPE = f"""
precision = "float32"
validate_every = 6
save_every = 1

[model]
scale = 2
pre_encoder = {{ name = "residual", width = 8, blocks = 1 }}
encoder = {{ name = "strided", widths = [8], blocks = 1 }}
latent = {{ name = "conditional", channels = 2, width = 8 }}
decoder = {{ name = "attn", widths = [8, 8], blocks = 1, fine_width = 4, window = 4, heads = 2 }}
discriminator = {{ name = "feature/{SMALL}", width = 4 }}

[data]
train = ["photos"]
validation = "photos"
crop = 16
batch = 2

[[stages]]
name = "adversarial"
steps = 4
prior = {{ l1 = 1.0, hinge = 0.1 }}
posterior = {{ l1 = 1.0, hinge = 0.1, kl = 0.01 }}
"""

test_a_transformer_whose_weights_are_trained = conformance(
    "discriminator", "feature/vit_tiny_patch16_224", options={"frozen": False, "mixing": False, "levels": 2}
)


def test_the_command_line_shows_it() -> None:
    shown = json.loads(srzoo("show", "discriminator", "feature", "--json").stdout)
    assert "Sauer et al." in shown["details"] and shown["qualified"] == "srzoo:feature"
    defaults = {option["name"]: option["default"] for option in shown["options"]}
    assert defaults["pretrained"] is False and defaults["frozen"] is True
    shown = json.loads(srzoo("show", "discriminator", f"feature/{SMALL}", "--json").stdout)
    assert {option["name"]: option["default"] for option in shown["options"]}["variant"] == SMALL


def test_the_command_line_checks_it() -> None:
    done = srzoo("check", "discriminator", f"feature/{SMALL}", "--json")
    assert done.returncode == 0, done.stderr
    (part,) = json.loads(done.stdout)["parts"]
    assert len(part["checks"]) > 15 and {each["state"] for each in part["checks"]} == {"passed"}


def test_training_moves_the_judges_and_not_the_backbone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for pair in sample_pairs(2)[:2]:
        Image.fromarray(pair.hr[:64, :64]).save(tmp_path / "photos" / f"{pair.name}.png")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    run = tmp_path / "run"
    done = srzoo("train", tmp_path / "tiny.toml", "--data", tmp_path, "--output", run, "--threads", 1)
    assert done.returncode == 0, done.stderr
    saved = load_state(run)
    assert saved is not None
    after = saved[2]["discriminator"]
    recipe = load_recipe(str(tmp_path / "tiny.toml"))
    before = build_discriminator(recipe.network(), seed=recipe.seed).state_dict()
    assert set(after) == set(before)
    moved = {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"judges"} and {name.partition(".")[0] for name in before} == {"backbone", "mixing", "judges"}


def discriminator(variant: str = SMALL, **options: Any) -> Any:
    return make("discriminator", f"feature/{variant}", Spec(3), **options)


def learn(part: Any) -> dict[str, torch.Tensor]:
    """Take one step on noise, as a trainer does that switches all parameters off and on; the state from before."""
    part.train().requires_grad_(False).requires_grad_(True)
    before = {name: value.clone() for name, value in part.state_dict().items()}
    optimizer = torch.optim.SGD(part.parameters(), 0.1)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    sum(each.square().mean() for each in part(image)).backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    optimizer.step()
    return before


def test_a_frozen_backbone_and_the_mixing_stay_as_they_are() -> None:
    part = discriminator()
    before = learn(part)
    moved = {name.split(".")[0] for name, value in part.state_dict().items() if not torch.equal(before[name], value)}
    assert moved == {"judges"}


@pytest.mark.parametrize(("variant", "levels"), [(SMALL, 0), ("hrnet_w18_small", 1)])
def test_a_backbone_can_be_trained_but_for_what_no_verdict_depends_on(variant: str, levels: int) -> None:
    part = discriminator(variant, frozen=False, levels=levels)
    before = learn(part)
    moved = {name for name, value in part.state_dict().items() if not torch.equal(before[name], value)}
    assert any(name.startswith("backbone.") for name in moved)
    assert not any(name.endswith(("running_mean", "running_var")) for name in moved)
    assert all(each.grad is not None for each in part.parameters())
    idle = {name for name, _ in part.backbone.named_buffers()} - {
        name for name in part.state_dict() if name.rpartition(".")[2] in ("running_mean", "running_var")
    }
    assert any(name.endswith("weight") for name in idle) == (variant == "hrnet_w18_small")


@pytest.mark.parametrize("frozen", [True, False])
def test_in_training_too_a_verdict_does_not_depend_on_the_other_images(frozen: bool) -> None:
    part = discriminator(frozen=frozen).train()
    part.judges.eval()  # spectral normalisation changes weights at each call
    images = torch.rand(3, 3, 64, 64)
    images[1:] *= 0.1
    with torch.no_grad():
        for together, alone in zip(part(images), part(images[:1]), strict=True):
            torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", [SMALL, "vit_tiny_patch16_224", "inception_v3"])
def test_there_is_a_map_of_verdicts_for_each_level(variant: str) -> None:
    part = discriminator(variant).eval()
    strides = {SMALL: (2, 4, 8, 16, 32), "vit_tiny_patch16_224": (16,) * 3, "inception_v3": (2, 4, 8, 16, 32)}[variant]
    with torch.no_grad():
        logits = part(torch.rand(2, 3, 50, 97))
    assert [each.shape for each in logits] == [(2, 1, -(-50 // s), -(-97 // s)) for s in strides]
    assert part.min_size == max(strides)


def test_mixing_goes_from_deep_to_fine() -> None:
    mixing = discriminator(width=8).mixing
    maps = tuple(torch.rand(1, each.in_channels, 32 >> i, 32 >> i) for i, each in enumerate(mixing.channels))
    plain = mixing(maps)
    assert [each.shape for each in plain] == [(1, 8, 32 >> i, 32 >> i) for i in range(5)]
    for changed in range(5):
        mixed = mixing(tuple(each + (i == changed) for i, each in enumerate(maps)))
        differs = [not torch.equal(one, other) for one, other in zip(plain, mixed, strict=True)]
        assert differs == [i <= changed for i in range(5)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variant": "efficientnet_lit0"}, ["discriminator feature", "did you mean 'efficientnet_lite0'"]),
        ({"variant": "efficientformer_l1"}, ["discriminator feature/efficientformer_l1", "224x224 only"]),
        ({"variant": "resnet18", "levels": 6}, ["feature/resnet18 has 5 levels, not 6", "discriminator.levels"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        make("discriminator", "feature", Spec(3), **options)
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words)


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(AssemblyError, match="3 channels, not of 4"):
        make("discriminator", "feature", Spec(4))


def test_weights_of_timm_are_read_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = import_module("timm").create_model("resnet10t")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"discriminator feature/resnet10t.*SRZOO_OFFLINE.*timm_resnet10t.safetensors"):
        discriminator("resnet10t", pretrained=True)
    save_file(trained.state_dict(), tmp_path / "timm_resnet10t.safetensors")
    found = discriminator("resnet10t", pretrained=True).backbone.state_dict()
    source = trained.state_dict()
    assert found and all(torch.equal(value, source[name]) for name, value in found.items())
