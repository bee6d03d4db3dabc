"""Words for messages: what was meant, what went wrong, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_OURS = Path(__file__).parent
_SITE = ("site-packages", "dist-packages")
"""Folders of what is installed, which may lie within Python's own."""


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Ask back when a name was mistyped: `` (did you mean 'strided'?)``, or nothing where none is close."""
    close = difflib.get_close_matches(wrong, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shortened(text: str) -> str:
    """Keep the beginning of a text that is too long for a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(error: BaseException) -> str:
    """Type and message of an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def traced_line(error: BaseException) -> str:
    """Type and message of an error on one line, with the place in a third party's code where it arose.

    That is the innermost line of whoever was called first beside srzoo, PyTorch and Python themselves, such as
    `` at srzoo_mine/decoder.py:12``; nothing where nobody was.
    """
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_third_partys(frame.filename)]
    if not frames:
        return one_line(error)
    home = Path(frames[0].filename).parent
    last = next(frame for frame in reversed(frames) if Path(frame.filename).is_relative_to(home))
    place = Path(last.filename)
    return f"{one_line(error)} at {place.parent.name}/{place.name}:{last.lineno}"


def _is_third_partys(file: str) -> bool:
    import sysconfig

    path = Path(file)
    if file.startswith("<") or path.is_relative_to(_OURS) or "torch" in path.parts:
        return False
    return not path.is_relative_to(sysconfig.get_path("stdlib")) or any(folder in path.parts for folder in _SITE)
