"""Each part does what it declares, alone."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest
import torch
from parts import make, own
from torch import Tensor

from srzoo.contracts import Decoder, Discriminator, Encoder, Latent, PreEncoder, Upscaler
from srzoo.noise import position_noise
from srzoo.spec import Spec, prime_factors, resampling_steps

TARGET = Spec(3, Fraction(1, 3))


def encoder_names() -> list[str]:
    return [*(name for name in own("encoder") if name != "timm"), "timm/resnet18", "timm/convnext_atto"]


def size_of(part: Any, factors: tuple[int, int] = (3, 2)) -> tuple[int, int]:
    """A size that is not square, and no larger than the part's ``multiple_of`` asks for."""
    return part.multiple_of * factors[0], part.multiple_of * factors[1]


STRIDES = {"3": (Spec(5), Spec(6, Fraction(2)), Spec(7, Fraction(4))), "1": (Spec(7, Fraction(4)),)}
"""What decoders are handed: with skips and without."""


def stage_names() -> list[str]:
    names = {"pre_encoder": own("pre_encoder"), "encoder": encoder_names(), "latent": own("latent")}
    names["decoder"] = [f"{name} of {count}" for name in own("decoder") for count in STRIDES]
    return [f"{kind} {name}" for kind, found in names.items() for name in found]


@cache
def stage(title: str) -> tuple[Any, tuple[Any, ...], tuple[Spec, ...]]:
    """A stage with input at its smallest sizes: the part, its inputs, and the specs of its outputs."""
    kind, name, *rest = title.split()
    generator = torch.Generator().manual_seed(0)

    def maps(specs: tuple[Spec, ...], height: int, width: int) -> tuple[Tensor, ...]:
        return tuple(torch.rand(2, each.channels, *each.size(height, width), generator=generator) for each in specs)

    if kind == "decoder":
        specs = STRIDES[rest[-1]]
        part = make(kind, name, specs, TARGET).eval()
        return part, (maps(specs, *(4 * side for side in size_of(part))),), (TARGET,)
    if kind == "latent":
        spec = Spec(10, Fraction(2))
        part = make(kind, name, spec, TARGET).eval()
        height, width = (2 * side for side in size_of(part))
        features, hr = maps((spec, TARGET), height, width)
        return part, (features, hr, maps(part.noise_specs, height, width)), (part.out_spec,)
    spec = Spec(3) if kind == "pre_encoder" else Spec(10)
    part = make(kind, name, spec).eval()
    return part, maps((spec,), *size_of(part)), (part.out_spec,) if kind == "pre_encoder" else part.out_specs


def outputs(part: Any, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    with torch.no_grad():
        out = part(*inputs)
    if isinstance(part, Latent):
        return (out.z,)
    return out if isinstance(out, tuple) else (out,)


def changed(inputs: tuple[Any, ...], change: Any) -> tuple[Any, ...]:
    return tuple(changed(each, change) if isinstance(each, tuple) else change(each) for each in inputs)


BASES = {"pre_encoder": PreEncoder, "encoder": Encoder, "latent": Latent, "decoder": Decoder}
each_stage = pytest.mark.parametrize("name", stage_names())


@each_stage
def test_maps_are_what_the_part_declares(name: str) -> None:
    part, inputs, specs = stage(name)
    assert isinstance(part, BASES[name.split()[0]])
    first = inputs[0][-1] if isinstance(part, Decoder) else inputs[0]
    stride = {"latent": 2, "decoder": 4}.get(name.split()[0], 1)
    height, width = (side * stride for side in first.shape[-2:])
    found = [tuple(each.shape) for each in outputs(part, inputs)]
    assert found == [(2, spec.channels, *spec.size(height, width)) for spec in specs]
    assert all(torch.isfinite(each).all() for each in outputs(part, inputs))


@each_stage
def test_evaluation_is_deterministic_and_looks_at_one_image_at_a_time(name: str) -> None:
    part, inputs, _ = stage(name)
    whole = outputs(part, inputs)
    assert all(torch.equal(a, b) for a, b in zip(whole, outputs(part, inputs), strict=True))
    alone = outputs(part, changed(inputs, lambda x: x[1:]))
    for a, b in zip(whole, alone, strict=True):
        torch.testing.assert_close(a[1:], b, rtol=1e-4, atol=1e-5)


@each_stage
def test_memory_layout_changes_nothing(name: str) -> None:
    part, inputs, _ = stage(name)
    last = outputs(part, changed(inputs, lambda x: x.contiguous(memory_format=torch.channels_last)))
    for a, b in zip(outputs(part, inputs), last, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@each_stage
def test_evaluation_draws_no_random_numbers_and_changes_no_input(name: str) -> None:
    part, inputs, _ = stage(name)
    kept = changed(inputs, torch.clone)
    before = torch.get_rng_state()
    outputs(part, inputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(_flat(kept), _flat(inputs))


def _flat(inputs: tuple[Any, ...]) -> Tensor:
    values = [_flat(each) if isinstance(each, tuple) else each.flatten() for each in inputs]
    return torch.cat(values) if values else torch.empty(0)


@pytest.mark.parametrize("name", own("latent"))
def test_noise_moves_z_and_none_means_the_mean(name: str) -> None:
    latent, (features, hr, noise), _ = stage(f"latent {name}")
    plain, zero = latent(features), latent(features, noise=tuple(torch.zeros_like(each) for each in noise))
    assert torch.equal(plain.z, zero.z)
    assert torch.equal(latent(features, noise=noise).z, plain.z) is not bool(latent.noise_specs)
    shapes = [
        (2, spec.channels, *spec.size(*(2 * side for side in features.shape[-2:]))) for spec in latent.noise_specs
    ]
    assert [tuple(each.mean.shape) for each in latent(features, hr).posterior] == shapes
    assert [tuple(each.log_variance.shape) for each in plain.prior] == shapes


def test_conditional_posterior_sees_hr_and_the_prior_does_not() -> None:
    latent, (features, hr, _), _ = stage("latent conditional")
    one, two = latent(features, hr), latent(features, 1 - hr * hr)
    assert torch.equal(one.prior[0].mean, two.prior[0].mean)
    assert not torch.equal(one.posterior[0].mean, two.posterior[0].mean)
    assert latent(features).posterior == ()


# Discriminators and upscalers.


@pytest.mark.parametrize("name", own("discriminator"))
def test_discriminators_judge_every_size_from_their_smallest_on(name: str) -> None:
    part = make("discriminator", name, TARGET).eval()
    assert isinstance(part, Discriminator)
    least = part.min_size
    for height, width in ((least, least), (least, 2 * least + 1), (least + 7, least + 3), (97, least)):
        image = torch.rand(2, 3, height, width, requires_grad=True)
        logits = part(image)
        assert isinstance(logits, tuple) and logits
        assert all(each.shape[0] == 2 and each.numel() and torch.isfinite(each).all() for each in logits)
        sum(each.sum() for each in logits).backward()
        assert image.grad is not None and image.grad.abs().sum() > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in part.parameters())


@pytest.mark.parametrize("options", [{"levels": 1}, {"levels": 5}])
@pytest.mark.parametrize("name", own("discriminator"))
def test_the_smallest_size_is_honest_for_other_depths(name: str, options: dict[str, Any]) -> None:
    part = make("discriminator", name, TARGET, width=2, **options).eval()
    assert all(each.numel() for each in part(torch.rand(1, 3, part.min_size, part.min_size)))


def test_unet_is_shown_detail_beside_the_image() -> None:
    shown: list[Tensor] = []
    part = make("discriminator", "unet", TARGET, levels=1, spectral=False, detail=4.0)
    part.first.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    image = torch.rand(1, 3, 12, 14)
    flat = torch.full((1, 3, part.min_size, part.min_size), 0.3)
    for each in (image, flat):
        part(each)
    assert torch.equal(shown[0][:, :3], image * 2 - 1)
    blocks = shown[0][:, 3:, :, :12].unfold(2, 4, 4).unfold(3, 4, 4)
    assert blocks.std(dim=(-1, -2)).mean() > 0.5 and blocks.mean().abs() < 0.2
    assert shown[1][:, 3:].abs().max() < 1e-6
    assert not any("parametrizations" in name for name, _ in part.named_parameters())


@pytest.mark.parametrize("name", own("upscaler"))
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_upscalers_enlarge_by_their_scale_and_keep_a_flat_image(name: str, scale: int) -> None:
    part = make("upscaler", name, scale)
    assert isinstance(part, Upscaler) and part.scale == scale
    out = part(torch.full((1, 3, 5, 7), 0.25))
    assert out.shape == (1, 3, 5 * scale, 7 * scale)
    torch.testing.assert_close(out, torch.full_like(out, 0.25), rtol=0, atol=1e-6)


# Strides.


@pytest.mark.parametrize(("number", "factors"), [(1, []), (2, [2]), (56, [7, 2, 2, 2]), (97, [97])])
def test_prime_factors(number: int, factors: list[int]) -> None:
    assert prime_factors(number) == factors


@pytest.mark.parametrize("target", [Fraction(1, 2), Fraction(1, 3), Fraction(1, 8)])
@pytest.mark.parametrize("strides", [(14, 28), (1, 3, 6), (2, 2, 4), (4,), (3, 12)])
@pytest.mark.parametrize("name", own("decoder"))
def test_decoders_take_strides_that_are_no_powers_of_two(name: str, strides: tuple[int, ...], target: Fraction) -> None:
    specs = tuple(Spec(4, Fraction(stride)) for stride in strides)
    with torch.device("meta"):
        part = make("decoder", name, specs, Spec(3, target))
        side = part.multiple_of * strides[-1]
        out = part(tuple(torch.empty(1, 4, side // stride, 2 * side // stride) for stride in strides))
    assert out.shape == (1, 3, side / target, 2 * side / target)
    assert resampling_steps(Fraction(strides[-1]), target)[1] == []


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_shuffle_ends_on_a_convolution_at_full_size_where_asked(factor: int) -> None:
    part = make("decoder", "shuffle", (Spec(4),), Spec(3, Fraction(1, factor)), full_size=True)
    last = [module for module in part.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    seen: list[Any] = []
    last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    image = part((torch.rand(1, 4, 6, 5),))
    assert last.kernel_size == (3, 3) and last.out_channels == 3 and torch.equal(seen[0], image)
    assert image.shape == (1, 3, 6 * factor, 5 * factor)


# Noise.


def test_noise_is_standard_normal() -> None:
    noise = position_noise(16, 128, 96, seed=3, sample=0)
    assert noise.shape == (1, 16, 128, 96)
    assert abs(noise.mean()) < 0.01 and abs(noise.var() - 1) < 0.02
    assert abs((noise**3).mean()) < 0.03 and abs((noise**4).mean() - 3) < 0.1
    assert (noise.mean(dim=(2, 3)).abs() < 0.05).all() and ((noise.var(dim=(2, 3)) - 1).abs() < 0.1).all()


def test_noise_is_independent_between_everything_that_names_it() -> None:
    def drawn(**changes: Any) -> Tensor:
        return position_noise(1, 128, 128, **{"seed": 3, "sample": 0, **changes}).flatten()

    channels = position_noise(3, 128, 128, seed=3, sample=0)[0].flatten(1)
    square = channels[0].view(128, 128)
    others = [
        drawn(seed=4), drawn(seed=-3), drawn(sample=1), drawn(sample=2), drawn(seed=4, sample=1),
        drawn(origin=(128, 0)), drawn(origin=(0, 128)), drawn(seed=2**40), channels[1], channels[2],
        square.roll(1, 0).flatten(), square.roll(1, 1).flatten(), square.T.flatten(),
    ]  # fmt: skip
    rows = torch.stack([channels[0], *others])
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert correlation.abs().max() < 0.04
    squares = torch.corrcoef(rows**2) - torch.eye(len(rows))
    assert squares.abs().max() < 0.04


def test_noise_of_a_tile_is_a_piece_of_the_whole() -> None:
    whole = position_noise(4, 40, 60, seed=9, sample=2)
    tile = position_noise(4, 11, 13, seed=9, sample=2, origin=(20, 33))
    assert torch.equal(tile, whole[..., 20:31, 33:46])
