"""Costs against what can be counted by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.api import build
from srzoo.checkpoint import describe, save_model
from srzoo.config import preset
from srzoo.contracts import Upscaler
from srzoo.cost import count_macs, count_parameters, measure, standard_size
from srzoo.model import WholeModel
from srzoo.summary import summarize
from srzoo.zoo import load


class OneConvolution(Upscaler):
    """27 -> 48 channels, then a shuffle."""

    def __init__(self, looks_at_values: bool) -> None:
        super().__init__()
        self.scale = 4
        self.convolution = nn.Conv2d(3, 48, 3, padding=1)
        self._looks_at_values = looks_at_values

    def forward(self, lr: Tensor) -> Tensor:
        if self._looks_at_values and float(lr.mean()) < 0:
            return F.interpolate(lr, scale_factor=4)
        return F.pixel_shuffle(self.convolution(lr), 4)


@pytest.mark.parametrize("looks_at_values", [False, True])
def test_a_convolution_costs_what_arithmetic_says(looks_at_values: bool) -> None:
    model = WholeModel(OneConvolution(looks_at_values), {"scale": 4})
    assert count_parameters(model) == 3 * 48 * 9 + 48
    assert count_macs(model, (10, 20)) == 3 * 48 * 9 * 10 * 20
    assert next(model.parameters()).device.type == "cpu"


def test_plain_upscalers_have_no_parameters() -> None:
    assert count_parameters(load("bicubic")) == 0


def test_only_what_use_needs_is_counted(tmp_path: Path) -> None:
    model = build()
    save_model(model, tmp_path / "model.safetensors")
    assert count_parameters(model) == describe(tmp_path / "model.safetensors")["file"]["weights"]
    assert count_parameters(model) < sum(parameter.numel() for parameter in model.parameters())


def test_macs_include_the_padding_and_agree_with_the_summary() -> None:
    model = build(base="none")
    assert model.multiple > 1
    padded = model.padded_size(33, 51)
    assert padded != (33, 51)
    assert count_macs(model, (33, 51)) == count_macs(model, padded) > count_macs(model, (32, 48))
    assert count_macs(model, (180, 320)) == summarize(preset("reference", {"base": "none"}), (180, 320)).macs


def test_the_standard_size_is_that_of_the_literature() -> None:
    assert [standard_size(scale) for scale in (2, 3, 4)] == [(360, 640), (240, 427), (180, 320)]


def test_seconds_and_memory_are_measured() -> None:
    model = WholeModel(OneConvolution(False), {"scale": 4})
    model.train()
    small, large = measure(model, (16, 16)), measure(model, (256, 256))
    assert 0 < small.seconds < large.seconds
    assert model.training
    if sys.platform.startswith("linux"):
        output = 3 * 1024 * 1024 * 4
        assert small.memory is not None and large.memory is not None
        assert large.memory > 0.9 * output > small.memory
    else:
        assert large.memory is None


def test_measuring_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    measure(load("bicubic"), (8, 8))
    assert torch.equal(before, torch.get_rng_state())
