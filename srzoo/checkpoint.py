"""One-file models: weights as safetensors, everything else as JSON in the file's own header."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from srzoo.assembly import build_model, serves_any_scale
from srzoo.config import STAGES, ModelConfig
from srzoo.errors import CheckpointError, FixedScaleError, MissingDistributionError, PartNotFoundError, UsageError
from srzoo.files import write_atomically
from srzoo.model import SRModel
from srzoo.scale import Scale

FORMAT = "srzoo-model"
VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From format version n to n + 1, each a pure function of the header."""


def kept_weights(model: SRModel, *, training_parts: bool = False) -> dict[str, Tensor]:
    """The state of a model, without what only training looks at unless ``training_parts``."""
    dropped = () if training_parts else _training_only(model)
    return {name: value for name, value in model.state_dict().items() if not name.startswith(dropped)}


def _training_only(model: SRModel) -> tuple[str, ...]:
    return tuple(f"{stage}.{name}" for stage in STAGES for name in getattr(model, stage).training_only)


def save_model(
    model: SRModel,
    path: str | os.PathLike[str],
    *,
    half: bool = False,
    training_parts: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a model as one file that holds all that using it needs.

    Args:
        model: The model.
        path: The file to write; it appears whole or not at all.
        half: Store floating-point weights as float16.
        training_parts: Keep what only training looks at, such as a posterior, so that the model can be trained on.
        extra: Further facts for the header, such as ``training``, ``licence`` and ``scores``.

    Raises:
        WriteError: The file cannot be written.
        UsageError: The model is a whole upscaler, which is no file of srzoo's, or has no weights.
    """
    if not isinstance(model, SRModel):
        raise UsageError(f"{type(model).__name__} is not assembled from parts, and only such models are saved")
    if model.device is not None and model.device.type == "meta":
        raise UsageError("a model on the meta device has no weights to save: build it on another")
    weights = {}
    for name, value in kept_weights(model, training_parts=training_parts).items():
        stored = value.half() if half and value.is_floating_point() else value
        weights[name] = stored.detach().cpu().contiguous()
    header = {
        "format": FORMAT,
        "version": VERSION,
        "config": model.config,
        "distributions": distributions(model.config),
        "trained": model.trained,
        **(extra or {}),
    }
    write_atomically(Path(path), to_bytes(weights, metadata={"srzoo": json.dumps(header, sort_keys=True)}))


def distributions(config: Mapping[str, Any]) -> dict[str, str]:
    """Name and version of each distribution whose parts a configuration names, and of srzoo."""
    parts = (value["name"] for value in config.values() if isinstance(value, dict) and "name" in value)
    names = {name.split(":")[0] for name in parts if ":" in name} | {"srzoo"}
    return {name: metadata.version(name) for name in sorted(names)}


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file says of itself, brought up to the current format version.

    Raises:
        CheckpointError: The file is missing, cut short, a pickle, or not one of srzoo's.
    """
    path = Path(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("srzoo")
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {_what_it_is(path)} ({error})".replace("\n", " ")) from None
    if text is None:
        raise CheckpointError(f"{path} is a safetensors file, but not one of srzoo's: its header describes no model")
    try:
        header = json.loads(text)
    except json.JSONDecodeError:
        raise CheckpointError(f"{path}: the model description in its header is damaged") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else None
        raise CheckpointError(f"{path} holds {found or 'something else'}, not a model to use")
    header = _migrated(header, path)
    if not isinstance(header.get("config"), dict) or not isinstance(header.get("distributions"), dict):
        raise CheckpointError(f"{path}: the model description in its header lacks config or distributions")
    if "scale" not in header["config"]:
        raise CheckpointError(f"{path}: the model description in its header lacks the scale")
    return header


def _what_it_is(path: Path) -> str:
    if path.is_dir():
        return "a folder, not a model file"
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not start:
        return "the file is empty"
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return f"a pickled checkpoint, which srzoo never opens; with srzoo-spandrel installed write spandrel/{path}"
    if path.suffix == ".onnx":
        return f"an ONNX file; with srzoo-onnx installed write onnx/{path}"
    return "not a whole safetensors file"


def _migrated(header: dict[str, Any], path: Path) -> dict[str, Any]:
    version = header.get("version")
    if not isinstance(version, int) or version < 1:
        raise CheckpointError(f"{path} has format version {version}, which there never was; save it again")
    if version > VERSION:
        raise CheckpointError(f"{path} has format version {version}, newer than this srzoo reads; pip install -U srzoo")
    for step in range(version, VERSION):
        header = MIGRATIONS[step](header)
    return header


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of a model file with its size in bytes, its number of weights and how they are stored."""
    header = read_header(path)
    with safe_open(str(path), framework="pt") as file:
        slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118
        count = sum(torch.Size(each.get_shape()).numel() for each in slices)
        stored = sorted({str(each.get_dtype()) for each in slices})
    return {**header, "file": {"bytes": Path(path).stat().st_size, "weights": count, "stored_as": stored}}


def load_model(
    path: str | os.PathLike[str], *, device: torch.device | str = "cpu", scale: Scale | None = None
) -> SRModel:
    """Read a model file and assemble its network, in evaluation mode.

    What only training looks at and the file left out keeps fresh weights; at another scale than the file's all of it
    does, since it may depend on the scale.

    Args:
        path: The file.
        device: Where to compute.
        scale: Enlargement factor, for a model whose decoder serves any; None takes the file's own.

    Raises:
        CheckpointError: The file is damaged, foreign, or does not fit the network it describes.
        FixedScaleError: Its decoder does not serve that scale.
        MissingDistributionError: A part of it is not installed.
    """
    header = read_header(path)
    try:
        config = ModelConfig.parse(_without_pretrained(header["config"]), "its configuration")
        rescaled = scale not in (None, config.scale)
        if rescaled and not serves_any_scale(config):
            decoder = config.decoder.name
            raise FixedScaleError(
                f"{path} enlarges x{config.scale}, not x{scale}: its decoder {decoder} is made for it"
            )
        model = build_model(config.model_copy(update={"scale": scale}) if rescaled else config, for_training=False)
    except PartNotFoundError as error:
        built_with = ", ".join(f"{name} {version}" for name, version in header["distributions"].items())
        missing = _missing(header)
        hint = f"pip install {' '.join(missing)}" if missing else str(error)
        raise MissingDistributionError(f"{path} was built with {built_with}; {hint}") from None
    except FixedScaleError:
        raise
    except UsageError as error:
        raise CheckpointError(f"{path}: {error}") from None
    weights = read_weights(path)
    if rescaled and (only := _training_only(model)):
        weights = {name: value for name, value in weights.items() if not name.startswith(only)}
    load_weights(model, weights, str(path))
    model.trained = bool(header.get("trained"))
    return model.to(device).eval()


def _without_pretrained(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every part's ``pretrained`` switched off, since the file brings the weights."""
    return {
        kind: {**table, "pretrained": False} if isinstance(table, dict) and table.get("pretrained") else table
        for kind, table in config.items()
    }


def _missing(header: Mapping[str, Any]) -> list[str]:
    missing = []
    for name in header["distributions"]:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return missing


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file, floating-point ones as float32.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {_what_it_is(Path(path))} ({error})") from None
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def load_weights(model: SRModel, weights: Mapping[str, Tensor], owner: str) -> None:
    """Put ``weights`` into ``model``; only what training alone looks at may be left out.

    Raises:
        CheckpointError: A weight is missing, unknown, or of another shape.
    """
    try:
        missing, unknown = model.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{owner}: a weight does not fit the network: {reason}") from None
    wanted = [name for name in missing if not name.startswith(_training_only(model) or ("\0",))]
    if wanted or unknown:
        what = f"lacks {wanted[0]}" if wanted else f"holds {unknown[0]}, which the network does not have"
        raise CheckpointError(f"{owner}: the file {what} ({len(wanted)} missing, {len(unknown)} unknown)")
