"""Networks of other projects as upscalers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import lcm
from typing import Annotated

import torch
from pydantic import Field
from spandrel import ImageModelDescriptor, ModelTiling
from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.errors import AssemblyError
from srzoo_spandrel.checkpoint import find_checkpoint, open_checkpoint

_WINDOWS = ("window_size", "split_size", "win_size", "ws")
"""What networks call the sides of the windows in which they attend."""

_STRIDE = 16
"""Tiles start at multiples of this: no network that spandrel opens shrinks its maps further."""


class SpandrelUpscaler(Upscaler):
    """A checkpoint that spandrel opens: ESRGAN, SwinIR, HAT, DAT, SPAN, PLKSR, Real-CUGAN and about forty more.

    Architecture, size and scale are read off the weights. Any network from RGB to RGB is taken, those that restore at
    scale 1 too; others are refused. spandrel itself pads where a network wants multiples, and clamps to [0, 1]. For
    use, not for training: no gradient flows.

    Source: spandrel, https://github.com/chaiNNer-org/spandrel.
    """

    def __init__(
        self,
        scale: int | None,
        *,
        variant: Annotated[str, Field(description="path of a .pth, .pt, .ckpt or .safetensors file")] = "",
    ) -> None:
        super().__init__()
        descriptor = open_checkpoint(find_checkpoint(variant))
        self.scale = descriptor.scale
        if scale not in (None, self.scale):
            raise AssemblyError(f"spandrel/{variant} enlarges x{self.scale}, not x{scale}: ask for scale {self.scale}")
        self.network = descriptor.model.to(torch.get_default_device()).eval().requires_grad_(False)
        self.tile_multiple = _tile_multiple(descriptor)
        self.tile_halo = 32 if descriptor.tiling == ModelTiling.SUPPORTED else 64
        self._descriptor = descriptor

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 3, scale * H, scale * W), clamped to [0, 1]."""
        with _same_noise(lr.device):
            # spandrel promises nothing for more than one image.
            return torch.cat([self._descriptor(image) for image in torch.split(lr, 1)])


def _tile_multiple(descriptor: ImageModelDescriptor) -> int:
    """A grid on which strides and windows of a tile fall where they fall in the whole image."""
    sides = {_STRIDE, descriptor.size_requirements.multiple_of}
    for module in descriptor.model.modules():
        for name in _WINDOWS:
            value = getattr(module, name, None)
            sides |= {side for side in (value if isinstance(value, list | tuple) else [value]) if isinstance(side, int)}
    return lcm(*(side for side in sides if side > 0))


@contextmanager
def _same_noise(device: torch.device) -> Iterator[None]:
    """Give a network that draws noise, as AuraSR does, the same each time, and leave the global generator alone."""
    on_cuda = device.type == "cuda"
    generator = torch.cuda.default_generators[device.index or 0] if on_cuda else torch.default_generator
    state = generator.get_state()
    generator.manual_seed(0)
    try:
        yield
    finally:
        generator.set_state(state)
