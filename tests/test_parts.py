"""Each part does what it declares, alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from srzoo.contracts import Decoder, Discriminator, Encoder, Latent, PreEncoder, Upscaler
from srzoo.errors import FetchError, OptionError, SrzooError
from srzoo.noise import position_noise
from srzoo.options import construct_kwargs, resolve
from srzoo.registry import REGISTRY
from srzoo.spec import Spec, prime_factors, resampling_steps

TARGET = Spec(3, Fraction(1, 3))


def make(kind: str, name: str, *given: Any, seed: int = 0, **options: Any) -> Any:
    """A part with fresh weights that depend on the seed alone."""
    part = REGISTRY.resolve(kind, name)
    cls = part.ref.load()
    if part.variant is not None:
        options["variant"] = part.variant
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(*given, **construct_kwargs(cls, resolve(cls, options, name), name))


def own(kind: str) -> list[str]:
    return [ref.name for ref in REGISTRY.parts(kind) if ref.distribution == "srzoo"]


def encoder_names() -> list[str]:
    return [*(name for name in own("encoder") if name != "timm"), "timm/resnet18", "timm/convnext_atto"]


def size_of(part: Any, factors: tuple[int, int] = (3, 2)) -> tuple[int, int]:
    """A size that is not square, and no larger than the part's ``multiple_of`` asks for."""
    return part.multiple_of * factors[0], part.multiple_of * factors[1]


def stages() -> Iterator[tuple[str, Any, tuple[Any, ...], tuple[Spec, ...]]]:
    """Every stage with input at its smallest sizes: name, part, inputs, and the specs of the outputs."""
    generator = torch.Generator().manual_seed(0)

    def maps(specs: tuple[Spec, ...], height: int, width: int) -> tuple[Tensor, ...]:
        return tuple(torch.rand(2, each.channels, *each.size(height, width), generator=generator) for each in specs)

    for name in own("pre_encoder"):
        part = make("pre_encoder", name, Spec(3)).eval()
        yield f"pre_encoder {name}", part, maps((Spec(3),), *size_of(part)), (part.out_spec,)
    for name in encoder_names():
        part = make("encoder", name, Spec(10)).eval()
        yield f"encoder {name}", part, maps((Spec(10),), *size_of(part)), part.out_specs
    for name in own("latent"):
        spec = Spec(10, Fraction(2))
        part = make("latent", name, spec, TARGET).eval()
        height, width = size_of(part)
        features, hr = maps((spec, TARGET), 2 * height, 2 * width)
        yield f"latent {name}", part, (features, hr, maps(part.noise_specs, 2 * height, 2 * width)), (part.out_spec,)
    for name in own("decoder"):
        for specs in ((Spec(5), Spec(6, Fraction(2)), Spec(7, Fraction(4))), (Spec(7, Fraction(4)),)):
            part = make("decoder", name, specs, TARGET).eval()
            height, width = (4 * side for side in size_of(part))
            yield f"decoder {name} of {len(specs)}", part, (maps(specs, height, width),), (TARGET,)


def outputs(part: Any, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    with torch.no_grad():
        out = part(*inputs)
    if isinstance(part, Latent):
        return (out.z,)
    return out if isinstance(out, tuple) else (out,)


def changed(inputs: tuple[Any, ...], change: Any) -> tuple[Any, ...]:
    return tuple(changed(each, change) if isinstance(each, tuple) else change(each) for each in inputs)


STAGES = {name: (part, inputs, specs) for name, part, inputs, specs in stages()}
BASES = {"pre_encoder": PreEncoder, "encoder": Encoder, "latent": Latent, "decoder": Decoder}
each_stage = pytest.mark.parametrize("name", STAGES)


@each_stage
def test_maps_are_what_the_part_declares(name: str) -> None:
    part, inputs, specs = STAGES[name]
    assert isinstance(part, BASES[name.split()[0]])
    first = inputs[0][-1] if isinstance(part, Decoder) else inputs[0]
    stride = {"latent": 2, "decoder": 4}.get(name.split()[0], 1)
    height, width = (side * stride for side in first.shape[-2:])
    found = [tuple(each.shape) for each in outputs(part, inputs)]
    assert found == [(2, spec.channels, *spec.size(height, width)) for spec in specs]
    assert all(torch.isfinite(each).all() for each in outputs(part, inputs))


@each_stage
def test_evaluation_is_deterministic_and_looks_at_one_image_at_a_time(name: str) -> None:
    part, inputs, _ = STAGES[name]
    whole = outputs(part, inputs)
    assert all(torch.equal(a, b) for a, b in zip(whole, outputs(part, inputs), strict=True))
    alone = outputs(part, changed(inputs, lambda x: x[1:]))
    for a, b in zip(whole, alone, strict=True):
        torch.testing.assert_close(a[1:], b, rtol=1e-4, atol=1e-5)


@each_stage
def test_memory_layout_changes_nothing(name: str) -> None:
    part, inputs, _ = STAGES[name]
    last = outputs(part, changed(inputs, lambda x: x.contiguous(memory_format=torch.channels_last)))
    for a, b in zip(outputs(part, inputs), last, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@each_stage
def test_evaluation_draws_no_random_numbers_and_changes_no_input(name: str) -> None:
    part, inputs, _ = STAGES[name]
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
    latent, (features, hr, noise), _ = STAGES[f"latent {name}"]
    plain, zero = latent(features), latent(features, noise=tuple(torch.zeros_like(each) for each in noise))
    assert torch.equal(plain.z, zero.z)
    assert torch.equal(latent(features, noise=noise).z, plain.z) is not bool(latent.noise_specs)
    shapes = [
        (2, spec.channels, *spec.size(*(2 * side for side in features.shape[-2:]))) for spec in latent.noise_specs
    ]
    assert [tuple(each.mean.shape) for each in latent(features, hr).posterior] == shapes
    assert [tuple(each.log_variance.shape) for each in plain.prior] == shapes


def test_conditional_posterior_sees_hr_and_the_prior_does_not() -> None:
    latent, (features, hr, _), _ = STAGES["latent conditional"]
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


# timm.


CATALOGUE = REGISTRY.catalogue(REGISTRY.resolve("encoder", "timm").ref)
FAMILIES = (
    "resnet18", "resnext50_32x4d", "wide_resnet50_2", "resnetv2_50", "convnext_atto", "convnextv2_atto", "densenet121",
    "efficientnet_b0", "tf_efficientnetv2_b0", "mobilenetv2_050", "mobilenetv3_small_050", "mobilenetv4_conv_small",
    "regnetx_002", "vgg11", "hrnet_w18_small", "repvgg_a0", "ghostnet_050", "mnasnet_050", "fbnetc_100",
    "edgenext_xx_small", "poolformer_s12", "pvt_v2_b0",
)  # fmt: skip


def check_variant(entry: dict[str, Any], depth: int = 0) -> None:
    with torch.device("meta"), torch.no_grad():
        part = make("encoder", f"timm/{entry['variant']}", Spec(8, Fraction(2)), depth=depth).eval()
        maps = part(torch.empty(1, 8, part.multiple_of, 2 * part.multiple_of))
    levels = depth or len(entry["strides"])
    specs = [Spec(c, Fraction(2 * s)) for c, s in zip(entry["channels"], entry["strides"], strict=True)]
    assert list(part.out_specs) == specs[:levels]
    size = 2 * part.multiple_of, 4 * part.multiple_of
    assert [tuple(each.shape[1:]) for each in maps] == [(spec.channels, *spec.size(*size)) for spec in specs[:levels]]


def test_the_catalogue_has_the_usual_families() -> None:
    variants = [entry["variant"] for entry in CATALOGUE]
    assert set(FAMILIES) <= set(variants)
    assert variants == sorted(set(variants), key=variants.index) and len(variants) > 300
    for entry in CATALOGUE:
        assert entry["params"] > 0 and len(entry["strides"]) == len(entry["channels"])
        assert entry["strides"] == sorted(entry["strides"]) and entry["strides"][0] < entry["strides"][-1]


@pytest.mark.parametrize("variant", FAMILIES)
def test_backbones_are_what_the_catalogue_says(variant: str) -> None:
    entry = next(entry for entry in CATALOGUE if entry["variant"] == variant)
    check_variant(entry)
    check_variant(entry, depth=2)


@pytest.mark.slow
@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry["variant"])
def test_every_backbone_is_what_the_catalogue_says(entry: dict[str, Any]) -> None:
    check_variant(entry)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("vit_tiny_patch16_224", ["'vit_tiny_patch16_224'", "fixed input size", "srzoo list encoders --family timm"]),
        ("convmixer_768_32", ["'convmixer_768_32'", "shrink from level to level", "--family timm"]),
        ("convnext_tinny", ["'convnext_tinny'", "did you mean 'convnext_tiny'?", "--family timm"]),
    ],
)
def test_other_backbones_are_refused(variant: str, words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        make("encoder", f"timm/{variant}", Spec(3))
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words)


def test_more_levels_than_a_backbone_has_are_refused() -> None:
    with pytest.raises(OptionError, match="resnet18 has 5 levels, not 6"):
        make("encoder", "timm/resnet18", Spec(3), depth=6)


def test_a_frozen_backbone_stays_as_it_is() -> None:
    part = make("encoder", "timm/resnet18", Spec(8), depth=2, frozen=True)
    part.train()
    assert part.training and not any(module.training for module in part.backbone.modules())
    before = {name: value.clone() for name, value in part.state_dict().items()}
    features = torch.rand(2, 8, 32, 32, requires_grad=True)
    part(features)[-1].sum().backward()
    assert features.grad is not None and features.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in part.parameters())
    assert all(torch.equal(before[name], value) for name, value in part.state_dict().items())
    assert make("encoder", "timm/resnet18", Spec(8), depth=2).train().backbone.bn1.training


def test_rgb_is_normalised_as_the_backbone_was_trained() -> None:
    part = make("encoder", "timm/resnet18", Spec(3), depth=1).eval()
    image = torch.rand(1, 3, 32, 32)
    mean, deviation = (torch.tensor(timm.get_pretrained_cfg("resnet18").to_dict()[key]) for key in ("mean", "std"))
    normalised = (image - mean.view(-1, 1, 1)) / deviation.view(-1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(part(image)[0], part.backbone(normalised)[0])


@pytest.mark.parametrize("channels", [3, 7])
def test_pretrained_weights_are_read_from_a_folder(channels: int, tmp_path: Path, monkeypatch: Any) -> None:
    trained = timm.create_model("resnet10t")
    save_file(trained.state_dict(), tmp_path / "timm_resnet10t.safetensors")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    part = make("encoder", "timm/resnet10t", Spec(channels), seed=1, pretrained=True)
    found, source = part.backbone.state_dict(), trained.state_dict()
    same = {name for name in found if name in source and torch.equal(found[name], source[name])}
    assert set(found) - same == (set() if channels == 3 else {"conv1.0.weight"})
    repeated = source["conv1.0.weight"].repeat(1, 3, 1, 1)[:, :channels] * 3 / channels
    torch.testing.assert_close(found["conv1.0.weight"], repeated)


def test_weights_that_cannot_be_had_end_in_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    (tmp_path / "timm_resnet10t.safetensors").write_bytes(b"cut short")
    with pytest.raises(FetchError) as caught:
        make("encoder", "timm/resnet10t", Spec(3), pretrained=True)
    message = str(caught.value)
    assert "\n" not in message and "timm/resnet10t" in message and "timm_resnet10t.safetensors" in message

    def unreachable(*arguments: Any, **options: Any) -> nn.Module:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(FetchError, match=r"timm/resnet18.*couldn't connect to the hub"):
        make("encoder", "timm/resnet18", Spec(3), pretrained=True)


def test_a_backbone_without_weights_says_so() -> None:
    variant = next(entry["variant"] for entry in CATALOGUE if not timm.is_model_pretrained(entry["variant"]))
    with pytest.raises(SrzooError, match=f"timm has no weights of encoder timm/{variant}"):
        make("encoder", f"timm/{variant}", Spec(3), pretrained=True)


def test_on_the_meta_device_nothing_is_fetched(monkeypatch: Any) -> None:
    monkeypatch.setattr(timm.models._builder, "load_pretrained", lambda *a, **k: pytest.fail("fetched"))
    with torch.device("meta"):
        make("encoder", "timm/resnet18", Spec(3), pretrained=True)


def test_the_catalogue_is_one_variant_per_line() -> None:
    file = REGISTRY.resolve("encoder", "timm").ref.source_file()
    assert file is not None
    lines = file.with_suffix(".catalogue.json").read_text().splitlines()
    assert [json.loads(line.rstrip(","))["variant"] for line in lines[1:-1]] == [e["variant"] for e in CATALOGUE]
