"""A folder to work in, and none of the machine's own settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from srzoo.registry import REGISTRY


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a test, with the plugin switched on."""
    monkeypatch.delenv("SRZOO_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
    REGISTRY.refresh()
    return tmp_path
