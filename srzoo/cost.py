"""What a model costs: parameters, multiply-accumulates, seconds and memory."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode

from srzoo.checkpoint import kept_weights
from srzoo.contracts import Upscaler
from srzoo.model import Model, SRModel, WholeModel
from srzoo.scale import Scale, scaled_size
from srzoo.self_ensemble import SIDES, SelfEnsemble
from srzoo.tiling import fitted

Size = tuple[int, int]
"""Height and width of an LR image in pixels."""

OUTPUT = (720, 1280)
"""HR size, height and width, for which the literature states costs."""

RUNS = 5
"""Timed runs, of which the median counts."""

PATIENCE = 2.0
"""Seconds after which no further timed run is started."""


def standard_size(scale: Scale) -> Size:
    """LR size whose enlargement is 1280x720, rounded up where the scale does not divide that."""
    return -(-OUTPUT[0] // scale), -(-OUTPUT[1] // scale)


def count_parameters(model: Model) -> int | None:
    """Number of parameters that use needs; what only training looks at, such as a posterior, does not count.

    None where another engine than PyTorch computes and does not tell.
    """
    network = model.network
    if isinstance(network, WholeModel) and network.engine != Model.engine:
        return network.upscaler.count_parameters()
    kept: Iterable[str] = kept_weights(network) if isinstance(network, SRModel) else network.state_dict()
    names = set(kept)
    return sum(parameter.numel() for name, parameter in network.named_parameters() if name in names)


def count_macs(model: Model, size: Size) -> int | None:
    """Multiply-accumulates of enlarging one LR image of ``size``, the model's own padding included.

    Counted are convolutions, matrix products and attention, each multiplication with its addition as one; additions
    alone, activations and the like are not, so that an upscaler by plain indexing may count zero. None where another
    engine than PyTorch computes and does not tell.
    """
    if isinstance(model, SelfEnsemble):
        padded = model.padded_size(*size)
        upright, turned = (count_macs(model.model, each) for each in (padded, padded[::-1]))
        return None if upright is None or turned is None else SIDES // 2 * (upright + turned)
    if isinstance(model, WholeModel) and model.engine != Model.engine:
        return _told_macs(model.upscaler, torch.empty(1, 3, *size, device="meta"))
    try:
        with torch.device("meta"):
            return _macs(deepcopy(model).to("meta"), torch.empty(1, 3, *size))
    except Exception:
        # A third party's network may look at values, which the meta device does not have.
        return _macs(model, _noise(size).to(_device(model)))


def _told_macs(upscaler: Upscaler, lr: torch.Tensor) -> int | None:
    """What an upscaler says of all the pieces of ``lr`` that it is handed."""
    pieces: Counter[Size] = Counter()

    def enlarge(piece: torch.Tensor) -> torch.Tensor:
        n, c, height, width = piece.shape
        pieces[height, width] += 1
        return piece.new_empty(n, c, *scaled_size((height, width), upscaler.scale))

    fitted(enlarge, lr, upscaler.scale, upscaler.multiple_of, upscaler.fixed_size)
    told = [(upscaler.count_macs(*size), pieces[size]) for size in pieces]
    known = [macs * count for macs, count in told if macs is not None]
    return sum(known) if len(known) == len(told) else None


def _macs(model: Model, lr: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.enlarge(lr)
    return int(counter.get_total_flops()) // 2


@dataclass(frozen=True)
class Measurement:
    """What enlarging one image took on this machine."""

    seconds: float
    """Median over `RUNS` runs after a first one, or over fewer where they take longer than `PATIENCE`."""

    memory: int | None
    """Bytes, at the peak of the first run, beyond what was in use before it; see `measure`."""


def measure(model: Model, size: Size) -> Measurement:
    """Time the enlargement of one LR image of ``size`` and find how much more memory it takes.

    On CUDA, memory is the peak of what PyTorch has allocated on the device. On Linux it is the process's resident
    memory at its peak: weights are left out, the output and what libraries set aside for their work are included; it
    varies by some megabytes from run to run. Elsewhere the peak cannot be reset and memory is None.
    """
    was_training = model.training
    model.eval()
    lr = _noise(size).to(_device(model))
    try:
        with torch.inference_mode():
            # What libraries set up once per process is not the model's.
            model.enlarge(lr[..., : min(16, size[0]), : min(16, size[1])])
            memory = _peak(model, lr)
            times: list[float] = []
            while len(times) < RUNS and sum(times) < PATIENCE:
                times.append(_seconds(model, lr))
    finally:
        model.train(was_training)
    return Measurement(median(times), memory)


def _device(model: Model) -> torch.device:
    return model.device or torch.device("cpu")


def _noise(size: Size) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


def _seconds(model: Model, lr: torch.Tensor) -> float:
    start = perf_counter()
    model.enlarge(lr)
    if lr.is_cuda:
        torch.cuda.synchronize(lr.device)
    return perf_counter() - start


def _peak(model: Model, lr: torch.Tensor) -> int | None:
    if lr.is_cuda:
        torch.cuda.reset_peak_memory_stats(lr.device)
        before = torch.cuda.memory_allocated(lr.device)
        _seconds(model, lr)
        return torch.cuda.max_memory_allocated(lr.device) - before
    can_tell = _forget_peak()
    start = _resident("VmRSS") if can_tell else 0
    _seconds(model, lr)
    return max(0, _resident("VmHWM") - start) if can_tell else None


def _forget_peak() -> bool:
    """Give freed memory back to the system and let the peak begin anew; False where that cannot be done."""
    if not sys.platform.startswith("linux"):
        return False
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone keeps freed memory that must be asked back
    if trim is not None:
        trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(field: str) -> int:
    """A field of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
