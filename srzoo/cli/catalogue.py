"""What there is to choose from, found without importing any of it."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

from srzoo.errors import ConfigError
from srzoo.parts import PartRef

_PACKAGE = Path(__file__).parent.parent

FOLDERS = {"preset": _PACKAGE / "presets", "recipe": _PACKAGE / "recipes", "model": _PACKAGE / "weights"}
"""Where what srzoo ships ready-made lies, by what it is."""


def part_summary(ref: PartRef) -> str:
    """First line of a part's docstring, read from its source; empty where the source does not have it."""
    file = ref.source_file()
    try:
        tree = ast.parse(file.read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):  # whoever asks for the part itself is told what is wrong with it
        return ""
    name = ref.value.partition(":")[2]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def files(what: str) -> dict[str, Path]:
    """Every preset, recipe or model (``what``) by name."""
    return {file.stem: file for file in sorted(FOLDERS[what].glob("*.*")) if file.suffix in (".toml", ".safetensors")}


def file_summary(file: Path) -> str:
    """One line on a preset, recipe or model.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        if file.suffix == ".toml":
            return str(tomllib.loads(file.read_text(encoding="utf-8")).get("summary", ""))
        return _model_summary(_header(file))
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{file} cannot be read ({error}): repair it") from error


def _header(file: Path) -> dict[str, Any]:
    """What a model file says of itself; read by hand, since safetensors would bring NumPy along."""
    with file.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        header: dict[str, Any] = json.loads(json.loads(opened.read(size))["__metadata__"]["srzoo"])
    return header


def _model_summary(header: dict[str, Any]) -> str:
    """Scale, score and the losses of its stages, then what the preset of its recipe says of the network."""
    training = header["training"]
    score = f"{header['scores']['Set5']['psnr_y']:.2f} dB on Set5"
    stages = [stage for stage in training["recipe"]["stages"] if stage["name"] in training["stages"]]
    losses = ", then ".join(" + ".join(_terms(stage["prior"])) for stage in stages)
    network = file_summary(files("preset")[training["recipe"]["preset"]])
    return f"x{header['config']['scale']}, {score}, by {losses}: {network}"


def _terms(losses: dict[str, Any]) -> list[str]:
    """Names of the losses that have a weight."""
    weights = {name: term["weight"] if isinstance(term, dict) else term for name, term in losses.items()}
    return [name for name, weight in weights.items() if weight]


def match_folder(text: str) -> str:
    """``preset``, ``recipe`` or ``model`` if the text names one of them, singular or plural; else empty."""
    return next((what for what in FOLDERS if text.lower() in (what, f"{what}s")), "")
