"""What there is to choose from, found without importing any of it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from srzoo.errors import ConfigError
from srzoo.parts import PartRef

_PACKAGE = Path(__file__).parent.parent

FOLDERS = {"preset": _PACKAGE / "presets", "recipe": _PACKAGE / "recipes"}
"""Where srzoo's ready-made configurations lie, by what they are."""


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
    """Every preset or recipe (``what``) by name."""
    return {file.stem: file for file in sorted(FOLDERS[what].glob("*.toml"))}


def file_summary(file: Path) -> str:
    """The ``summary`` of a preset or recipe.

    Raises:
        ConfigError: It is not TOML.
    """
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8")).get("summary", ""))
    except ValueError as error:
        raise ConfigError(f"{file} is not TOML ({error}): repair it") from error


def match_folder(text: str) -> str:
    """``preset`` or ``recipe`` if the text names one of them, singular or plural; else empty."""
    return next((what for what in FOLDERS if text.lower() in (what, f"{what}s")), "")
