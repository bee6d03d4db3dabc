"""Everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from srzoo.errors import CheckpointError
from srzoo.files import write_atomically

FORMAT = "srzoo-training"
VERSION = 2
INDEX = "checkpoint.json"
"""The file that makes a checkpoint: it names the files with the tensors, which are worth nothing without it."""

LEFT = "left."
"""How the groups begin that hold what earlier stages left, where later ones keep some of it; then the stage's name."""

_HEADER, _ENTRY = 24, 110
"""Bytes, at most, that a safetensors file takes beside its tensors: for itself, and for each but its name."""

_OWN = re.compile(r"checkpoint-\d+-[0-9a-f]{8}-\d+-of-\d+\.safetensors")
"""Names of the files with the tensors."""

Groups = dict[str, dict[str, Tensor]]
"""Named groups of named tensors."""


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    """Optimiser steps done, over all stages."""

    stage: int = 0
    """Number of the stage."""

    stage_step: int = 0
    """Optimiser steps done in this stage."""

    rollbacks: int = 0
    """How often the run went back after a blow-up."""


class MovingAverage:
    """Exponential moving average of a module's state; whole numbers are copied.

    Args:
        module: What is averaged.
        decay: Weight of the past.
        kept: Other states that the `result` has a share of, with their shares.
    """

    def __init__(
        self, module: nn.Module, decay: float, kept: Sequence[tuple[float, Mapping[str, Tensor]]] = ()
    ) -> None:
        self._decay = decay
        self._kept = kept
        self._state = module.state_dict()
        self._floats = [name for name, value in self._state.items() if value.is_floating_point()]
        self.values = {name: value.detach().clone() for name, value in self._state.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the module's state in; early steps weigh more, so that the initial weights are forgotten."""
        decay, floats = min(self._decay, (1 + step) / (10 + step)), self._floats
        torch._foreach_lerp_([self.values[name] for name in floats], [self._state[name] for name in floats], 1 - decay)
        for name in self._state.keys() - floats:
            self.values[name].copy_(self._state[name])

    def result(self) -> dict[str, Tensor]:
        """The average, with what is kept of other states."""
        if not self._kept:
            return self.values
        own = 1 - sum(share for share, _ in self._kept)
        return self.values | {
            name: own * self.values[name] + sum(share * state[name] for share, state in self._kept)
            for name in self._floats
        }

    def take(self, values: Mapping[str, Tensor]) -> None:
        """Go on from what was saved."""
        for name, value in values.items():
            self.values[name].copy_(value)


def save_state(
    folder: Path,
    progress: Progress,
    facts: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Tensor]],
    most: int = 0,
) -> None:
    """Write a checkpoint: tensors first, then, in one move, the index that names them.

    A process that is killed at any moment leaves the old checkpoint or the new one.

    Args:
        folder: Where the files go.
        progress: Where the run stands.
        facts: JSON values that a resumed run needs.
        groups: Named groups of tensors.
        most: Most bytes of a file, 0 for no limit; larger tensors are cut.

    Raises:
        WriteError: The folder cannot be written to.
    """
    flat = {f"{group}/{name}": value for group, named in groups.items() for name, value in named.items()}
    shards = list(_shards(flat, most))
    unique = f"checkpoint-{progress.step}-{secrets.token_hex(4)}"
    names = [f"{unique}-{index}-of-{len(shards)}.safetensors" for index in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        write_atomically(folder / name, to_bytes(shard))
    index = {
        "format": FORMAT,
        "version": VERSION,
        "progress": asdict(progress),
        "facts": dict(facts),
        "files": names,
        "shapes": {name: list(value.shape) for name, value in flat.items()},
    }
    write_atomically(folder / INDEX, json.dumps(index, indent=1, sort_keys=True).encode())
    for path in folder.glob("checkpoint-*.safetensors"):
        if path.name not in names and _OWN.fullmatch(path.name):
            path.unlink(missing_ok=True)


def index_of(folder: Path) -> bytes | None:
    """The checkpoint's index as it stands, which each checkpoint changes; None where there is none."""
    path = folder / INDEX
    return path.read_bytes() if path.is_file() else None


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote left under temporary names in a run's folder."""
    for kind in (".checkpoint*", ".*.safetensors.*", ".*.csv.*"):
        for path in folder.glob(f"{kind}.part"):
            path.unlink(missing_ok=True)


def _shards(flat: Mapping[str, Tensor], most: int) -> Iterator[dict[str, Tensor]]:
    """Tensors, cut into flat pieces where a file would outgrow ``most`` bytes; ``name@first`` is such a piece."""
    shard: dict[str, Tensor] = {}
    room = most - _HEADER
    for name, value in flat.items():
        values, begin = value.detach().cpu().contiguous().view(-1), 0
        size = values.element_size()
        while begin < len(values) or not len(values):
            header = _ENTRY + len(name)
            if most and shard and room < size + header:
                yield shard
                shard, room = {}, most - _HEADER
            room -= header
            end = min(len(values), begin + max(1, room // size)) if most else len(values)
            shard[f"{name}@{begin}"] = values[begin:end]
            room -= (end - begin) * size
            begin = end
            if not len(values):
                break
    yield shard


def load_state(folder: Path) -> tuple[Progress, dict[str, Any], Groups] | None:
    """Read what `save_state` wrote: progress, facts and tensors; None where there is no checkpoint.

    Raises:
        CheckpointError: A file is damaged or holds something else.
    """
    path = folder / INDEX
    if not path.is_file():
        return None
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index.get("format") != FORMAT:
            raise CheckpointError(f"{path} is not the index of a training checkpoint")
        if index["version"] != VERSION:
            raise CheckpointError(f"{path} has version {index['version']}, which this srzoo cannot resume")
        progress, facts = Progress(**index["progress"]), index["facts"]
        return progress, facts, _gather(folder, index["files"], index["shapes"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a whole training checkpoint: {error}") from None


def _gather(folder: Path, files: list[str], shapes: Mapping[str, list[int]]) -> Groups:
    pieces: dict[str, dict[int, Tensor]] = {}
    for file in files:
        with safe_open(str(folder / file), framework="pt") as opened:
            for key in opened.keys():  # noqa: SIM118
                name, begin = key.rsplit("@", 1)
                pieces.setdefault(name, {})[int(begin)] = opened.get_tensor(key)
    groups: Groups = {}
    for name, shape in shapes.items():
        parts = [part for _, part in sorted(pieces[name].items())]
        if sum(map(len, parts)) != prod(shape):
            raise ValueError(f"{name} is not whole")
        group, rest = name.split("/", 1)
        groups.setdefault(group, {})[rest] = torch.cat(parts).view(shape)
    return groups


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
