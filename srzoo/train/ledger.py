"""What happened at each step, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from srzoo.checkpoint import write_atomically


class Ledger:
    """Rows of numbers in ``ledger.csv``; columns may join later.

    Args:
        path: The CSV file.
        until: Rows of this step and later are forgotten: a resumed run writes them again.
    """

    def __init__(self, path: Path, until: int) -> None:
        self._path = path
        self._rows: list[dict[str, str]] = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self._rows = [row for row in csv.DictReader(file) if int(row["step"]) < until]

    def add(self, step: int, stage: str, values: Mapping[str, float]) -> None:
        """Keep one row; it is written by `flush`."""
        row = {"step": str(step), "stage": stage}
        self._rows.append(row | {name: f"{value:.6g}" for name, value in values.items()})

    def flush(self) -> None:
        """Write the whole table, atomically."""
        columns = dict.fromkeys(name for row in self._rows for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self._path, text.getvalue().encode())
