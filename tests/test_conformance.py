"""The conformance kit: srzoo's own parts pass it, and every check catches a part that breaks what it is about."""

from __future__ import annotations

from pathlib import Path

import broken_data
import broken_losses
import broken_networks
import broken_pre_encoders
import pytest
from sound_parts import Absolute, Apart, Differing, Fade, Grays, Plain, PlainLatent, Wasserstein

from srzoo.registry import KINDS, REGISTRY
from srzoo.testing import CHECKS, check_part
from srzoo.testing.checks import run
from srzoo.testing.subject import Subject

SLOW = ("meta", "exports")
"""Checks that load much of torch."""

BROKEN = [*broken_pre_encoders.BROKEN, *broken_networks.BROKEN, *broken_data.BROKEN, *broken_losses.BROKEN]


@pytest.mark.parametrize(
    ("kind", "part", "check"),
    [
        pytest.param(*row, id=f"{row[1].__name__}-{row[2]}", marks=[pytest.mark.slow] if row[2] in SLOW else [])
        for row in BROKEN
    ],
)
def test_what_is_broken_is_found_and_named_first(
    kind: str, part: type, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = next(outcome for outcome in run(Subject(kind, part), {}) if outcome.state == "failed")
    assert first.check == check, first.reason
    assert first.reason and "\n" not in first.reason


def test_every_check_has_a_part_that_it_catches() -> None:
    def family(kind: str) -> str:
        return kind if kind in ("dataset", "degradation", "loss") else "network"

    everywhere = {check.name for check in CHECKS["dataset"]} & {check.name for check in CHECKS["degradation"]}
    caught = {(family(kind), check) for kind, _, check in BROKEN}
    assert everywhere <= {check for _, check in caught}
    wanted = {(family(kind), check.name) for kind in CHECKS for check in CHECKS[kind] if check.name not in everywhere}
    assert wanted <= caught


WHOLE = [
    ("pre_encoder", Plain),
    ("latent", PlainLatent),
    ("degradation", Fade),
    ("dataset", Grays),
    ("loss", Absolute),
    ("loss", Differing),
    ("loss", Wasserstein),
    ("loss", Apart),
]


@pytest.mark.parametrize(("kind", "part"), WHOLE)
def test_what_is_whole_passes(kind: str, part: type) -> None:
    assert quick(kind, part) == []


def quick(kind: str, part: str | type) -> list[str]:
    """What the quick checks find, one line each."""
    subject = Subject(kind, part)
    found = [(check.name, check.reason(subject)) for check in CHECKS[subject.kind.name] if check.name not in SLOW]
    return [f"{name}: {reason}" for name, reason in found if reason]


# srzoo's own parts.

OWN = [(kind, ref.name) for kind in KINDS for ref in REGISTRY.parts(kind) if ref.distribution == "srzoo"]

FEW = [
    ("pre_encoder", "conv"),
    ("encoder", "strided"),
    ("latent", "conditional"),
    ("decoder", "shuffle"),
    ("decoder", "implicit"),
    ("discriminator", "unet"),
    ("upscaler", "bicubic"),
    ("degradation", "jpeg"),
    ("dataset", "sample"),
    ("loss", "charbonnier"),
    ("loss", "relativistic"),
    ("loss", "kl"),
]
"""One part of each kind or more, for the default run."""


@pytest.mark.parametrize(("kind", "name"), FEW)
def test_a_part_of_each_kind_passes_the_quick_checks(kind: str, name: str) -> None:
    assert quick(kind, name) == []


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), OWN)
def test_own_parts_pass_with_no_exceptions(kind: str, name: str) -> None:
    report = check_part(kind, f"srzoo:{name}")
    assert not report.failed, str(report)
    lacking = {outcome.reason for outcome in report.outcomes if outcome.state == "not run"}
    assert all(kind == "loss" and "is not at hand" in reason for reason in lacking)
    assert {outcome.state for outcome in report.outcomes} <= {"passed", "not run"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_checks(kind: str) -> None:
    assert CHECKS[kind][0].name == "imports" and all(check.what.endswith(".") for check in CHECKS[kind])
