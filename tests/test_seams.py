"""Third parties' parts whose maps, logits and losses are not what they declare, or that fail while training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from environment import write_metadata
from training import RECIPE

from srzoo.assembly import build_model
from srzoo.config import preset
from srzoo.errors import BrokenPluginError
from srzoo.registry import REGISTRY
from srzoo.summary import summarize
from srzoo.train.loop import Run
from srzoo.train.recipe import load_recipe

MODULE = '''
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srzoo.contracts import *
from srzoo.spec import Spec


class Wide(PreEncoder):
    """One channel more than declared."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.out_spec = Spec(4)
        self.layer = nn.Conv2d(spec.channels, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


class Flat(Encoder):
    """Full size where half of it is declared."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.out_specs = (Spec(spec.channels), Spec(spec.channels, spec.stride * 2))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return features, features


class Lone(Flat):
    """A map where a tuple of them is declared."""

    def forward(self, features: Tensor) -> Tensor:
        return features


class Fixed(Flat):
    """One map too few, and for one size only."""

    fixed_size = (8, 8)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return (features,)


class Bare(Latent):
    """No LatentOutput."""

    def __init__(self, spec: Spec, target: Spec) -> None:
        super().__init__()
        self.out_spec = spec

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        return features


class Broad(Bare):
    """Distributions that spread where they ought to fail."""

    def __init__(self, spec: Spec, target: Spec) -> None:
        super().__init__(spec, target)
        self.noise_specs = (Spec(2, spec.stride),)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        one = features[:, :1]
        return LatentOutput(features, prior=(Gaussian(one, one),))


class Adds(Bare):
    """A further loss for each image."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        return LatentOutput(features, losses={"commitment": features.mean((1, 2, 3))})


class Untyped(Flat):
    """Numbers for specs."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.out_specs = (8, 16)


class Halves(Flat):
    """Half a pixel for a unit."""

    multiple_of = 2.5


class Wrapped(Decoder):
    """A tuple where an image is declared."""

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(specs[-1].channels, 3, 1)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return (self.layer(features[-1]),)


class Same(Upscaler):
    """LR as it is."""

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = scale or 2

    def forward(self, lr: Tensor) -> Tensor:
        return lr


class Texts(Same):
    """A scale in words."""

    def __init__(self, scale: int | None) -> None:
        super().__init__(scale)
        self.scale = str(self.scale)


class Fails(ImageLoss):
    """Not from the first."""

    calls = 0

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        Fails.calls += 1
        if Fails.calls == 2:
            raise ValueError("my bug")
        return (sr - hr).abs().mean()


class PerImage(Fails):
    """One number for each image."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr - hr).abs().mean((1, 2, 3))


class Numb(Fails):
    """Nothing for the generator to learn from."""

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr.detach() - hr).abs().mean()


class Single(Discriminator):
    """One map of logits for all images together."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(spec.channels, 1, 3)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.layer(image).mean(0, keepdim=True),)
'''

GROUPS = {
    "srzoo.pre_encoders": {"wide": "Wide"},
    "srzoo.encoders": {"flat": "Flat", "lone": "Lone", "fixed": "Fixed", "untyped": "Untyped", "halves": "Halves"},
    "srzoo.latents": {"bare": "Bare", "broad": "Broad", "adds": "Adds"},
    "srzoo.decoders": {"wrapped": "Wrapped"},
    "srzoo.upscalers": {"same": "Same", "texts": "Texts"},
    "srzoo.losses": {"fails": "Fails", "per-image": "PerImage", "numb": "Numb"},
    "srzoo.discriminators": {"single": "Single"},
}


@pytest.fixture
def odd(site: Path) -> Path:
    """A folder on ``sys.path`` with the distribution ``srzoo-odd``."""
    (site / "odd_parts.py").write_text(MODULE)
    groups = {group: {name: f"odd_parts:{part}" for name, part in parts.items()} for group, parts in GROUPS.items()}
    write_metadata(site, "srzoo-odd", "1.0", groups)
    REGISTRY.refresh()
    return site


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("pre_encoder", "wide", "made a map of 1x5x16x24 where a map of 1x4x16x24 was due"),
        ("encoder", "flat", r"made maps of 1x\d+x16x24, 1x\d+x16x24 where maps of 1x\d+x16x24, 1x\d+x8x12 were due"),
        ("encoder", "lone", "returned Tensor where 2 maps were due"),
        ("encoder", "fixed", r"made a map of 1x\d+x8x8 where maps of 1x\d+x8x8, 1x\d+x4x4 were due"),
        ("latent", "bare", "returned Tensor where a LatentOutput was due"),
        ("latent", "broad", "made a map of 1x1x8x12 where a map of 1x2x8x12 was due"),
        ("decoder", "wrapped", "returned tuple where an image was due"),
        ("encoder", "untyped", r"declares out_specs as \(8, 16\), which is no tuple of Specs"),
        ("encoder", "halves", "declares multiple_of as 2.5, which is no whole number from 1"),
    ],
)
def test_a_part_that_makes_other_maps_than_it_declares_is_named(odd: Path, kind: str, name: str, said: str) -> None:
    config = preset("reference", {kind: {"name": name}})
    shown = kind.replace("_", "-")
    with pytest.raises(BrokenPluginError, match=f"{shown} srzoo-odd:{name} {said}: see: srzoo check {shown} srzoo-odd"):
        build_model(config)(torch.rand(1, 3, 16, 24))
    with pytest.raises(BrokenPluginError, match=f"{shown} srzoo-odd:{name}"):
        summarize(config, (16, 24))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("same", "made an image of 1x3x16x24 where 1x3x64x96 was due"),
        ("texts", "declares scale as '4', which is no whole number or Fraction from 1"),
    ],
)
def test_a_base_that_is_not_what_it_declares_is_named(odd: Path, name: str, said: str) -> None:
    with pytest.raises(BrokenPluginError, match=f"upscaler srzoo-odd:{name} {said}: see: srzoo check upscaler"):
        build_model(preset("reference", {"base": {"name": name}}))(torch.rand(1, 3, 16, 24))


def run_in(folder: Path, photos: Path, text: str) -> Run:
    (folder / "tiny.toml").write_text(text)
    return Run(load_recipe(str(folder / "tiny.toml")), folder / "run", photos)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("per-image", "made a map of 4 where a scalar was due"),
        ("numb", "failed in use (RuntimeError: element 0 of tensors does not require grad"),
    ],
)
def test_a_loss_that_cannot_be_trained_by_is_named(
    odd: Path, photos: Path, tmp_path: Path, name: str, said: str
) -> None:
    run = run_in(tmp_path, photos, RECIPE.replace("prior = { l1 = 1.0 }", f'prior = {{ "{name}" = 1.0 }}'))
    with pytest.raises(BrokenPluginError) as caught:
        run.run(lambda report: None)
    assert f"loss srzoo-odd:{name} {said}" in str(caught.value)


def test_a_latent_whose_further_loss_is_no_scalar_is_named(odd: Path, photos: Path, tmp_path: Path) -> None:
    latent = 'latent = { name = "conditional", channels = 2, width = 8 }'
    assert latent in RECIPE
    text = RECIPE.replace(latent, 'latent = { name = "adds" }').replace(", kl = 0.01", "")
    with pytest.raises(BrokenPluginError, match="latent srzoo-odd:adds made a map of 4 where a scalar was due"):
        run_in(tmp_path, photos, text).run(lambda report: None)


def test_a_discriminator_that_mixes_images_is_named(odd: Path, photos: Path, tmp_path: Path) -> None:
    changed = RECIPE.replace('{ name = "unet", width = 4, levels = 2 }', '{ name = "single" }')
    run = run_in(tmp_path, photos, changed)
    with pytest.raises(BrokenPluginError, match=r"discriminator srzoo-odd:single made a map of 1x1x14x14 for 4 images"):
        run.run(lambda report: None)


def test_a_loss_that_fails_while_training_ends_the_command_with_its_name(
    odd: Path, photos: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.replace("prior = { l1 = 1.0 }", 'prior = { "fails" = 1.0 }'))
    line = ["train", recipe, "--data", photos, "--output", tmp_path / "run", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "srzoo", *map(str, line)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(odd), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "loss srzoo-odd:fails failed in use (ValueError: my bug at site/odd_parts.py:" in error
    assert error.endswith(": see: srzoo check loss srzoo-odd:fails")
