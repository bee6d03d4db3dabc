"""docs/catalogue.md is what the parts say of themselves."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from srzoo.options import Option
from srzoo.registry import KINDS

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import catalogue_page  # noqa: E402


@pytest.fixture(scope="module")
def page() -> str:
    return catalogue_page.page()


def test_the_page_is_up_to_date(page: str) -> None:
    written = catalogue_page.PAGE.read_text(encoding="utf-8")
    assert written == page, "run: python benchmarks/catalogue_page.py"


def test_every_declared_part_is_on_the_page_once(page: str) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    chapters = dict(zip(KINDS, page.split("\n## ")[1:], strict=True))
    for kind in KINDS.values():
        parts = [section.partition("`")[0] for section in chapters[kind.name].split("\n### `")[1:]]
        assert sorted(parts) == sorted(groups[kind.group]), kind.name


def test_a_part_is_told_in_full(page: str) -> None:
    section = page.split("### `timm`\n")[1].split("\n### ")[0]
    assert "A backbone of timm with its classifier taken off" in section
    assert '*Source*: Wightman, "PyTorch Image Models", 2019' in section
    assert "variants: `srzoo list encoders --family timm`" in section
    assert "| `depth` | int | `0` | >= 0, <= 16 | levels to keep, from fine; 0 keeps all |" in section.splitlines()


def test_what_markdown_would_take_for_itself_is_kept_as_text() -> None:
    option = Option("a", "int | none", None, "1, 2", "``x * y`` or <z> * [a]")
    *_, row = catalogue_page._table((option,))
    assert row == "| `a` | int \\| none | `null` | 1, 2 | `x * y` or \\<z> \\* \\[a] |"
