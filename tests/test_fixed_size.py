"""Encoders that take one size only: the model pads what is smaller and blends tiles of what is larger."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.assembly import build_model
from srzoo.config import preset
from srzoo.model import SRModel
from srzoo.scale import Scale, scaled
from srzoo.tiling import blended, fitted

STRIDES = [Fraction(2), Fraction(4)]


@pytest.mark.parametrize("size", [(16, 24), (4, 8), (12, 60), (40, 20), (52, 100), (64, 4)])
def test_what_each_position_sees_of_itself_is_the_same_in_every_tile(size: tuple[int, int]) -> None:
    seen = set()

    def encode(tile: Tensor) -> tuple[Tensor, ...]:
        seen.add(tuple(tile.shape))
        return F.avg_pool2d(tile, 2), F.avg_pool2d(tile, 4).repeat(1, 2, 1, 1)

    features = torch.rand(2, 3, *size)
    maps = blended(encode, features, (16, 24), STRIDES)
    expected = F.avg_pool2d(features, 2), F.avg_pool2d(features, 4).repeat(1, 2, 1, 1)
    assert seen == {(2, 3, 16, 24)}
    for each, wanted in zip(maps, expected, strict=True):
        torch.testing.assert_close(each, wanted)


@pytest.mark.parametrize("scale", [Fraction(5, 2), Fraction(3, 2), 4])
@pytest.mark.parametrize("side", [16, 15])
@pytest.mark.parametrize("size", [(33, 31), (101, 120), (16, 15), (9, 40)])
def test_a_fixed_size_is_enlarged_whole_at_any_scale(size: tuple[int, int], side: int, scale: Scale) -> None:
    def enlarge(tile: Tensor) -> Tensor:
        assert tile.shape[-2:] == (side, side)
        return torch.ones(1, 3, scaled(side, scale), scaled(side, scale))

    whole = fitted(enlarge, torch.rand(1, 3, *size), scale, 1, (side, side))
    assert whole.shape[-2:] == tuple(scaled(length, scale) for length in size)
    torch.testing.assert_close(whole, torch.ones_like(whole))


@pytest.mark.parametrize("length", [36, 56, 130])
def test_tiles_fade_over_into_one_another(length: int) -> None:
    values = iter([0.0, 1.0] * 10)

    def encode(tile: Tensor) -> tuple[Tensor, ...]:
        return (torch.full_like(tile, next(values)),)

    (faded,) = blended(encode, torch.zeros(1, 1, 32, length), (32, 32), [Fraction(1)])
    assert faded.min() == 0 and faded.max() == 1
    assert faded.diff(dim=-1).abs().max() <= 1 / 8 + 1e-6 and faded.diff(dim=-2).abs().max() < 1e-6


@pytest.fixture(scope="module")
def model() -> SRModel:
    """The reference with an encoder that takes 64x64 pixels and nothing else, of strides 16 and 32."""
    encoder = {"name": "timm/levit_128s", "size": 64, "depth": 2}
    return build_model(preset("reference", {"encoder": encoder, "decoder": "shuffle"}), seed=1).eval()


def test_any_size_is_enlarged(model: SRModel) -> None:
    assert model.encoder.fixed_size == (64, 64) and model.multiple == 32
    for height, width in ((1, 1), (64, 64), (9, 70), (97, 65)):
        lr = torch.rand(3, height, width)
        assert model.upscale(lr, temperature=1.0).shape == (3, 4 * height, 4 * width)


def test_a_small_image_is_padded_by_replication_for_the_encoder_alone(model: SRModel) -> None:
    lr = torch.rand(1, 3, 32, 32)
    seen = []
    handle = model.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        first = model.pre_encoder(lr)
        model(lr)
    handle.remove()
    assert len(seen) == 1 and torch.equal(seen[0], F.pad(first, (0, 32, 0, 32), mode="replicate"))
    assert [each.shape[-2:] for each in model.noise(32, 32)] == [(1, 1)]


def test_training_sees_hr_and_noise_at_any_size(model: SRModel) -> None:
    lr, hr = torch.rand(2, 3, 70, 40), torch.rand(2, 3, 280, 160)
    noise = tuple(each.expand(2, -1, -1, -1) for each in model.noise(70, 40))
    out = model.train()(lr, hr, noise)
    model.eval()
    assert out.posterior[0].mean.shape == noise[0].shape == (2, 16, 3, 2)
    (out.sr.mean() + out.posterior[0].mean.mean() + out.posterior[0].log_variance.mean()).backward()
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    assert any(name.startswith("encoder.") for name in trained)
    assert [name for name, each in trained.items() if each.grad is None] == []
