"""The catalogue of metrics: what it imports, and what it answers to wrong names, missing files and wrong images."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from srzoo.errors import FetchError, UsageError
from srzoo.fetch import ALEXNET, INCEPTION, VGG16
from srzoo.metrics import METRICS, get_metric


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = "import sys, srzoo.metrics.catalogue as c; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchmetrics", "torchvision", "scipy", "pydantic"} & set(loaded)


def test_names_and_levels() -> None:
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert {metric.level for metric in METRICS.values()} == {"image", "set", "samples"}
    assert [name for name, metric in METRICS.items() if not metric.needs_hr] == ["niqe"]
    assert all(metric.summary and not metric.summary.endswith(".") for metric in METRICS.values())


def test_a_mistyped_name_is_answered() -> None:
    assert get_metric("lpips") is METRICS["lpips"]
    with pytest.raises(UsageError, match="did you mean 'lpips'"):
        get_metric("lpisp")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(UsageError, match=r'ms_ssim needs torchmetrics.*pip install "srzoo\[metrics\]"'):
        get_metric("ms_ssim").start("cpu")


@pytest.mark.parametrize("name", ["lpips", "dists", "fid", "kid", "diversity"])
def test_missing_weights_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SRZOO_WEIGHTS", "SRZOO_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    wanted = {"dists": VGG16, "fid": INCEPTION, "kid": INCEPTION}.get(name, ALEXNET)
    with pytest.raises(FetchError, match=wanted.name):
        get_metric(name).start("cpu")


@pytest.mark.parametrize(("name", "smallest"), [("ms_ssim", 176), ("spectrum", 16)])
def test_what_is_too_small_or_does_not_fit_is_refused(name: str, smallest: int) -> None:
    measure = get_metric(name).start("cpu")
    fits = np.random.default_rng(0).integers(0, 256, (smallest, smallest + 5), np.uint8)
    assert math.isfinite(measure(fits, fits, None))
    with pytest.raises(UsageError, match=f"{name} needs at least {smallest}x{smallest} pixels, got {smallest + 5}x"):
        measure(fits[1:], fits[1:], None)
    with pytest.raises(UsageError, match="of one shape"):
        measure(fits, np.stack([fits] * 3, axis=2), None)
    with pytest.raises(UsageError, match="there is none"):
        measure(fits, None, None)
    with pytest.raises(UsageError, match="uint8"):
        measure(fits / 255, fits / 255, None)
