"""The measuring rules as a value."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from srzoo.errors import UsageError
from srzoo.protocol import CLASSIC, MATLAB_Y, PROTOCOLS, PYIQA, SKIMAGE, TORCHMETRICS, Protocol, get_protocol, slips

OTHER_VALUES = {
    "colour": "rgb",
    "channel_order": "bgr",
    "luma": "bt601-full",
    "luma_rounding": "uint8",
    "sr_rounding": "none",
    "gray": "through-luma",
    "border": 4,
    "data_range": 219,
    "psnr_epsilon": 1e-8,
    "ssim_range": "measured",
    "ssim_weights": "uniform",
    "ssim_window": 7,
    "ssim_sigma": 2,
    "ssim_covariance": "sample",
    "ssim_edge": "mirrored",
    "ssim_structure": "clipped",
    "lr_psnr": "luma",
    "degradation": "cv2-cubic",
    "degradation_edge": "clamp",
    "aggregation": "pooled",
}
"""Another value of every rule that has one."""


def test_the_hash_of_classic_is_pinned() -> None:
    # Results are stored under it. A change of the rules needs a new version, and so a new hash, on purpose.
    assert (CLASSIC.version, CLASSIC.hash) == (1, "436aeb16a979")


def test_every_rule_is_part_of_the_hash() -> None:
    rules = {each.name for each in fields(Protocol)} - {"name", "version"}
    single = {"gray_input", "mod_crop", "metric_versions"}
    assert rules - single == OTHER_VALUES.keys()
    changes = [*OTHER_VALUES.items(), ("name", "other"), ("version", 2)]
    hashes = [replace(CLASSIC, **{rule: value}).hash for rule, value in changes]
    assert len({CLASSIC.hash, *hashes}) == len(hashes) + 1
    assert len({each.hash for each in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_a_protocol_is_frozen_hashable_and_plain_json() -> None:
    with pytest.raises(FrozenInstanceError):
        CLASSIC.version = 2  # type: ignore[misc]
    assert replace(CLASSIC) == CLASSIC
    assert len({CLASSIC, replace(CLASSIC)}) == 1
    assert json.loads(json.dumps(CLASSIC.to_dict())) == CLASSIC.to_dict()


def test_the_description_says_what_a_reader_must_know() -> None:
    text = CLASSIC.describe()
    assert text.count(". ") == 0
    for word in ("classic", CLASSIC.hash, "BT.601", "uint8", "11x11", "border", "symmetric"):
        assert word in text
    assert "luma" not in SKIMAGE.describe() and "uniform 7x7" in SKIMAGE.describe()


def test_every_protocol_is_found_by_its_name() -> None:
    assert list(PROTOCOLS) == ["classic", "matlab-y", "basicsr-rgb", "pyiqa", "torchmetrics", "skimage"]
    assert all(get_protocol(name) is protocol for name, protocol in PROTOCOLS.items())


def test_a_variant_is_named_by_what_it_changes_whatever_the_order() -> None:
    variant = get_protocol("classic,gray=through-luma,border=0")
    assert variant == get_protocol("classic,border=0,gray=through-luma")
    assert variant.name == "classic,gray=through-luma,border=0"
    assert (variant.border, variant.gray) == (0, "through-luma")
    assert get_protocol(variant.name) == variant
    assert get_protocol("classic,border=scale") is CLASSIC
    assert get_protocol("classic,data_range=219") == get_protocol("classic,data_range=219.0")
    assert get_protocol("pyiqa,colour=rgb").own_metrics == ("psnr_rgb", "ssim_rgb", "lr_psnr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clasic", r"unknown protocol 'clasic' \(did you mean 'classic'\?\): known: classic, matlab-y"),
        ("rgb", "known: classic"),
        ("classic,bordr=0", r"unknown rule 'bordr' \(did you mean 'border'\?\): known: colour, "),
        ("classic,", "unknown rule ''"),
        ("classic,border", "write each rule once, as classic,border=VALUE"),
        ("classic,border=0,border=1", "write each rule once"),
        ("classic,border=-1", "border cannot be -1: it is scale or a whole number of pixels from 0"),
        ("classic,border=1.5", "border cannot be 1.5"),
        ("classic,colour=hsv", "colour cannot be 'hsv': it is y or rgb"),
        ("classic,ssim_window=10", "ssim_window cannot be 10: it is an odd whole number from 3"),
        ("classic,data_range=nan", "data_range cannot be nan"),
        ("classic,mod_crop=12", "mod_crop cannot be '12': it is scale"),
        ("matlab-y,colour=rgb", "there is luma alone"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as told:
        get_protocol(text)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("base", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_slip_changes_the_base_and_says_how(base: Protocol) -> None:
    found = slips(base)
    assert len(found) >= 8 and len({slip.protocol.hash for slip in found} | {base.hash}) == len(found) + 1
    assert all(slip.change and slip.protocol.name.startswith(f"{base.name},") for slip in found)
    assert found[-1].protocol.gray != base.gray


def test_slips_name_what_is_otherwise() -> None:
    words = {slip.protocol.name: slip.change for slip in slips(CLASSIC)}
    assert words["classic,border=0"] == "no border cropped"
    assert words["classic,ssim_weights=uniform,ssim_window=7,ssim_covariance=sample"] == (
        "SSIM with a uniform 7x7 window; sample covariance"
    )
    assert not any("colour" in slip.protocol.name for slip in slips(MATLAB_Y))
    assert "torchmetrics,colour=y" in {slip.protocol.name for slip in slips(TORCHMETRICS)}
    assert "pyiqa,border=scale" in {slip.protocol.name for slip in slips(PYIQA)}


def test_the_import_is_cheap() -> None:
    code = "import sys, srzoo.protocol; print([name for name in ('numpy', 'torch', 'pydantic') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
