"""From a file to a network that spandrel recognises by its weights."""

from __future__ import annotations

import warnings
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from spandrel import ImageModelDescriptor, ModelLoader, StateDict, UnsupportedModelError

from srzoo.errors import CheckpointError, UsageError
from srzoo.messages import one_line, suggestion

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
"""Files that are opened."""


def find_checkpoint(text: str) -> Path:
    """The file of that path.

    Raises:
        UsageError: None is given, there is none, or it is of another kind.
    """
    if not text:
        raise UsageError("upscaler spandrel needs a checkpoint: write spandrel/PATH, such as spandrel/4x.pth")
    path = Path(text).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"spandrel/{text} is none of the files that are opened: {', '.join(SUFFIXES)}")
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*") if file.suffix.lower() in SUFFIXES]
        raise UsageError(f"checkpoint {path} does not exist{suggestion(path.name, beside)}: check the path")
    return path


def open_checkpoint(path: Path) -> ImageModelDescriptor:
    """Read a checkpoint without running anything that it holds, and find out which network it is of.

    Raises:
        CheckpointError: The file is damaged, or spandrel does not know the network.
        UsageError: The network does not enlarge photos.
    """
    weights = _read(path)
    try:
        with torch.device("cpu"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what old network code says of itself helps nobody here
            _add_extra_networks()
            descriptor = ModelLoader().load_from_state_dict(weights)
    except UnsupportedModelError:
        raise CheckpointError(
            f"{path}: spandrel {metadata.version('spandrel')} knows no network of these weights: "
            "pip install -U spandrel spandrel_extra_arches, or export it and write onnx/PATH"
        ) from None
    except Exception as error:  # each of its architectures fails in its own way on weights that do not fit
        raise CheckpointError(f"{path}: its weights do not make a whole network ({_short(error)})") from error
    if problem := refusal(descriptor):
        raise UsageError(f"{path} is {problem}")
    assert isinstance(descriptor, ImageModelDescriptor)  # `refusal` names the others
    return descriptor


def refusal(descriptor: Any) -> str:
    """Why a network is no upscaler of photos; empty if it is one."""
    name = f"a {descriptor.architecture.name} network for"
    if not isinstance(descriptor, ImageModelDescriptor):
        return f"{name} {descriptor.purpose.lower()}, which wants a mask beside the photo: choose one that enlarges"
    if descriptor.purpose == "FaceSR":
        return f"{name} faces that were cut out and aligned, not for whole photos: choose one that enlarges"
    channels = descriptor.input_channels, descriptor.output_channels
    if channels != (3, 3):
        made = f"{channels[0]} to {channels[1]} channels"
        return f"{name} images of {made}, not of RGB photos: choose one with 3 to 3 channels"
    return ""


def _add_extra_networks() -> None:
    """Let spandrel know the networks of its second distribution, whose terms are stricter, where that is installed."""
    with suppress(ImportError):
        import spandrel_extra_arches

        spandrel_extra_arches.install(ignore_duplicates=True)


def _read(path: Path) -> StateDict:
    """The weights by name, read by a restricted unpickler that runs nothing."""
    try:
        if path.suffix.lower() == ".pt":
            # spandrel would first try to run the file as a program of TorchScript.
            found = torch.load(path, map_location="cpu", weights_only=True)
        else:
            found = ModelLoader().load_state_dict_from_file(path)
    except Exception as error:  # zip, pickle and safetensors each have errors of their own
        raise CheckpointError(f"{path} cannot be read as a checkpoint ({_short(error)}): {_hint(error)}") from error
    if not isinstance(found, dict) or not found:
        raise CheckpointError(f"{path} holds no weights by name: save the network's state_dict()")
    return found


def _hint(error: Exception) -> str:
    text = str(error)
    if "TorchScript" in text or "torch.jit" in text:
        return "it is a program; save the network's state_dict() instead"
    if "forbidden" in text or "weights_only" in text.lower():
        return "it holds more than weights, which is never run; save the network's state_dict() alone"
    return "copy or download it again"


def _short(error: Exception) -> str:
    """An error of a library on one line, without its advice."""
    line = one_line(error)
    return line if len(line) <= 160 else f"{line[:157]}..."
