"""Resizing as MATLAB's ``imresize`` does it, for arrays and for tensors, from one set of weights.

Source: MATLAB's ``imresize`` with antialiasing; the bicubic kernel is Keys (1981), "Cubic convolution
interpolation for digital image processing", with a = -0.5. Two edge rules are in use: ``"clamp"`` (older MATLAB,
with which most published LR images were made) repeats the border pixel, ``"symmetric"`` (newer MATLAB) mirrors
the image about its border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srzoo.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Kernel = Literal["bicubic", "lanczos3", "nearest", "cv2-cubic"]
Edge = Literal["clamp", "symmetric"]
FloatArray = NDArray[np.float64]

_BLOCK = 128
"""Output positions per matrix product: small enough to skip most zeros, large enough to keep the product fast."""


def cv2_cubic(x: FloatArray) -> FloatArray:
    """Keys' kernel with a = -0.75, that of OpenCV's ``INTER_CUBIC`` and of torch, non-zero for ``|x| < 2``."""
    x = np.abs(x)
    near = (1.25 * x - 2.25) * x * x + 1
    far = ((-0.75 * x + 3.75) * x - 6) * x + 3
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def bicubic(x: FloatArray) -> FloatArray:
    """Keys' cubic convolution kernel with a = -0.5, non-zero for ``|x| < 2``."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def lanczos3(x: FloatArray) -> FloatArray:
    """Sinc windowed by a sinc of three times its width, non-zero for ``|x| < 3``."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def box(x: FloatArray) -> FloatArray:
    """One for ``-1/2 <= x < 1/2``; unstretched it picks the nearest pixel."""
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


_KERNELS: dict[str, tuple[Callable[[FloatArray], FloatArray], int]] = {
    "bicubic": (bicubic, 4),
    "lanczos3": (lanczos3, 6),
    "nearest": (box, 1),
    "cv2-cubic": (cv2_cubic, 4),
}

_NEVER_STRETCHED = ("nearest", "cv2-cubic")


class Taps(NamedTuple):
    """Which input positions make each output position, and by how much."""

    weights: FloatArray
    """(outputs, taps); each row sums to 1."""

    indices: NDArray[np.int64]
    """(outputs, taps), in the input."""


@lru_cache(maxsize=128)
def taps(inputs: int, outputs: int, scale: Fraction, kernel: Kernel, edge: Edge, antialias: bool = True) -> Taps:
    """Interpolation weights along one axis.

    Args:
        inputs: Length of the axis before resizing.
        outputs: Length of the axis after resizing.
        scale: Enlargement factor; it need not equal ``outputs / inputs``, which MATLAB rounds up.
        kernel: ``"bicubic"``, ``"lanczos3"``, ``"nearest"`` or ``"cv2-cubic"``.
        edge: ``"clamp"`` or ``"symmetric"``.
        antialias: Stretch the kernel when shrinking. ``"nearest"`` and ``"cv2-cubic"`` are never stretched.

    Returns:
        The weights and indices. They are shared: do not write to them.
    """
    function, width = _KERNELS[kernel]
    shrink = min(scale, Fraction(1)) if antialias and kernel not in _NEVER_STRETCHED else Fraction(1)
    support = Fraction(width) / shrink
    # Integer arithmetic keeps the positions, and so the symmetry of the weights, exact for factors such as 1/3.
    p, q = scale.numerator, scale.denominator
    numerator = (2 * np.arange(outputs, dtype=np.int64) + 1) * q - p
    left = (numerator * support.denominator - support.numerator * p) // (2 * p * support.denominator)
    indices = left[:, None] + np.arange(ceil(support) + 2)
    weights = function((numerator[:, None] - 2 * p * indices) / (2 * p) * float(shrink))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return Taps(weights[:, used], _inside(indices[:, used], inputs, edge))


def _inside(indices: NDArray[np.int64], length: int, edge: Edge) -> NDArray[np.int64]:
    if edge == "clamp":
        return np.clip(indices, 0, length - 1)
    folded = indices % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


def imresize(
    array: NDArray[Any],
    *,
    scale: Fraction | float | int | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    edge: Edge = "symmetric",
    antialias: bool = True,
) -> NDArray[Any]:
    """Resize an image like MATLAB's ``imresize``, to the last bit for uint8.

    Both axes are filtered one after the other, the one that shrinks most first, rows before columns otherwise.
    For uint8 each pass is rounded (halves upward) and clipped, as MATLAB does; floats are never rounded.

    Args:
        array: (H, W) or (H, W, C), uint8 or float.
        scale: Enlargement factor for both axes; the new size is rounded up. Give this or ``size``.
        size: New (height, width) in pixels.
        kernel: ``"bicubic"``, ``"lanczos3"``, ``"nearest"`` or ``"cv2-cubic"``.
        edge: ``"symmetric"`` (newer MATLAB) or ``"clamp"`` (older MATLAB).
        antialias: Stretch the kernel when shrinking.

    Returns:
        The resized image with the dtype it came in.

    Raises:
        UsageError: If shape, dtype, kernel, edge, scale or size is not one of the above.
    """
    _check_array(array)
    _check_rules(kernel, edge)
    scales, target = _geometry((array.shape[0], array.shape[1]), scale, size)
    is_integer = array.dtype == np.uint8
    result: NDArray[Any] = array.astype(np.float64)
    for axis in sorted((0, 1), key=lambda axis: scales[axis]):
        weights, indices = taps(array.shape[axis], target[axis], scales[axis], kernel, edge, antialias)
        result = _filter(result, weights, indices, axis)
        if is_integer:
            result = np.clip(np.floor(result + 0.5), 0, 255)
    return result.astype(array.dtype)


def _filter(array: FloatArray, weights: FloatArray, indices: NDArray[np.int64], axis: int) -> FloatArray:
    # Summing tap by tap, not by a matrix product, keeps the last bit the same on every machine.
    lines = np.ascontiguousarray(np.moveaxis(array, axis, 0))
    flat = lines.reshape(lines.shape[0], -1)
    total = np.zeros((len(indices), flat.shape[1]))
    for tap in range(indices.shape[1]):
        total += weights[:, tap, None] * flat[indices[:, tap]]
    return np.moveaxis(total.reshape(len(indices), *lines.shape[1:]), 0, axis)


def _check_array(array: NDArray[Any]) -> None:
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise UsageError(f"imresize takes a non-empty (H, W) or (H, W, C) array, got shape {array.shape}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise UsageError(f"imresize takes uint8 or float arrays, got {array.dtype}; convert it first")


def _check_rules(kernel: str, edge: str) -> None:
    if kernel not in _KERNELS:
        raise UsageError(f"unknown kernel {kernel!r}; choose one of {', '.join(_KERNELS)}")
    if edge not in ("clamp", "symmetric"):
        raise UsageError(f"unknown edge rule {edge!r}; choose clamp or symmetric")


def _geometry(
    shape: tuple[int, int], scale: Fraction | float | int | None, size: tuple[int, int] | None
) -> tuple[tuple[Fraction, Fraction], tuple[int, int]]:
    """Scale and new length of both axes."""
    if (scale is None) == (size is None):
        raise UsageError("imresize takes either scale or size")
    if size is not None:
        if min(size) < 1:
            raise UsageError(f"the new size must be at least 1x1, got {size}")
        return (Fraction(size[0], shape[0]), Fraction(size[1], shape[1])), (size[0], size[1])
    assert scale is not None
    if not 0 < scale < float("inf"):
        raise UsageError(f"the scale must be a finite number above 0, got {scale}")
    # A float such as 1/3 means the fraction; taken by its bits it could round the size up by one.
    exact = Fraction(scale).limit_denominator(10_000) if isinstance(scale, float) else Fraction(scale)
    exact = exact or Fraction(scale)
    return (exact, exact), (ceil(shape[0] * exact), ceil(shape[1] * exact))


def resize_tensor(
    image: Tensor,
    size: tuple[int, int],
    kernel: Kernel = "bicubic",
    edge: Edge = "symmetric",
    antialias: bool = True,
    scale: Fraction | int | None = None,
) -> Tensor:
    """Resize a batch like `imresize` does for floats: exactly linear, differentiable, on any device.

    Half-precision images, and any under autocast, are filtered in float32: eight bits of mantissa would show. The ten
    of TF32 do not, where a process lets a GPU take it for matrix products.

    Args:
        image: (N, C, H, W), floating point.
        size: New (height, width) in pixels.
        kernel: ``"bicubic"``, ``"lanczos3"``, ``"nearest"`` or ``"cv2-cubic"``.
        edge: ``"symmetric"`` (newer MATLAB) or ``"clamp"`` (older MATLAB).
        antialias: Stretch the kernel when shrinking.
        scale: Enlargement factor of both axes, where ``size`` is a rounded one; None takes that of the sizes.

    Returns:
        (N, C, height, width) with the dtype and device of ``image``, neither rounded nor clamped.

    Raises:
        UsageError: If ``image`` is no floating-point (N, C, H, W) tensor, or a size or rule is unknown.
    """
    import torch

    _check_rules(kernel, edge)
    if image.ndim != 4 or not image.is_floating_point():
        raise UsageError(f"resize_tensor takes a float (N, C, H, W) tensor, got {image.dtype} {tuple(image.shape)}")
    height, width, target_height, target_width = (int(length) for length in (*image.shape[-2:], *size))
    if min(height, width, target_height, target_width) < 1:
        raise UsageError(f"cannot resize {height}x{width} to {target_height}x{target_width}: a side is below 1")
    dtype = torch.promote_types(image.dtype, torch.float32)
    rules = (kernel, edge, antialias)
    # Tensors that only stand for others while a graph is traced must not stay in the cache.
    cached = type(image) in (torch.Tensor, torch.nn.Parameter) and not torch.compiler.is_compiling()
    blocks = _kept_blocks if cached else _blocks
    with nullcontext() if image.device.type == "meta" else torch.autocast(image.device.type, enabled=False):
        result = image.to(dtype)
        if target_height != height or (scale or 1) != 1:
            rows = blocks(height, target_height, _factor(height, target_height, scale), *rules, dtype, image.device)
            result = torch.cat([block @ result[..., start:stop, :] for start, stop, block in rows], dim=-2)
        if target_width != width or (scale or 1) != 1:
            columns = blocks(width, target_width, _factor(width, target_width, scale), *rules, dtype, image.device)
            result = torch.cat([result[..., start:stop] @ block.mT for start, stop, block in columns], dim=-1)
        return result.to(image.dtype)


_holders: list[list[Any]] = []


@contextmanager
def holding() -> Iterator[list[Any]]:
    """Gathers what `resize_tensor` multiplies by meanwhile, for recordings that must outlive its cache."""
    held: list[Any] = []
    _holders.append(held)
    try:
        yield held
    finally:
        _holders.pop()


def _factor(inputs: int, outputs: int, scale: Fraction | int | None) -> Fraction:
    return Fraction(outputs, inputs) if scale is None else Fraction(scale)


def _blocks(
    inputs: int,
    outputs: int,
    scale: Fraction,
    kernel: Kernel,
    edge: Edge,
    antialias: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[tuple[int, int, Tensor], ...]:
    """The band matrix in pieces: (first input, last input + 1, weights (outputs of the piece, inputs of the piece))."""
    import torch

    weights, indices = taps(inputs, outputs, scale, kernel, edge, antialias)
    blocks = []
    # Without this a matrix first made while predicting could not be used in training afterwards.
    with torch.inference_mode(False):
        for first in range(0, outputs, _BLOCK):
            index, weight = indices[first : first + _BLOCK], weights[first : first + _BLOCK]
            start, stop = int(index.min()), int(index.max()) + 1
            dense = np.zeros((len(index), stop - start))
            np.add.at(dense, (np.arange(len(index))[:, None], index - start), weight)
            blocks.append((start, stop, torch.from_numpy(dense).to(device=device, dtype=dtype)))
    return tuple(blocks)


_cached_blocks = lru_cache(maxsize=64)(_blocks)


def _kept_blocks(*arguments: Any) -> tuple[tuple[int, int, Tensor], ...]:
    matrices = _cached_blocks(*arguments)
    for held in _holders:
        held.append(matrices)
    return matrices
