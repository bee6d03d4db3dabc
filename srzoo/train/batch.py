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
    """Standard normal noise, one map per noise spec of the model; empty where none is wanted.

    Where several samples of each crop are wanted there are that many for it, one after another."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of it, in order."""
        return self.lr, self.hr, *self.noise

    @property
    def draws(self) -> int:
        """How many samples of each crop are wanted."""
        return len(self.noise[0]) // len(self.lr) if self.noise else 1

    def repeated(self) -> Batch:
        """The batch with each crop as often as a sample of it is wanted."""
        if self.draws == 1:
            return self
        return Batch(_repeated(self.lr, self.draws), _repeated(self.hr, self.draws), self.noise)

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


def _repeated(images: Tensor, times: int) -> Tensor:
    return images.repeat_interleave(times, dim=0).contiguous(memory_format=torch.channels_last)
