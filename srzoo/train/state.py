"""Everything that a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from srzoo.checkpoint import write_atomically
from srzoo.errors import CheckpointError

FORMAT = "srzoo-training"


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    """Optimiser steps done, over all stages."""

    stage: int = 0
    """Number of the stage."""

    stage_step: int = 0
    """Optimiser steps done in this stage."""


class MovingAverage:
    """Exponential moving average of a module's state; whole numbers are copied.

    Args:
        module: What is averaged.
        decay: Weight of the past.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take the module's state in; early steps weigh more, so that the initial weights are forgotten."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)


def save_state(
    path: Path,
    progress: Progress,
    identity: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: The file.
        progress: Where the run stands.
        identity: What a resumed run must agree with, such as the recipe's hash.
        tensors: Named groups of tensors.
    """
    flat = {f"{group}/{name}": value.contiguous() for group, named in tensors.items() for name, value in named.items()}
    header = {"format": FORMAT, "progress": vars(progress), **identity}
    write_atomically(path, to_bytes(flat, metadata={"srzoo": json.dumps(header, sort_keys=True)}))


def load_state(path: Path) -> tuple[Progress, dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read what `save_state` wrote.

    Raises:
        CheckpointError: The file is damaged or holds something else.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("srzoo", "{}"))
            groups: dict[str, dict[str, Tensor]] = {}
            for key in file.keys():  # noqa: SIM118
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole training checkpoint: {error}") from None
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a training checkpoint")
    return Progress(**header["progress"]), header, groups


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimiser's per-parameter tensors, by the parameter's number and the tensor's name."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took out."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if value.shape == parameter.shape:  # fused optimisers walk raw memory: one layout for all
                values[name] = torch.empty_like(parameter).copy_(value)
