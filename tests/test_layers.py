"""Building blocks that parts share, and parts whose meaning the generic tests cannot see."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from srzoo.errors import AssemblyError
from srzoo.layers import WindowAttention, block_detail, haar
from srzoo.registry import REGISTRY
from srzoo.spec import Spec


@pytest.fixture
def shifted() -> WindowAttention:
    torch.manual_seed(0)
    attention = WindowAttention(8, window=4, heads=2, shift=2).eval()
    torch.nn.init.normal_(attention.position_bias)
    return attention


@torch.inference_mode()
def test_shifted_windows_are_plain_windows_elsewhere(shifted: WindowAttention) -> None:
    plain = WindowAttention(8, window=4, heads=2).eval()
    plain.load_state_dict(shifted.state_dict())
    image = torch.rand(2, 8, 12, 8)
    torch.testing.assert_close(shifted(image)[..., 2:10, 2:6], plain(image[..., 2:10, 2:6]))


@torch.inference_mode()
def test_what_a_shift_wraps_around_is_not_seen(shifted: WindowAttention) -> None:
    image = torch.rand(1, 8, 12, 12)
    changed = image.clone()
    changed[..., 10:, :] += 1
    changed[..., :, 10:] += 1
    before, after = shifted(image), shifted(changed)
    assert torch.equal(before[..., :10, :10], after[..., :10, :10])
    assert not torch.equal(before[..., 10:, :10], after[..., 10:, :10])


def test_heads_must_divide_channels() -> None:
    with pytest.raises(AssemblyError, match="3 attention heads do not divide 8 channels"):
        WindowAttention(8, window=4, heads=3)


def test_the_haar_transform_loses_nothing_and_sorts_detail() -> None:
    image = torch.rand(2, 3, 6, 8)
    torch.testing.assert_close(haar(image).square().sum(), image.square().sum())
    flat, columns = torch.full((1, 1, 4, 4), 0.5), torch.tensor([0.0, 1.0]).repeat(4, 2)[None, None]
    assert haar(flat)[0, :, 0, 0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert haar(columns)[0, :, 0, 0].tolist() == [1.0, -1.0, 0.0, 0.0]


def test_block_detail_is_what_means_do_not_tell() -> None:
    image = torch.rand(1, 3, 8, 12)
    detail = block_detail(image, 4)
    assert detail.shape == (1, 48, 2, 3)
    shifted = image + torch.rand(1, 3, 2, 3).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(block_detail(shifted, 4), detail)


def test_the_fine_variable_depends_on_the_coarse_one() -> None:
    torch.manual_seed(0)
    latent = REGISTRY.resolve("latent", "hierarchical").ref.load()(Spec(6, 2), Spec(3, Fraction(1, 2)), width=8)
    features = torch.rand(1, 6, 8, 12)
    noise = [
        torch.randn(1, spec.channels, 16 // int(spec.stride), 24 // int(spec.stride)) for spec in latent.noise_specs
    ]
    mean, one, other = latent(features), latent(features, noise=noise), latent(features, noise=[-noise[0], noise[1]])
    assert not mean.posterior and [prior.mean.shape[-1] for prior in mean.prior] == [6, 12]
    assert torch.equal(one.prior[0].mean, other.prior[0].mean)
    assert not torch.equal(one.prior[1].mean, other.prior[1].mean)
    hr = torch.rand(1, 3, 32, 48)
    taught = latent(features, hr, noise)
    torch.testing.assert_close(taught.prior[0].mean, mean.prior[0].mean)
    assert len(taught.posterior) == 2 and not torch.equal(taught.posterior[0].mean, taught.prior[0].mean)


def test_denoising_takes_its_estimate_away() -> None:
    denoise = REGISTRY.resolve("pre_encoder", "denoise").ref.load()(Spec(3), width=4)
    seen: list[torch.Tensor] = []
    denoise.features.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.rand(1, 3, 5, 7)
    denoise(image)
    clean, noise = seen[0].chunk(2, dim=1)
    torch.testing.assert_close(clean + noise, image - 0.5)
    assert noise.abs().max() > 0
