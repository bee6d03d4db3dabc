"""Backbones of timm as encoders.

timm is imported in the tests and not above, because that takes seconds in every process that only collects them.
"""

from __future__ import annotations

import json
import logging
import shlex
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from command import srzoo
from parts import make
from safetensors.torch import load, save, save_file

from srzoo.errors import FetchError, OptionError, SrzooError
from srzoo.registry import REGISTRY
from srzoo.spec import Spec

CATALOGUE = REGISTRY.catalogue(REGISTRY.resolve("encoder", "timm").ref)
BY_NAME = {entry["variant"]: entry for entry in CATALOGUE}
QUICK = {
    "resnet18": "convolutions", "densenet121": "dense", "hrnet_w18_small": "branches", "pvt_v2_b0": "attention",
    "vit_tiny_patch16_224": "one stride; positions interpolated", "swin_tiny_patch4_window7_224": "rows first, windows",
    "convmixer_768_32": "stride 7", "levit_128s": "one size, stride 64", "pit_ti_224": "half a position at the border",
    "crossvit_tiny_240": "strides of 12 and 120/7", "csatv2": "colours only", "inception_v3": "lost borders",
}  # fmt: skip
"""Variants that are handled differently, and how."""
SLOW = (
    "convnext_atto", "resnetv2_50", "tf_efficientnetv2_b0", "mobilenetv3_small_050", "mobilenetv4_conv_small", "vgg11",
    "regnetx_002", "repvgg_a0", "ghostnet_050", "edgenext_xx_small", "poolformer_s12", "dla34", "nasnetalarge",
    "vit_small_patch14_dinov2", "beit_base_patch16_224", "eva02_tiny_patch14_224", "samvit_base_patch16_224",
    "naflexvit_base_patch16_gap", "gemma4_vit_167m_enc", "mixer_s32_224", "cait_xxs24_224", "coat_tiny", "volo_d1_224",
    "maxvit_tiny_tf_224", "coatnet_nano_rw_224", "gcvit_xtiny", "halonet26t", "botnet26t_256", "hiera_tiny_224",
    "nest_tiny_jx", "tnt_s_legacy_patch16_224", "twins_svt_small", "xcit_nano_12_p16_224", "efficientformer_l1",
    "efficientvit_m0", "sequencer2d_s", "swinv2_tiny_window8_256", "swinv2_cr_tiny_224", "mvitv2_tiny",
)  # fmt: skip


@pytest.fixture(scope="module")
def timm() -> ModuleType:
    return import_module("timm")


def size_of(part: Any, stride: int = 1) -> tuple[int, int]:
    """Height and width, in positions of features of that stride, that the part takes; not square where it may be."""
    if part.fixed_size is not None:
        return part.fixed_size[0] // stride, part.fixed_size[1] // stride
    return part.multiple_of, 2 * part.multiple_of


def check_variant(entry: dict[str, Any], depth: int = 0) -> None:
    with torch.device("meta"), torch.no_grad():
        part = make("encoder", f"timm/{entry['variant']}", Spec(8, Fraction(2)), depth=depth).eval()
        height, width = size_of(part, 2)
        maps = part(torch.empty(1, 8, height, width))
    levels = depth or len(entry["strides"])
    specs = [Spec(c, Fraction(2 * s)) for c, s in zip(entry["channels"], entry["strides"], strict=True)]
    assert list(part.out_specs) == specs[:levels]
    size = 2 * height, 2 * width
    assert [tuple(each.shape[1:]) for each in maps] == [(spec.channels, *spec.size(*size)) for spec in specs[:levels]]
    if part.fixed_size is None and not depth:
        assert part.multiple_of == entry["multiple"]


def test_the_catalogue_is_whole_and_sound(timm: ModuleType) -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert entry["params"] > 0 and len(entry["strides"]) == len(entry["channels"]) == len(entry["indices"])
        assert entry["strides"] == sorted(entry["strides"])
        if entry["fixed_size"]:
            assert not any(entry["fixed_size"] % stride for stride in entry["strides"])
    assert {stride for entry in CATALOGUE for stride in entry["strides"]} >= {2, 4, 8, 14, 16, 32, 64}
    assert set(QUICK) | set(SLOW) <= set(BY_NAME)
    if timm.__version__ == "1.0.31":
        assert set(timm.list_models()) == set(BY_NAME)


@pytest.mark.parametrize("variant", QUICK)
def test_backbones_are_what_the_catalogue_says(variant: str) -> None:
    check_variant(BY_NAME[variant])


@pytest.mark.slow
@pytest.mark.parametrize("variant", [*QUICK, *SLOW])
def test_every_depth_of_a_backbone_is_what_the_catalogue_says(variant: str) -> None:
    for depth in range(len(BY_NAME[variant]["strides"]) + 1):
        check_variant(BY_NAME[variant], depth)


@pytest.mark.parametrize(
    ("variant", "multiple"), [("resnet18", 4), ("halonet26t", 4), ("hrnet_w18_small", 32), ("vit_tiny_patch16_224", 16)]
)
def test_only_what_the_levels_in_use_need_is_padded(variant: str, multiple: int) -> None:
    with torch.device("meta"):
        part = make("encoder", f"timm/{variant}", Spec(8), depth=2)
    assert part.multiple_of == multiple


@pytest.mark.parametrize(
    ("variant", "depth"),
    [
        ("vit_tiny_patch16_224", 1), ("swin_tiny_patch4_window7_224", 1), ("csatv2", 1), ("inception_v3", 2),
        ("pit_ti_224", 1),
        pytest.param("crossvit_tiny_240", 2, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_maps_show_things_where_they_are(variant: str, depth: int) -> None:
    part = make("encoder", f"timm/{variant}", Spec(4), depth=depth).eval()
    height, width = part.fixed_size or (128, 192)
    draw = torch.Generator().manual_seed(0)
    plain = 0.5 + 0.01 * torch.rand(1, 4, height, width, generator=draw)
    for y, x in ((40, 140), (104, 24)):
        spot = plain.clone()
        spot[..., y - 2 : y + 2, x - 2 : x + 2] += 3
        with torch.no_grad():
            changes = [(a - b).abs().sum(1)[0] for a, b in zip(part(plain), part(spot), strict=True)]
        for change, spec in zip(changes, part.out_specs, strict=True):
            row, column = divmod(int(change.argmax()), change.shape[1])
            assert abs(row + 0.5 - y / spec.stride) <= 2 and abs(column + 0.5 - x / spec.stride) <= 2


@pytest.mark.parametrize(
    ("variant", "options", "idle"),
    [
        ("resnet18", {"depth": 3}, False),
        ("vit_tiny_patch16_224", {"depth": 2}, False),
        ("levit_128s", {"size": 64}, False),
        ("hrnet_w18_small", {"depth": 1}, True),
        ("pit_ti_224", {"depth": 2, "size": 64}, True),
    ],
)
def test_gradients_reach_what_is_trained_and_nothing_else_is(variant: str, options: dict[str, Any], idle: bool) -> None:
    assert check_gradients(variant, options) is idle


@pytest.mark.slow
@pytest.mark.parametrize("variant", [*QUICK, *SLOW])
def test_gradients_reach_all_that_is_trained_in_every_kind_of_backbone(variant: str) -> None:
    if BY_NAME[variant]["params"] > 60e6:
        pytest.skip("large")
    size = 120 if variant.startswith("crossvit") else 128
    check_gradients(variant, {"size": size} if "img_size" in BY_NAME[variant]["handling"] else {})


def check_gradients(variant: str, options: dict[str, Any]) -> bool:
    """Train once, on noise; whether there are parameters that no map depends on."""
    part = make("encoder", f"timm/{variant}", Spec(5), **options)
    features = torch.rand(2, 5, *size_of(part), requires_grad=True)
    sum(each.square().mean() for each in part(features)).backward()
    assert features.grad is not None and features.grad.abs().sum() > 0
    assert [name for name, each in part.named_parameters() if each.requires_grad != (each.grad is not None)] == []
    return any(not each.requires_grad for each in part.parameters())


@pytest.mark.parametrize(
    ("variant", "options", "words"),
    [
        ("convnext_tinny", {}, ["'convnext_tinny'", "did you mean 'convnext_tiny'?", "--family timm"]),
        ("resnet18", {"size": 64}, ["timm/resnet18", "any size", "encoder.size"]),
        ("efficientformer_l1", {"size": 64}, ["timm/efficientformer_l1", "224x224", "encoder.size"]),
        ("levit_128s", {"size": 100}, ["timm/levit_128s", "at size 100", "a multiple of 64 as encoder.size"]),
    ],
)
def test_what_does_not_fit_is_refused(variant: str, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        make("encoder", f"timm/{variant}", Spec(3), **options)
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words)


def test_a_size_can_be_chosen() -> None:
    with torch.device("meta"):
        part = make("encoder", "timm/levit_128s", Spec(8, Fraction(2)), size=64)
        assert part.fixed_size == (128, 128) and part.multiple_of == 64
        assert make("encoder", "timm/levit_128s", Spec(8)).fixed_size == (256, 256)


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 64])
def test_windows_follow_the_size(size: int) -> None:
    with torch.device("meta"):
        part = make("encoder", "timm/maxvit_tiny_tf_224", Spec(8), size=size)
    assert part.fixed_size is None and part.multiple_of == (size or 224)


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


def test_weights_that_modules_share_are_saved_once() -> None:
    part, other = (make("encoder", "timm/coat_tiny", Spec(3), depth=1, seed=seed) for seed in (0, 1))
    file = save({name: value.contiguous() for name, value in part.state_dict().items()})
    other.load_state_dict(load(file))
    wanted, found = (dict(each.named_parameters(remove_duplicate=False)) for each in (part, other))
    assert len(set(map(id, wanted.values()))) < len(wanted)
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


def test_rgb_is_normalised_as_the_backbone_was_trained(timm: ModuleType) -> None:
    part = make("encoder", "timm/resnet18", Spec(3), depth=1).eval()
    image = torch.rand(1, 3, 32, 32)
    mean, deviation = (torch.tensor(timm.get_pretrained_cfg("resnet18").to_dict()[key]) for key in ("mean", "std"))
    normalised = (image - mean.view(-1, 1, 1)) / deviation.view(-1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(part(image)[0], part.backbone(normalised)[0])


@pytest.mark.parametrize("channels", [3, 7])
def test_pretrained_weights_are_read_from_a_folder(
    channels: int, tmp_path: Path, monkeypatch: Any, timm: ModuleType
) -> None:
    trained = timm.create_model("resnet10t")
    save_file(trained.state_dict(), tmp_path / "timm_resnet10t.safetensors")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    part = make("encoder", "timm/resnet10t", Spec(channels), seed=1, pretrained=True)
    found, source = part.backbone.state_dict(), trained.state_dict()
    same = {name for name in found if name in source and torch.equal(found[name], source[name])}
    assert set(found) - same == (set() if channels == 3 else {"conv1.0.weight"})
    repeated = source["conv1.0.weight"].repeat(1, 3, 1, 1)[:, :channels] * 3 / channels
    torch.testing.assert_close(found["conv1.0.weight"], repeated)


def test_weights_that_cannot_be_had_end_in_one_line(
    tmp_path: Path, monkeypatch: Any, caplog: pytest.LogCaptureFixture, timm: ModuleType
) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    (tmp_path / "timm_resnet10t.safetensors").write_bytes(b"cut short")
    with pytest.raises(FetchError) as caught:
        make("encoder", "timm/resnet10t", Spec(3), pretrained=True)
    message = str(caught.value)
    assert "\n" not in message and "timm/resnet10t" in message and "timm_resnet10t.safetensors" in message

    def unreachable(*arguments: Any, **options: Any) -> None:
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 1s [Retry 1/5].")
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(timm.models._builder, "load_pretrained", unreachable)
    caplog.clear()
    with pytest.raises(FetchError, match=r"timm/resnet18.*couldn't connect to the hub"):
        make("encoder", "timm/resnet18", Spec(3), pretrained=True)
    assert not caplog.records
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"timm/resnet18.*SRZOO_OFFLINE.*timm_resnet18.safetensors"):
        make("encoder", "timm/resnet18", Spec(3), pretrained=True)


def test_a_pretrained_transformer_takes_any_size(tmp_path: Path, monkeypatch: Any, timm: ModuleType) -> None:
    trained = timm.create_model("vit_tiny_patch16_224")
    save_file(trained.state_dict(), tmp_path / "timm_vit_tiny_patch16_224.safetensors")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    part = make("encoder", "timm/vit_tiny_patch16_224", Spec(3), seed=1, pretrained=True).eval()
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        wanted = trained.eval().forward_intermediates((image - part.mean) / part.deviation, intermediates_only=True)
        for each, map_of_timm in zip(part(image), wanted[-3:], strict=True):
            torch.testing.assert_close(each, map_of_timm, rtol=1e-4, atol=1e-5)
        assert [each.shape for each in part(image[..., :32, :80])] == [(1, 192, 2, 5)] * 3


def test_weights_for_another_size_are_refused_by_name(tmp_path: Path, monkeypatch: Any, timm: ModuleType) -> None:
    save_file(timm.create_model("levit_128s").state_dict(), tmp_path / "timm_levit_128s.safetensors")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    with pytest.raises(FetchError, match=r"timm/levit_128s are for 224x224.*not fit them to 256: set encoder.size=224"):
        make("encoder", "timm/levit_128s", Spec(3), pretrained=True)
    part = make("encoder", "timm/levit_128s", Spec(3), pretrained=True, size=224, depth=2)
    assert part.fixed_size == (224, 224) and [int(spec.stride) for spec in part.out_specs] == [16, 32]


def test_a_backbone_without_weights_says_so(timm: ModuleType) -> None:
    variant = next(entry["variant"] for entry in CATALOGUE if not timm.is_model_pretrained(entry["variant"]))
    with pytest.raises(SrzooError, match=f"timm has no weights of encoder timm/{variant}"):
        make("encoder", f"timm/{variant}", Spec(3), pretrained=True)


def test_on_the_meta_device_nothing_is_fetched(monkeypatch: Any, timm: ModuleType) -> None:
    monkeypatch.setattr(timm.models._builder, "load_pretrained", lambda *a, **k: pytest.fail("fetched"))
    with torch.device("meta"):
        make("encoder", "timm/resnet18", Spec(3), pretrained=True)


def test_the_catalogue_is_one_variant_per_line() -> None:
    file = REGISTRY.resolve("encoder", "timm").ref.source_file()
    assert file is not None
    lines = file.with_suffix(".catalogue.json").read_text().splitlines()
    assert [json.loads(line.rstrip(","))["variant"] for line in lines[1:-1]] == [e["variant"] for e in CATALOGUE]


def test_the_catalogue_is_browsed_as_the_page_says() -> None:
    line = "srzoo list encoders --family timm --filter 'convnext*'"
    page = Path(__file__).parent.parent / "docs" / "encoders.md"
    assert line in page.read_text(encoding="utf-8").splitlines()
    _, *words = shlex.split(line)
    wanted = [entry for entry in CATALOGUE if entry["variant"].startswith("convnext")]
    rows = json.loads(srzoo(*words, "--json").stdout)
    assert [row["name"] for row in rows] == [f"timm/{entry['variant']}" for entry in wanted]
    assert [row["strides"] for row in rows] == [entry["strides"] for entry in wanted]
    head, *lines = srzoo(*words).stdout.splitlines()
    assert head.split()[:3] == ["kind", "name", "params"] and len(lines) == len(wanted) > 20


def test_a_variant_that_there_is_not_is_not_explained() -> None:
    refused = srzoo("show", "encoder", "timm/convnext_atoo")
    assert refused.returncode == 2 and refused.stdout == ""
    assert "encoder timm has no variant 'convnext_atoo' (did you mean 'convnext_atto'?)" in refused.stderr
