"""An ONNX file as a function from image to image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from srzoo.errors import CheckpointError, UsageError
from srzoo.messages import one_line

Pixels = NDArray[Any]

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Element types of images, as ONNX Runtime calls them."""

_RANGES = {"Normalized_0_1": 1.0, "NominalRange_0_255": 255.0}
"""Values of the metadata ``Image.NominalPixelRange`` that are understood, with the largest value of a pixel."""

_ORDERS = {"Rgb8": False, "Bgr8": True}
"""Values of the metadata ``Image.BitmapPixelFormat`` that are understood; whether they begin with blue."""

_LEAST = 64
"""Least side in pixels of an image that a network is tried with."""

_MULTIPLES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 56, 64)
"""What sides may have to be multiples of."""


@dataclass(frozen=True)
class Input:
    """What a network takes."""

    name: str
    """Name of its input."""

    type: type[np.generic]
    """Type of its elements."""

    channels_last: bool
    """Whether it takes (1, H, W, 3) in place of (1, 3, H, W)."""

    size: tuple[int, int] | None
    """The only height and width it takes, or None for any."""

    peak: float
    """Largest value of a pixel."""

    blue_first: bool
    """Whether channels are blue, green, red."""

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape of the input for an image of that size."""
        return (1, height, width, 3) if self.channels_last else (1, 3, height, width)

    def pack(self, image: Pixels) -> Pixels:
        """(1, 3, H, W), float RGB in [0, 1], to what the network takes."""
        scaled = (image[:, ::-1] if self.blue_first else image) * np.float32(self.peak)
        if np.issubdtype(self.type, np.integer):
            scaled = np.rint(scaled.clip(0, self.peak))
        return np.ascontiguousarray(scaled.transpose(0, 2, 3, 1) if self.channels_last else scaled, self.type)


@dataclass(frozen=True)
class Output:
    """What a network gives."""

    name: str
    """Name of its output."""

    scale: int
    """By how much it is larger than the input."""

    channels_last: bool
    """Whether it is (1, H, W, 3) in place of (1, 3, H, W)."""

    peak: float
    """Largest value of a pixel."""

    blue_first: bool
    """Whether channels are blue, green, red."""

    def unpack(self, output: Pixels) -> Pixels:
        """What the network gives to (1, 3, H, W), float32 RGB in [0, 1]."""
        image = output.transpose(0, 3, 1, 2) if self.channels_last else output
        return np.ascontiguousarray(image[:, ::-1] if self.blue_first else image, np.float32) / np.float32(self.peak)


class Network:
    """An ONNX file, ready to be run by ONNX Runtime.

    What can be read off the file is: the type and order of its input's elements, one size or any, and by the metadata
    ``Image.NominalPixelRange`` and ``Image.BitmapPixelFormat`` the range of values and the order of channels; without
    them float images are RGB in [0, 1], and whole numbers go up to 255. Scale, and what its sides must be multiples
    of, are found by running it on gray.

    Args:
        path: The file.
        model: Its content, without weights that are in files of their own.

    Raises:
        CheckpointError: ONNX Runtime cannot load or run it.
        UsageError: It is no upscaler of RGB images.
    """

    def __init__(self, path: Path, model: ModelProto) -> None:
        self._path = path
        self._sessions: dict[torch.device, onnxruntime.InferenceSession] = {}
        session = self._session(torch.device("cpu"))
        self.input = _input(path, session.get_inputs(), {each.key: each.value for each in model.metadata_props})
        self._output, self.multiple_of = _try(path, session, self.input)
        self.scale = self._output.scale

    def __getstate__(self) -> dict[str, Any]:
        """All but the sessions, which cannot be copied; they are made again where they are needed."""
        return {**self.__dict__, "_sessions": {}}

    def run(self, image: Pixels, device: torch.device) -> Pixels:
        """(1, 3, H, W), float RGB in [0, 1], to (1, 3, scale * H, scale * W), float32.

        Raises:
            CheckpointError: ONNX Runtime fails.
            MemoryError: There is too little memory.
            UsageError: It cannot compute on that device.
        """
        session = self._session(device)
        try:
            (output,) = session.run([self._output.name], {self.input.name: self.input.pack(image)})
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise _failure(self._path, error) from error
        return self._output.unpack(output)

    def _session(self, device: torch.device) -> onnxruntime.InferenceSession:
        if device not in self._sessions:
            self._sessions = {device: _open(self._path, device)}
        return self._sessions[device]


def _try(path: Path, session: onnxruntime.InferenceSession, taken: Input) -> tuple[Output, int]:
    """Find out which output is the enlarged image, and what the sides of the input must be multiples of.

    A network that takes two neighbouring multiples of a number as height and width, but of no smaller number, wants
    multiples of it.
    """
    problem: Exception | None = None
    made: tuple[int, ...] = ()
    for multiple in _MULTIPLES if taken.size is None else (1,):
        side = -(-_LEAST // multiple) * multiple
        size = taken.size or (side, side + multiple)
        try:
            outputs = session.run(None, {taken.name: taken.pack(np.full((1, 3, *size), 0.5, np.float32))})
        except Exception as error:
            problem = error
            continue
        for port, output in zip(session.get_outputs(), outputs, strict=True):
            if found := _output(port.name, taken, size, output):
                return found, multiple
        made = np.shape(outputs[0])
    if problem is not None and not made:
        raise _failure(path, problem)
    raise UsageError(
        f"{path} makes {_shape(made)} of an image {_shape(taken.shape(*size))}, "
        "which is no RGB image enlarged by a whole number: choose another file"
    )


def _output(name: str, taken: Input, size: tuple[int, int], made: Any) -> Output | None:
    """What an output is, if it is the RGB image enlarged."""
    shape = np.shape(made)
    if len(shape) != 4 or shape[0] != 1 or 3 not in (shape[1], shape[3]):
        return None
    channels_last = shape[1] != 3
    height, width = shape[1:3] if channels_last else shape[2:]
    scale = height // size[0]
    if scale < 1 or (height, width) != (scale * size[0], scale * size[1]):
        return None
    peak = 255.0 if np.issubdtype(made.dtype, np.integer) else taken.peak
    return Output(name, scale, channels_last, peak, taken.blue_first)


def _open(path: Path, device: torch.device) -> onnxruntime.InferenceSession:
    """A session on that device.

    Raises:
        CheckpointError: The file cannot be loaded.
        UsageError: ONNX Runtime cannot compute there.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; nothing is to be printed beside that
    options.intra_op_num_threads = torch.get_num_threads()
    options.use_deterministic_compute = True
    try:
        session = onnxruntime.InferenceSession(path, options, providers=_providers(device))
    except UsageError:
        raise
    except Exception as error:
        raise CheckpointError(f"ONNX Runtime cannot load {path} ({_short(error)}): export it again") from error
    if device.type == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise UsageError("ONNX Runtime could not start CUDA: check its versions of CUDA and cuDNN, or use --device cpu")
    return session


def _providers(device: torch.device) -> list[str | tuple[str, dict[str, Any]]]:
    if device.type == "cpu":
        return ["CPUExecutionProvider"]
    if device.type != "cuda":
        raise UsageError(f"upscaler onnx computes on cpu and cuda, not on {device.type}: use --device cpu")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise UsageError(
            "the installed ONNX Runtime has no CUDA: pip uninstall onnxruntime and pip install onnxruntime-gpu, "
            "or use --device cpu"
        )
    return [("CUDAExecutionProvider", {"device_id": device.index or 0}), "CPUExecutionProvider"]


def _input(path: Path, inputs: Sequence[Any], facts: dict[str, str]) -> Input:
    """Read what a network takes off its inputs and metadata."""

    def refuse(what: str) -> UsageError:
        return UsageError(f"{path} {what}: srzoo hands over one RGB image, float (1, 3, H, W)")

    if len(inputs) != 1:
        raise refuse(f"has {len(inputs)} inputs ({', '.join(each.name for each in inputs)})")
    name, kind, shape = inputs[0].name, inputs[0].type, inputs[0].shape
    if kind not in _TYPES:
        raise refuse(f"takes {kind}")
    if len(shape) != 4:
        raise refuse(f"takes {_shape(shape)}, which is no image")
    channels_last = shape[1] != 3 and shape[3] == 3
    batch, channels, *size = (shape[0], shape[3], shape[1], shape[2]) if channels_last else shape
    if isinstance(channels, int) and channels != 3:
        raise refuse(f"takes images of {channels} channel{'s' * (channels > 1)}, {_shape(shape)}")
    if isinstance(batch, int) and batch != 1:
        raise refuse(f"takes {batch} images at once, {_shape(shape)}")
    fixed = [side for side in size if isinstance(side, int)]
    if len(fixed) == 1:
        raise refuse(f"has one fixed side, {_shape(shape)}; export it with both or none fixed")
    whole_numbers = np.issubdtype(_TYPES[kind], np.integer)
    pixel_range = facts.get("Image.NominalPixelRange", "NominalRange_0_255" if whole_numbers else "Normalized_0_1")
    order = facts.get("Image.BitmapPixelFormat", "Rgb8")
    if pixel_range not in _RANGES or order not in _ORDERS:
        raise refuse(f"takes pixels of the kind {pixel_range}, {order}")
    return Input(
        name, _TYPES[kind], channels_last, (fixed[0], fixed[1]) if fixed else None, _RANGES[pixel_range], _ORDERS[order]
    )


def _shape(shape: Sequence[Any]) -> str:
    return f"({', '.join(str(side if side is not None else '?') for side in shape)})"


def _failure(path: Path, error: Exception) -> Exception:
    """What to raise where a run failed."""
    if "allocate memory" in str(error) or "Available memory" in str(error):
        return MemoryError(one_line(error))
    return CheckpointError(f"ONNX Runtime cannot run {path} ({_short(error)}): export it again, with free sizes")


def _short(error: Exception) -> str:
    """An error of ONNX Runtime on one line."""
    line = one_line(error)
    return line if len(line) <= 200 else f"{line[:197]}..."
