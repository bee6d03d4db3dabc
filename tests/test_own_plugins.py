"""Each distribution in ``plugins/`` stands on its own: installed alone beside srzoo it passes its own tests."""

from __future__ import annotations

import ast
import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment import Environment

PLUGINS = sorted(file.parent for file in (Path(__file__).parent.parent / "plugins").glob("*/pyproject.toml"))

PUBLIC = {"contracts", "dataset", "effects", "errors", "images", "layers", "messages", "resize", "spec"}
"""What the parts of a plugin may import from srzoo."""


def module(plugin: Path) -> str:
    return plugin.name.replace("-", "_")


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or "."
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_imports_only_what_is_public_and_declares_the_rest(plugin: Path) -> None:
    facts = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name for file in (plugin / module(plugin)).rglob("*.py") for name in imported(file)}
    own = {name.split(".")[1] for name in names if name.startswith("srzoo.")}
    assert own and own <= PUBLIC
    assert (plugin / module(plugin) / "py.typed").is_file() and (plugin / "README.md").stat().st_size > 500
    assert facts["name"] == plugin.name and facts["entry-points"]
    assert not any(
        module(plugin) in name for file in (plugin.parent.parent / "srzoo").rglob("*.py") for name in imported(file)
    )


@pytest.mark.slow
@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_passes_its_tests_when_it_is_installed_alone(plugin: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.add(plugin)
    environment.pip(
        "install", f"{plugin.name}[test]"
    )  # what it needs beyond what is there comes from the package index
    found = {entry["name"]: entry for entry in json.loads(environment.run("plugins", "--json"))}
    states = [part["state"] for parts in found[plugin.name]["parts"].values() for part in parts]
    assert states and set(states) == {"ok"}
    # Its sources stay behind, so that what is tested is what was installed.
    shutil.copytree(plugin / "tests", tmp_path / "alone" / "tests")
    shutil.copy(plugin / "pyproject.toml", tmp_path / "alone")
    environment.shell("cd alone && pytest -q -p no:cacheprovider")
