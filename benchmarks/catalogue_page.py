"""Write docs/catalogue.md: every part that srzoo ships, from its entry points, docstrings and signatures.

python benchmarks/catalogue_page.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from srzoo.options import Option, describe
from srzoo.parts import description
from srzoo.registry import KINDS, OWN, REGISTRY, PartRef

PAGE = Path(__file__).parent.parent / "docs" / "catalogue.md"


def page() -> str:
    """The whole page."""
    parts = {kind: [ref for ref in REGISTRY.parts(kind) if ref.distribution == OWN] for kind in KINDS}
    lines = [
        "# Catalogue",
        "",
        f"The {sum(map(len, parts.values()))} parts that srzoo ships, kind by kind.",
        "`benchmarks/catalogue_page.py` writes this page from the parts themselves, and a test holds it up to date.",
        "`srzoo list` shows what is installed, plugins included, and `srzoo show KIND NAME` one part in full.",
        "",
        "| kind | parts |",
        "|---|---|",
    ]
    for kind, refs in parts.items():
        lines.append(f"| {_link(_title(kind))} | {', '.join(f'`{ref.name}`' for ref in refs)} |")
    for kind, refs in parts.items():
        lines += ["", f"## {_title(kind)}", "", KINDS[kind].summary]
        for ref in refs:
            lines += ["", *_part(ref)]
    return "\n".join(lines) + "\n"


def _title(kind: str) -> str:
    """A kind's name over its chapter."""
    return KINDS[kind].plural.replace("_", "-").capitalize()


def _link(title: str) -> str:
    return f"[{title}](#{title.lower()})"


def _part(ref: PartRef) -> Iterator[str]:
    """One part: what it is, where it comes from, and its options."""
    cls = ref.load()
    text = description(cls)
    yield f"### `{ref.name}`"
    yield ""
    yield _plain(text.partition("\n")[0])
    about = getattr(cls, "about", None)
    if source := _source(text) or (about.citation if about else ""):
        yield ""
        yield f"*Source*: {_plain(source)}"
    if about:
        yield ""
        yield f"*Origin*: {_plain(about.origin)}. *Licence*: {_plain(about.licence)}"
    if variants := REGISTRY.catalogue(ref):
        yield ""
        yield f"A family of {len(variants)} variants: `srzoo list {ref.kind.plural} --family {ref.name}`."
    if options := describe(cls):
        yield ""
        yield from _table(options)


def _source(text: str) -> str:
    """What follows ``Source:`` in a docstring, up to the end of the paragraph."""
    found = re.search(r"\bSource:\s+(.+?)(?:\n\s*\n|\Z)", text, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _table(options: tuple[Option, ...]) -> Iterator[str]:
    yield "| option | type | default | allowed | meaning |"
    yield "|---|---|---|---|---|"
    for option in options:
        default = f"`{json.dumps(option.default, ensure_ascii=False)}`"
        cells = [f"`{option.name}`", option.type, default, option.allowed, _plain(option.help)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text of a docstring as Markdown: code is between single backquotes, and nothing else means anything."""
    pieces = re.split(r"(`+[^`]*`+)", text)
    return "".join(
        f"`{piece.strip('`')}`" if piece.startswith("`") else re.sub(r"([*<\[])", r"\\\1", piece) for piece in pieces
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
