"""Steps that a GPU repeats by itself: recorded once, so that Python need not launch each kernel anew."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from srzoo.errors import BrokenPluginError, TrainingError
from srzoo.resize import holding
from srzoo.train.batch import Batch

WARM_UPS = 3
"""Steps of a kind before one is recorded: optimisers make their state in the first, libraries choose kernels."""

AHEAD = 4
"""Steps that may wait on the GPU: enough to keep it busy, and few enough that clocks and bars tell what it does."""

Values = dict[str, Tensor]
"""Scalars by name."""


class Kind(NamedTuple):
    """What decides which kernels a step launches."""

    posterior: bool
    """Whether it decodes from the posterior."""

    penalised: bool
    """Whether the discriminator pays for its gradient."""


class StepGraphs:
    """Steps as CUDA graphs, one for each kind: the first few of a kind are taken as ever, then one is recorded.

    A recorded step does what was recorded, whatever Python would do by then; numbers that change from step to step have
    to lie in tensors.

    Args:
        take: Takes a step: moves the weights, and returns scalars.
        device: A GPU.
    """

    def __init__(self, take: Callable[[Kind, Batch], Values], device: torch.device) -> None:
        self._take = take
        self._device = device
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._seen = Counter[Kind]()
        self._recordings: dict[Kind, _Recording] = {}
        self._waiting = deque[Any]()

    def step(self, kind: Kind, batch: Batch) -> Values:
        """Take a step of that kind.

        Raises:
            TrainingError: Steps of the kind cannot be recorded, such as for a part that looks at a value on the host.
                PyTorch is of no further use to the process then: what a broken recording leaves is not defined.
        """
        if kind not in self._recordings:
            if self._seen[kind] < WARM_UPS:
                self._seen[kind] += 1
                return self._aside(kind, batch)
            self._recordings[kind] = self._record(kind, batch)
        values = self._recordings[kind].replay(batch)
        self._pace()
        return values

    def _aside(self, kind: Kind, batch: Batch) -> Values:
        """Take a step as ever, on the stream that recordings are made on."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            values = self._take(kind, batch)
        here.wait_stream(self._stream)
        return values

    def _pace(self) -> None:
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record()
        self._waiting.append(done)
        if len(self._waiting) > AHEAD:
            self._waiting.popleft().synchronize()

    def _record(self, kind: Kind, batch: Batch) -> _Recording:
        inputs, graph = batch.on(self._device, copy=True), torch.cuda.CUDAGraph()
        recorder = torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local")
        try:
            with holding() as held, recorder:
                values = self._take(kind, inputs)
                scalars = torch.stack([value.float() for value in values.values()])
        except (RuntimeError, BrokenPluginError) as error:
            raise TrainingError(
                f"steps cannot be recorded as CUDA graphs ({_cause(error)}); go on with --no-graphs --resume"
            ) from error
        return _Recording(graph, inputs, tuple(values), scalars, held)


class _Recording(NamedTuple):
    """A recorded step, with the memory that it reads and writes."""

    graph: Any
    inputs: Batch
    names: tuple[str, ...]
    scalars: Tensor
    held: list[Any]
    """What it reads beside its inputs and weights, and a cache might drop."""

    def replay(self, batch: Batch) -> Values:
        for kept, given in zip(self.inputs.tensors, batch.tensors, strict=True):
            kept.copy_(given, non_blocking=True)
        self.graph.replay()
        return dict(zip(self.names, self.scalars.clone().unbind(), strict=True))


def _cause(error: BaseException) -> str:
    """The first line of what went wrong first; that the recording broke is what went wrong last."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).partition("\n")[0]
