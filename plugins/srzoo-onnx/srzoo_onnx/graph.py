"""What an ONNX file says of itself without being run."""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto

from srzoo.errors import CheckpointError, UsageError
from srzoo.messages import one_line, suggestion

_WHOLE_NUMBERS = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING)
"""What sizes, indices and the like are stored as; weights, quantised ones too, are stored as anything else."""

_SETTINGS = {"Resize", "Upsample", "Pad", "Clip", "Range"}
"""Operators whose tensors beside the image are settings, not weights."""


def find_file(text: str) -> Path:
    """The ONNX file of that path.

    Raises:
        UsageError: None is given, there is none, or it is of another kind.
    """
    if not text:
        raise UsageError("upscaler onnx needs a file: write onnx/PATH, such as onnx/4x.onnx")
    path = Path(text).expanduser()
    if path.suffix.lower() != ".onnx":
        raise UsageError(f"onnx/{text} is no .onnx file: export the network first, see torch.onnx.export")
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.onnx")]
        raise UsageError(f"ONNX file {path} does not exist{suggestion(path.name, beside)}: check the path")
    return path


def read(path: Path) -> ModelProto:
    """Parse a file; weights in files of their own stay there.

    Raises:
        CheckpointError: It is damaged, or no ONNX file.
    """
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf has several errors of its own
        raise CheckpointError(f"{path} is no whole ONNX file ({one_line(error)}): copy or export it again") from error


def fingerprint(path: Path, model: ModelProto) -> bytes:
    """Sha256 of a file and of the files beside it that hold its weights.

    Raises:
        CheckpointError: One of those is missing.
    """
    sha = hashlib.sha256(path.read_bytes())
    for place in sorted(_external(model)):
        try:
            sha.update((path.parent / place).read_bytes())
        except OSError:
            raise CheckpointError(
                f"{path} keeps its weights in {place}, which cannot be read: put that file beside it"
            ) from None
    return sha.digest()


def _external(model: ModelProto) -> set[str]:
    """Names of the files that hold weights."""
    return {
        entry.value
        for tensor in model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }


def count_parameters(model: ModelProto) -> int:
    """Number of weights: the elements of all constant tensors but whole numbers, single values and settings.

    A normalisation that the export has folded into a convolution is no longer there to be counted.
    """
    settings = {name for node in model.graph.node if node.op_type in _SETTINGS for name in list(node.input)[1:]}
    constants = [
        (node.output[0], attribute.t)
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    named = [(tensor.name, tensor) for tensor in model.graph.initializer] + constants
    return sum(
        prod(tensor.dims)
        for name, tensor in named
        if tensor.dims and name not in settings and tensor.data_type not in _WHOLE_NUMBERS
    )
