"""Convolutions that are differentiated twice at the cost of once each."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class DifferentiableTwice(TorchFunctionMode):
    """While it is entered, 2-D convolutions are made of pieces whose gradients are convolutions of the same sizes.

    PyTorch differentiates the gradient of a convolution by one whose kernel is as large as the image; for a gradient
    penalty on a discriminator that takes longer than all else together. The values are the same, up to rounding. In a
    pass that is to be differentiated again, weights get no gradient: a penalty asks for that at the image alone.

    Source: Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020, whose
    implementation does likewise.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take convolutions over, and nothing else."""
        if func is not F.conv2d:
            return func(*args, **(kwargs or {}))
        return _convolved(*args, **(kwargs or {}))


class _Geometry(NamedTuple):
    """What a convolution is but for its tensors."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def gradient(self, y: Tensor, x: Tensor, weight: Tensor, *, of_weight: bool) -> Tensor:
        """What reaches ``weight``, else ``x``, when ``y`` reaches the result of convolving ``x`` with it."""
        given, zero = (list(self.stride), list(self.padding), list(self.dilation)), [0, 0]
        wanted = [not of_weight, of_weight, False]
        found = torch.ops.aten.convolution_backward(y, x, weight, None, *given, False, zero, self.groups, wanted)
        return found[1 if of_weight else 0]


def _convolved(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    if isinstance(padding, str) or input.ndim != 4:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    if torch.is_autocast_enabled(input.device.type):
        dtype = torch.get_autocast_dtype(input.device.type)
        input, weight, bias = input.to(dtype), weight.to(dtype), bias if bias is None else bias.to(dtype)
    y = _Convolution.apply(input, weight, _Geometry(_pair(stride), _pair(padding), _pair(dilation), groups))
    return y if bias is None else y + bias.view(-1, 1, 1)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class _Convolution(Function):
    """(x, weight) to y; linear in both, as are the gradients that reach each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return F.conv2d(x, weight, None, *geometry)

    @staticmethod
    def backward(ctx: Any, y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted, geometry = ctx.needs_input_grad, ctx.geometry
        return (
            _AtInput.apply(y, x, weight, geometry) if wanted[0] else None,
            _AtWeight.apply(y, x, weight, geometry) if wanted[1] and not torch.is_grad_enabled() else None,
            None,
        )


class _AtInput(Function):
    """(y, weight) to what reaches x, of which the sizes alone count."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(y, weight)
        ctx.geometry = geometry
        return geometry.gradient(y, x, weight, of_weight=False)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, ...]:
        y, weight = ctx.saved_tensors
        wanted, geometry = ctx.needs_input_grad, ctx.geometry
        return (
            _Convolution.apply(x, weight, geometry) if wanted[0] else None,
            None,
            _AtWeight.apply(y, x, weight, geometry) if wanted[2] else None,
            None,
        )


class _AtWeight(Function):
    """(y, x) to what reaches the weight, of which the sizes alone count."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(y, x)
        ctx.geometry = geometry
        return geometry.gradient(y, x, weight, of_weight=True)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:
        y, x = ctx.saved_tensors
        wanted, geometry = ctx.needs_input_grad, ctx.geometry
        return (
            _Convolution.apply(x, weight, geometry) if wanted[0] else None,
            _AtInput.apply(y, x, weight, geometry) if wanted[1] else None,
            None,
            None,
        )
