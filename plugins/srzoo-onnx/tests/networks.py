"""ONNX files, some exported from PyTorch and some built node by node."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F


class Small(nn.Module):
    """Two convolutions and a shuffle beside enlarging by repetition, at a lower resolution where ``multiple`` > 1."""

    def __init__(self, scale: int = 2, channels: int = 3, multiple: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv2d(channels * multiple**2, 8, 3, padding=1)
            self.last = nn.Conv2d(8, channels * (scale * multiple) ** 2, 3, padding=1)
        self.scale, self.multiple = scale, multiple

    def forward(self, lr: Tensor) -> Tensor:
        features = self.first(F.pixel_unshuffle(lr, self.multiple)).relu()
        detail = F.pixel_shuffle(self.last(features), self.scale * self.multiple)
        return 0.1 * detail + F.interpolate(lr, scale_factor=float(self.scale), mode="nearest")

    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates by hand."""
        return (self.first.weight.numel() + self.last.weight.numel()) * height * width // self.multiple**2


class Bytes(nn.Module):
    """A network for pixels from 0 to 255, blue first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor) -> Tensor:
        return self.network(lr.flip(1) / 255).flip(1) * 255


class Last(nn.Module):
    """A network whose images are (N, H, W, 3)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor) -> Tensor:
        return self.network(lr.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def export(
    network: nn.Module, path: Path, shape: Sequence[int] = (1, 3, 16, 24), *, free: Sequence[int] = (0, 2, 3)
) -> Path:
    """Export a network with the older exporter of PyTorch, which needs no further distribution."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is out of fashion, yet its files go round
        axes = {name: {axis: f"{name}{axis}" for axis in free} for name in ("lr", "sr")} if free else None
        names = {"input_names": ["lr"], "output_names": ["sr"]}
        given = torch.zeros(*shape, dtype=next(network.parameters()).dtype)
        torch.onnx.export(network.eval(), (given,), path, dynamo=False, dynamic_axes=axes, **names)
    return path


def say(path: Path, facts: Mapping[str, str]) -> None:
    """Put metadata into a file."""
    model = onnx.load(path)
    helper.set_model_props(model, dict(facts))
    onnx.save(model, path)


def repeat(path: Path, kind: int = TensorProto.UINT8, shape: Sequence[int | str] = ("n", 3, "h", "w")) -> Path:
    """A file that enlarges x2 by repetition, with elements of any type and images of any shape."""
    sizes = numpy_helper.from_array(torch.tensor([1.0] * (len(shape) - 2) + [2.0, 2.0]).numpy(), "sizes")
    node = helper.make_node("Resize", ["lr", "", "sizes"], ["sr"], mode="nearest")
    inputs = [helper.make_tensor_value_info("lr", kind, shape)]
    outputs = [helper.make_tensor_value_info("sr", kind, [None] * len(shape))]
    graph = helper.make_graph([node], "repeat", inputs, outputs, [sizes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def outside(path: Path) -> Path:
    """Move the weights of a file into one beside it; returns that."""
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    return path.with_name(f"{path.name}.data")
