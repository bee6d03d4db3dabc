"""How long work shows that it goes on: a bar on standard error, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, int, str], None]
"""Called with how many steps are done, how many there are, and what is at hand."""


@contextmanager
def progress_bar() -> Iterator[Tell]:
    """A bar while the block runs, moved by what it is told."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn())
    text = TextColumn("{task.description}", markup=False)
    with Progress(*columns, text, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, count="")

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total}", description=what)

        yield tell
