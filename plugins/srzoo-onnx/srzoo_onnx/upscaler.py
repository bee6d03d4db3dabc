"""ONNX files as upscalers."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import onnxruntime
import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import Upscaler
from srzoo.errors import AssemblyError
from srzoo_onnx import graph
from srzoo_onnx.macs import count_macs
from srzoo_onnx.network import Network


class OnnxUpscaler(Upscaler):
    """An ONNX file, run by ONNX Runtime.

    It takes one RGB image and gives it back enlarged, in either order of dimensions, of any floating-point type or
    uint8, of any size or of one, for which larger images are cut; others are refused. It computes where the model is:
    on the CPU, or on CUDA. For use, not for training: no gradient flows, and its weights are not PyTorch's.

    Source: ONNX Runtime, https://onnxruntime.ai.
    """

    engine = f"onnxruntime {onnxruntime.__version__}"

    fingerprint: Tensor

    def __init__(
        self, scale: int | None, *, variant: Annotated[str, Field(description="path of an .onnx file")] = ""
    ) -> None:
        super().__init__()
        path = graph.find_file(variant)
        model = graph.read(path)
        fingerprint = np.frombuffer(graph.fingerprint(path, model), np.uint8)
        self._path = path
        self._weights = graph.count_parameters(model)
        self._network = Network(path, model)
        self.scale = self._network.scale
        if scale not in (None, self.scale):
            raise AssemblyError(f"onnx/{variant} enlarges x{self.scale}, not x{scale}: ask for scale {self.scale}")
        self.fixed_size = self._network.input.size
        self.multiple_of = self.tile_multiple = self._network.multiple_of
        # It stands for the weights wherever a model is told from another, and shows which device the model is on.
        self.register_buffer("fingerprint", torch.tensor(fingerprint))

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 3, scale * H, scale * W), not clamped; without a gradient."""
        if lr.is_meta:
            n, c, height, width = lr.shape
            return lr.new_empty(n, c, int(height * self.scale), int(width * self.scale))
        images = lr.detach().float().cpu().numpy()
        enlarged = [self._network.run(images[i : i + 1], lr.device) for i in range(len(images))]
        return torch.from_numpy(np.concatenate(enlarged)).to(lr)

    def count_parameters(self) -> int:
        """Number of weights in the file; see `srzoo_onnx.graph.count_parameters`."""
        return self._weights

    def count_macs(self, height: int, width: int) -> int | None:
        """Multiply-accumulates for an LR image of that size; see `srzoo_onnx.macs.count_macs`."""
        image = np.full((1, 3, height, width), 0.5, np.float32)
        return count_macs(self._path, self._network.input.name, self._network.input.pack(image))
