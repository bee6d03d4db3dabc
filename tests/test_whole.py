"""Whole upscalers that are choosy: about sizes, about where a tile starts, about who computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.api import build
from srzoo.contracts import Upscaler
from srzoo.cost import count_macs, count_parameters
from srzoo.errors import BrokenPluginError
from srzoo.model import WholeModel
from srzoo.tiling import fitted


class Choosy(Upscaler):
    """Doubles the pixels, and adds in every cell of ``cell`` pixels the cell's mean; refuses what does not fit."""

    def __init__(self, cell: int = 1, size: tuple[int, int] | None = None, engine: str = "torch") -> None:
        super().__init__()
        self.scale = 2
        self.multiple_of = cell
        self.fixed_size = size
        self.engine = engine
        self.seen: list[tuple[int, int]] = []

    def forward(self, lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        assert height % self.multiple_of == 0 == width % self.multiple_of
        assert self.fixed_size in (None, (height, width))
        self.seen.append((height, width))
        means = F.interpolate(F.avg_pool2d(lr, self.multiple_of), scale_factor=self.multiple_of)
        return F.interpolate(lr / 2 + means / 4, scale_factor=2)

    def count_parameters(self) -> int:
        return 7

    def count_macs(self, height: int, width: int) -> int | None:
        return None if height > 100 else height * width


def model(*arguments: Any, **options: Any) -> WholeModel:
    return WholeModel(Choosy(*arguments, **options), {"scale": 2})


class Half(Choosy):
    """Says that it doubles, and does not."""

    def forward(self, lr: Tensor) -> Tensor:
        return lr


class Failing(Choosy):
    """Fails."""

    error: Exception = ValueError("my bug")

    def forward(self, lr: Tensor) -> Tensor:
        raise self.error


def test_a_third_party_s_mistake_is_told_with_its_name() -> None:
    config = {"scale": 2, "upscaler": {"name": "theirs:odd"}}
    with pytest.raises(BrokenPluginError, match=r"theirs:odd made an image of 1x3x7x9 where 1x3x14x18 was due"):
        WholeModel(Half(), config).upscale(torch.rand(3, 7, 9))
    with pytest.raises(
        BrokenPluginError, match=r"theirs:odd failed in use \(ValueError: my bug at tests/test_whole.py:\d+\)"
    ):
        WholeModel(Failing(), config).upscale(torch.rand(3, 7, 9))
    hungry = Failing()
    hungry.error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes")
    with pytest.raises(RuntimeError, match="allocate memory"):  # the program then advises smaller tiles
        WholeModel(hungry, config).upscale(torch.rand(3, 7, 9))


def test_sides_are_padded_to_multiples_and_cropped() -> None:
    lr = torch.rand(2, 3, 7, 9)
    whole = model(4)
    padded = F.pad(lr, (0, 3, 0, 1), mode="replicate")
    assert torch.equal(whole(lr).sr, Choosy(4)(padded)[..., :14, :18])
    assert whole.upscaler.seen == [(8, 12)]


@pytest.mark.parametrize("tile", [5, 8, 14])
def test_tiles_start_where_cells_do(tile: int) -> None:
    lr = torch.rand(1, 3, 37, 50)
    assert torch.equal(model(4).upscale(lr, tile=tile), model(4).upscale(lr))


def test_one_size_takes_any_image() -> None:
    whole = model(1, (8, 12))
    for height, width in ((8, 12), (3, 2), (9, 40), (30, 5), (23, 31)):
        lr = torch.rand(2, 3, height, width)
        torch.testing.assert_close(whole(lr).sr, Choosy()(lr))
        assert torch.equal(whole.upscale(lr, tile=4), whole.upscale(lr))
    assert set(whole.upscaler.seen) == {(8, 12)}


def test_a_network_may_stand_on_a_choosy_upscaler() -> None:
    network = build(base="nearest", scale=2)
    bare = network.eval()(lr := torch.rand(1, 3, 11, 6)).sr - network.base(lr)
    network.base = Choosy(4)
    expected = bare + fitted(Choosy(4), lr, 2, 4, None)
    torch.testing.assert_close(network(lr).sr, expected, atol=1e-6, rtol=0)


def test_another_engine_counts_for_itself() -> None:
    other = model(4, engine="other 1.0")
    assert (count_parameters(other), count_macs(other, (7, 9))) == (7, 8 * 12)
    cut = model(1, (8, 12), engine="other 1.0")
    assert count_macs(cut, (8, 30)) == 3 * 8 * 12
    assert count_macs(other, (101, 9)) is None
    assert (count_parameters(model()), count_macs(model(), (7, 9))) == (0, 0)
