"""Degradations one after the other, from HR to LR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.errors import ConfigError, UsageError
from srzoo.seams import blaming, check_image

Pixels = NDArray[np.uint8]

_BLOCK = 8
"""Side of JPEG's blocks: the margin of random steps that depend on where they begin."""


class Chain:
    """Steps of which exactly one shrinks.

    Args:
        scale: Factor by which the image becomes smaller.
        steps: The steps, first to last, each made for this scale.
        names: Their qualified names.

    Raises:
        ConfigError: None of them shrinks, or more than one does.
    """

    def __init__(self, scale: int, steps: Sequence[Degradation], names: Sequence[str]) -> None:
        shrinking = [name for step, name in zip(steps, names, strict=True) if step.shrinks]
        if len(shrinking) != 1:
            bare = ", ".join(name.rpartition(":")[2] for name in shrinking or names)
            found = bare if shrinking else f"none of {bare or 'no steps'}"
            raise ConfigError(
                f"one step of a degradation makes the image smaller, here it is {found}: "
                "name exactly one such as bicubic, blur-down or real-esrgan"
            )
        self.scale = scale
        """Factor by which the image becomes smaller."""
        self._steps = tuple(zip(steps, names, strict=True))

    @property
    def random(self) -> bool:
        """Whether the result depends on the seed."""
        return any(step.random for step, _ in self._steps)

    @property
    def local(self) -> bool:
        """Whether a part of an image, with `margin` around it, gives the same pixels as the whole image does."""
        return not self.random and all(step.margin is not None for step, _ in self._steps)

    @property
    def margin(self) -> int:
        """How many LR pixels around a place its result there depends on."""
        pixels = 0
        for step, _ in reversed(self._steps):
            pixels = pixels * (self.scale if step.shrinks else 1)
            pixels += _BLOCK if step.margin is None else step.margin
        return math.ceil(pixels / self.scale)

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """Degrade images.

        Args:
            image: (N, C, scale * H, scale * W), float in [0, 1], on any device.
            draw: The only source of chance.

        Returns:
            (N, C, H, W), float in [0, 1].

        Raises:
            UsageError: A side is no multiple of the scale.
            BrokenPluginError: A third party's step fails, or one gives another size than it should.
        """
        height, width = image.shape[-2:]
        if height % self.scale or width % self.scale:
            raise UsageError(f"HR {width}x{height} is no multiple of {self.scale}: crop it first")
        for step, name in self._steps:
            factor = self.scale if step.shrinks else 1
            wanted = (*image.shape[:2], image.shape[2] // factor, image.shape[3] // factor)
            with blaming("degradation", name):
                image = step.forward(image, draw)
            check_image("degradation", name, image, wanted)
        return image

    @torch.inference_mode()
    def apply(self, hr: Pixels, seed: int | Sequence[int] | np.random.Generator = 0) -> Pixels:
        """Make LR of one image.

        Args:
            hr: (scale * H, scale * W, 3), or without the last axis where it is gray.
            seed: Where chance starts, or a generator to go on with.

        Returns:
            (H, W, 3) or (H, W), rounded to 8 bits.
        """
        planes = hr.reshape(*hr.shape[:2], -1).transpose(2, 0, 1)[None].astype(np.float32, order="C")
        lr = self.forward(torch.from_numpy(planes).div_(255), np.random.default_rng(seed))
        pixels: NDArray[Any] = lr[0].mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(pixels[..., 0] if hr.ndim == 2 else pixels)
