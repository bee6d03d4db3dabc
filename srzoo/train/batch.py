"""What a process is handed for a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """A process's share of the crops of a step, and noise to decode with."""

    lr: Tensor
    """(N, 3, h, w)."""

    hr: Tensor
    """(N, 3, scale * h, scale * w)."""

    noise: tuple[Tensor, ...]
    """Standard normal noise, one map per noise spec of the model; empty where none is wanted."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of it, in order."""
        return self.lr, self.hr, *self.noise

    def on(self, device: torch.device, *, copy: bool = False) -> Batch:
        """The batch on a device, in ``channels_last``; itself where it is so already, unless a copy is wanted."""
        lr, hr, *noise = (
            each.to(device, memory_format=torch.channels_last, non_blocking=True, copy=copy) for each in self.tensors
        )
        return Batch(lr, hr, tuple(noise))

    def parts(self, count: int) -> Iterator[Batch]:
        """The batch cut into so many parts, of equal size but for the last."""
        for lr, hr, *noise in zip(*(each.chunk(count) for each in self.tensors), strict=True):
            yield Batch(lr, hr, tuple(noise))
