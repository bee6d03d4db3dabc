"""What happened at each step: as CSV, and for TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srzoo.errors import TrainingError
from srzoo.files import write_atomically

CLOCKS = ("images_per_second", "data_seconds")
"""Columns that differ from one run of the same recipe to the next; all others are equal to the last digit."""


class Ledger:
    """A growing table in a CSV file, of which every row that was written stays.

    Args:
        path: The CSV file.
        until: Rows of this step and later are forgotten: a resumed run writes them again.
        board: Folder for TensorBoard's own files, None for none.
    """

    def __init__(self, path: Path, until: int, board: Path | None = None) -> None:
        self._path = path
        self._columns: list[str] = []
        self._fresh: list[dict[str, str]] = []
        self._board = _board(board, until) if board is not None else None
        rows = read_ledger(path) if path.is_file() else []
        kept = [row for row in rows if _step(row) < until]
        if path.is_file():
            self._columns = list(rows[0]) if rows else []
            self._rewrite(kept)

    def add(self, step: int, stage: str, values: Mapping[str, float | str]) -> None:
        """Keep one row; it is written by `flush`."""
        texts = {name: value if isinstance(value, str) else f"{value:.7g}" for name, value in values.items()}
        self._fresh.append({"step": str(step), "stage": stage} | texts)
        if self._board is not None:
            for name, value in values.items():
                if not isinstance(value, str):
                    self._board.add_scalar(name.replace(".", "/", 1), value, step)

    def flush(self) -> None:
        """Write what was kept: to the end of the file, or with new columns as a new file.

        Raises:
            TrainingError: The file cannot be read or written to.
            WriteError: The new file cannot be written.
        """
        if not self._fresh:
            return
        joined = dict.fromkeys([*self._columns, *(name for row in self._fresh for name in row)])
        if list(joined) != self._columns or not self._path.is_file():
            old = read_ledger(self._path) if self._path.is_file() else []
            self._columns = list(joined)
            self._rewrite([*old, *self._fresh])
        else:
            try:
                with self._path.open("a", newline="", encoding="utf-8") as file:
                    file.write(self._text(self._fresh))
            except OSError as error:
                raise TrainingError(f"cannot write {self._path}: {error.strerror}") from None
        self._fresh = []
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """End TensorBoard's thread, where there is one."""
        if self._board is not None:
            self._board.close()

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        header = [{name: name for name in self._columns}] if self._columns else []
        write_atomically(self._path, self._text([*header, *rows]).encode())

    def _text(self, rows: list[dict[str, str]]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, restval="", lineterminator="\n").writerows(rows)
        return text.getvalue()


def read_ledger(path: Path) -> list[dict[str, str]]:
    """The rows of a ledger, the values as text; a last row that was cut off is left out.

    Raises:
        TrainingError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"cannot read {path}: {error}") from None
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.DictReader(io.StringIO(whole)))
    if any(None in row for row in rows):
        raise TrainingError(f"{path} has a row with more values than columns; choose another --output, or remove it")
    return [{name: value or "" for name, value in row.items()} for row in rows]


def _step(row: Mapping[str, str]) -> int:
    try:
        return int(row["step"])
    except (KeyError, ValueError):
        raise TrainingError("the ledger has a row without a step; remove it, or choose another --output") from None


def _board(folder: Path, until: int) -> Any:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=until)
