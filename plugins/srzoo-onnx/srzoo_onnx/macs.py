"""Multiply-accumulates, from the shapes that ONNX Runtime sees while it runs a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Shape = Sequence[int]

Counter = Callable[[list[Shape], Shape], int]
"""Multiply-accumulates of an operator from the shapes of its inputs and of its output."""


def _convolution(weight: int) -> Counter:
    return lambda inputs, out: prod(out) * prod(inputs[weight][1:])


def _product(inputs: list[Shape], out: Shape) -> int:
    return prod(out) * inputs[0][-1]


_COUNTERS: dict[str, Counter] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": lambda inputs, out: prod(inputs[0]) * prod(inputs[1][1:]),
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "Gemm": lambda inputs, out: prod(inputs[0]) * out[-1],
}
"""Operators that are counted."""

_UNTOLD = {"Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN"}
"""Operators that multiply, but whose shapes do not tell how much."""


def count_macs(path: Path, name: str, image: NDArray[Any]) -> int | None:
    """Multiply-accumulates of one run; None where the shapes do not tell.

    Counted are convolutions and matrix products, each multiplication with its addition as one.

    Args:
        path: The file.
        name: Name of its input.
        image: What to hand over.
    """
    total = 0
    for event in _events(path, name, image):
        facts = event["args"]
        operator = facts["op_name"]
        if operator in _UNTOLD:
            return None
        if operator in _COUNTERS:
            inputs = [shape for each in facts["input_type_shape"] for shape in each.values()]
            (out,) = facts["output_type_shape"][0].values()
            total += _COUNTERS[operator](inputs, out)
    return total


def _events(path: Path, name: str, image: NDArray[Any]) -> list[dict[str, Any]]:
    """What ONNX Runtime's profiler writes down of every operator while the graph is run as it stands in the file."""
    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")  # what is packed is not written down
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        session.run(None, {name: np.ascontiguousarray(image)})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [event for event in events if "input_type_shape" in event.get("args", {})]
