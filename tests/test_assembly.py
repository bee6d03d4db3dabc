"""Every part fits every other; what flows through an assembled network does not depend on how it was cut or padded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.assembly import build_discriminator, build_model
from srzoo.config import ModelConfig, preset
from srzoo.model import SRModel
from srzoo.registry import REGISTRY

SMALL: dict[str, dict[str, Mapping[str, Any]]] = {
    "pre_encoder": {
        "identity": {},
        "conv": {"widths": [8, 12]},
        "residual": {"width": 12, "blocks": 1},
        "unshuffle": {"width": 12},
        "wavelet": {"width": 12},
        "fourier": {"width": 12, "octaves": 1},
        "denoise": {"width": 12, "depth": 2},
        "large-kernel": {"width": 12, "inner": 8, "blocks": 1},
    },
    "encoder": {
        "strided": {"widths": [12, 16], "blocks": 1},
        "pooled": {"widths": [12, 16], "convolutions": 1},
        "resnet": {"widths": [12, 16], "blocks": 1},
        "edsr": {"width": 12, "blocks": 1},
        "rrdb": {"width": 12, "blocks": 1, "growth": 4},
        "swin": {"width": 12, "groups": 1, "depth": 2, "window": 4, "heads": 2},
        "naf": {"width": 12, "blocks": 1, "reach": 2},
        "blueprint": {"width": 12, "blocks": 1},
        "timm/resnet18": {"depth": 3},
        "timm/convnext_atto": {"depth": 2},
    },
    "latent": {
        "identity": {},
        "gaussian": {"channels": 6},
        "conditional": {"channels": 6, "width": 8},
        "hierarchical": {"channels": 4, "coarse_channels": 4, "width": 8},
    },
    "decoder": {
        "deconv": {"widths": [8, 12], "blocks": 1, "fine_width": 6},
        "shuffle": {"widths": [8, 12], "blocks": 1, "fine_width": 6},
        "dense": {"widths": [8, 12], "growth": 4, "layers": 2, "fine_width": 6},
        "attn": {"widths": [8, 12], "blocks": 2, "fine_width": 6, "window": 4, "heads": 2},
        "rcan": {"widths": [8, 12], "blocks": 1, "fine_width": 6, "reduction": 2, "reach": 2},
        "implicit": {"widths": [8, 12], "blocks": 1, "code": 8},
    },
}
"""srzoo's own parts, and two backbones, with options that keep them small."""

SCALES = (2, 3, 4, 8)
SIZES = ((33, 50), (1, 1), (7, 130))
SWITCHES = list(itertools.product(SCALES, (True, False)))
PARTS = list(itertools.product(*SMALL.values()))


def assemble(names: tuple[str, ...], scale: int, skips: bool, device: str = "cpu") -> SRModel:
    parts = {kind: {"name": name, **options[name]} for (kind, options), name in zip(SMALL.items(), names, strict=True)}
    config = ModelConfig.parse({"scale": scale, "skips": skips, "discriminator": "patch", **parts})
    return build_model(config, device=device)


def check_shape(model: SRModel, size: tuple[int, int]) -> None:
    with torch.no_grad():
        sr = model(torch.empty(2, 3, *size, device="meta")).sr
    assert sr.shape == (2, 3, size[0] * model.scale, size[1] * model.scale)


def test_small_names_every_part_of_srzoo() -> None:
    for kind, parts in SMALL.items():
        own = {ref.name for ref in REGISTRY.parts(kind) if ref.distribution == "srzoo"}
        assert own == {name.partition("/")[0] for name in parts}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", SMALL["encoder"])
def test_every_combination_of_parts_fits(encoder: str) -> None:
    """Each with two of the eight pairs of scale and skips; neighbours in the product get other ones."""
    numbered = [(index, names) for index, names in enumerate(PARTS) if names[1] == encoder]
    assert len(numbered) * len(SMALL["encoder"]) == len(PARTS)
    for index, names in numbered:
        for which in (index % len(SWITCHES), (3 * index + 4) % len(SWITCHES)):
            model = assemble(names, *SWITCHES[which], device="meta").eval()
            check_shape(model, SIZES[(index + which) % len(SIZES)])


def pairwise_cover(choices: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Few rows, one of each list per row, in which every pair of two lists' entries stands in one row at least.

    Greedy: each row starts from a pair that is missing, and takes from every other list what adds most of them, of
    equals what was taken least.
    """
    spots = [[(index, entry) for entry in entries] for index, entries in enumerate(choices)]
    missing = dict.fromkeys(pair for two in itertools.combinations(spots, 2) for pair in itertools.product(*two))
    taken: Counter[tuple[int, Any]] = Counter()

    def worth(spot: tuple[int, Any], row: dict[int, Any]) -> tuple[int, int]:
        pairs = (tuple(sorted((spot, other), key=lambda each: each[0])) for other in row.items())
        return sum(pair in missing for pair in pairs), -taken[spot]

    while missing:
        row = dict(next(iter(missing)))
        for index in sorted(set(range(len(choices))) - set(row), key=lambda index: -len(choices[index])):
            row[index] = max(choices[index], key=lambda entry: worth((index, entry), row))
        taken.update(row.items())
        for pair in itertools.combinations(sorted(row.items()), 2):
            missing.pop(pair, None)
        yield tuple(row[index] for index in range(len(choices)))


FACTORS: list[list[Any]] = [*map(list, SMALL.values()), list(SCALES), [True, False], list(SIZES)]
COVER = list(pairwise_cover(FACTORS))


def test_the_cover_holds_every_pair() -> None:
    for a, b in itertools.combinations(range(len(FACTORS)), 2):
        assert {(row[a], row[b]) for row in COVER} == set(itertools.product(FACTORS[a], FACTORS[b]))
    assert len(COVER) < 2 * len(SMALL["encoder"]) * len(SMALL["pre_encoder"])


@pytest.mark.parametrize("row", COVER, ids=lambda row: "-".join(map(str, row)))
def test_real_numbers_forward_and_backward(row: tuple[Any, ...]) -> None:
    *names, scale, skips, size = row
    model = assemble(tuple(names), scale, skips)
    hr = torch.rand(2, 3, 9 * scale, 20 * scale)
    out = model(torch.rand(2, 3, 9, 20), hr=hr, noise=noise_for(model, 2, (9, 20)))
    assert out.sr.shape == hr.shape
    assert bool(out.prior) == bool(model.noise_specs) == bool(out.posterior)
    loss = (out.sr - hr).abs().mean()
    for gaussian in (*out.prior, *out.posterior):
        loss = loss + gaussian.mean.square().mean() + gaussian.log_variance.square().mean()
    loss.backward()
    assert torch.isfinite(out.sr).all()
    without = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []
    with torch.no_grad():
        sr = model.eval()(torch.rand(1, 3, *size)).sr
    assert sr.shape == (1, 3, size[0] * scale, size[1] * scale) and torch.isfinite(sr).all()


def noise_for(model: SRModel, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
    return tuple(each.expand(batch, -1, -1, -1) for each in model.noise(*size, seed=5))


def test_every_size_gives_exactly_scale_times_it() -> None:
    model = build_model(preset("reference"), device="meta").eval()
    multiple = model.multiple
    for height, width in [*itertools.product(range(1, 41), repeat=2), (511, 37)]:
        padded = model.padded_size(height, width)
        for size, size_padded in zip((height, width), padded, strict=True):
            assert size <= size_padded < size + multiple and size_padded % multiple == 0
    for size in [*((n, 41 - n) for n in range(1, 41)), *((n, n) for n in (1, 15, 16, 17, 40)), (511, 37)]:
        check_shape(model, size)


@pytest.mark.slow
def test_every_size_up_to_40_runs() -> None:
    model = build_model(preset("reference"), device="meta").eval()
    for size in itertools.product(range(1, 41), repeat=2):
        check_shape(model, size)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (16, 17), (3, 40), (33, 16)])
def test_padding_is_replication_and_crop_and_nothing_else(reference: SRModel, height: int, width: int) -> None:
    lr = torch.rand(1, 3, height, width)
    rows, columns = reference.padded_size(height, width)
    padded = F.pad(lr, (0, columns - width, 0, rows - height), mode="replicate")
    assert reference.base is not None
    with torch.no_grad():
        network = reference(lr).sr - reference.base(lr)
        of_padded = (reference(padded).sr - reference.base(padded))[..., : height * 4, : width * 4]
    assert network.abs().max() > 1e-3
    torch.testing.assert_close(network, of_padded, rtol=0, atol=1e-5)


def test_hr_is_padded_with_lr() -> None:
    model = assemble(("residual", "strided", "conditional", "shuffle"), 3, True).eval()
    lr, hr = torch.rand(1, 3, 5, 6), torch.rand(1, 3, 15, 18)
    with torch.no_grad():
        inside = model(lr, hr=hr).posterior[0].mean
        whole = model(F.pad(lr, (0, 2, 0, 3), mode="replicate"), hr=F.pad(hr, (0, 6, 0, 9), mode="replicate"))
    torch.testing.assert_close(inside, whole.posterior[0].mean)


def test_without_skips_all_passes_through_the_latent() -> None:
    lr = torch.rand(1, 3, 8, 8)
    for skips in (True, False):
        model = assemble(("residual", "strided", "gaussian", "shuffle"), 2, skips).eval()
        model.base = None
        with torch.no_grad():
            for value in model.latent.parameters():
                value.zero_()
            first, second = (model(x).sr for x in (lr, 1 - lr))
        assert torch.equal(first, second) is not skips


# The global generators belong to the caller.


def test_building_leaves_gpus_and_using_leaves_modes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seed: int) -> None:
        raise AssertionError("every GPU was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    model = build_model(preset("seed"))
    model.train()
    model.encoder.eval()
    before = [module.training for module in model.modules()]
    model.upscale(torch.rand(3, 8, 8))
    assert [module.training for module in model.modules()] == before and len(set(before)) == 2


def test_a_discriminator_trains_at_its_smallest_size() -> None:
    for options in ({"norm": True, "levels": 2}, {"norm": False, "levels": 2}):
        config = preset("seed", {"discriminator": {"name": "binary", **options}})
        judge = build_discriminator(config)
        (logits,) = judge.train()(torch.rand(1, 3, judge.min_size, judge.min_size))
        assert logits.isfinite().all()


def test_building_and_running_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    config = preset("reference", {"encoder": {"name": "timm/resnet18", "depth": 2}})
    model = build_model(config, seed=3)
    build_discriminator(config, seed=3)
    model(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), noise=model.noise(8, 8))
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = build_model(preset("reference"), seed=7).state_dict()
    torch.manual_seed(2)
    again, other = (build_model(preset("reference"), seed=seed).state_dict() for seed in (7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
