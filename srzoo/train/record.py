"""The numbers of a run: from the device past the guard into the ledgers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from srzoo.train.guard import BlowUp, Guard
from srzoo.train.latent import ACTIVE
from srzoo.train.ledger import Ledger

LEDGER = "ledger.csv"
UNITS = "latent.csv"
BOARD = "tensorboard"
"""Names in the folder of a run."""

GRADIENTS = ("gradient", "discriminator_gradient")
"""Norms of the gradients of all weights, before clipping."""

PENDING = 200
"""Most steps that wait on the device before they are looked at: to look at each would keep a GPU waiting."""

PATIENCE = 5.0
"""Most seconds that they wait, where steps are so slow that a person would, and no other process has to look too."""


class Clock:
    """How fast steps go from one row to the next; what else is done between them is left out by starting anew."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin anew, from now."""
        self._began, self._waited, self._steps = time.perf_counter(), 0.0, 0

    def step(self, waited: float) -> None:
        """Count a step, which waited that many seconds for its crops."""
        self._steps += 1
        self._waited += waited

    def lap(self, batch: int) -> dict[str, float]:
        """Images per second of the steps since the start, and seconds that each waited; then begin anew."""
        seconds = time.perf_counter() - self._began
        found = {"images_per_second": batch * self._steps / seconds, "data_seconds": self._waited / self._steps}
        self.start()
        return found


class _Step(NamedTuple):
    """What is known of a step."""

    number: int
    values: dict[str, Tensor]
    facts: dict[str, float]
    written: bool


class _Row(NamedTuple):
    """What is written of a step."""

    step: int
    values: dict[str, float]
    units: dict[str, float]
    note: str = ""


class Recorder:
    """Takes the values of each step, looks at them some steps at a time, and writes those that are to have a row.

    Args:
        folder: Folder of the run; None in a process that does not write.
        until: Rows of this step and later are forgotten.
        stage: Name of the stage.
        guard: Tells whether training goes well.
        watched: Terms that may not grow without bounds.
        scaled: Whether steps with gradients that are no numbers are skipped and harmless, as with float16.
        alone: Whether no other process shares the steps: all have to find a blow-up after the same one, so that several
            do not go by their clocks.
        note: What the first row is to say of what went before.
    """

    def __init__(
        self,
        folder: Path | None,
        until: int,
        stage: str,
        guard: Guard,
        watched: frozenset[str],
        *,
        scaled: bool,
        alone: bool,
        note: str = "",
    ) -> None:
        self._ledgers: tuple[Ledger, Ledger] | None = None
        if folder is not None:
            self._ledgers = Ledger(folder / LEDGER, until, folder / BOARD), Ledger(folder / UNITS, until)
        self._stage, self._guard, self._watched, self._scaled = stage, guard, watched, scaled
        self._alone, self._before = alone, note
        self._pending: list[_Step] = []
        self._seen: list[_Row] = []
        self._settled = time.monotonic()

    def add(self, step: int, values: dict[str, Tensor], facts: dict[str, float], *, written: bool = True) -> None:
        """Take the values of a step in, and what is known of it without asking the device.

        Args:
            step: Its number.
            values: Scalars on the device.
            facts: Others.
            written: Whether it is to have a row, even if there is nothing to be said of it.
        """
        self._pending.append(_Step(step, values, facts, written))

    @property
    def full(self) -> bool:
        """Whether it is time to `settle`."""
        impatient = self._alone and time.monotonic() - self._settled >= PATIENCE
        return len(self._pending) >= PENDING or (bool(self._pending) and impatient)

    def look(self) -> None:
        """Let the guard see what is pending.

        Raises:
            BlowUp: Training has blown up; the ledger is written as far as that step, which has a row.
        """
        pending, self._pending = self._pending, []
        self._settled = time.monotonic()
        for (step, _, facts, written), numbers in zip(pending, _fetch([each.values for each in pending]), strict=True):
            units = {name: numbers.pop(name) for name in [*numbers] if name.startswith("kl.")}
            active = {"active_units": float(sum(nats > ACTIVE for nats in units.values()))} if units else {}
            row = _Row(step, {**numbers, **active, **facts}, units)
            try:
                note = self._note(step, numbers)
            except BlowUp as error:
                self._seen.append(row._replace(note=str(error)))
                self._write()
                raise
            if written or note:
                self._seen.append(row._replace(note=note))

    def stop(self, reason: str) -> None:
        """Write what was looked at, with the reason of a blow-up that no term has shown as the last row's note."""
        if self._seen:
            last = self._seen[-1]
            self._seen[-1] = last._replace(note="; ".join(filter(None, (last.note, reason))))
        self._write()

    def close(self) -> None:
        """Let go of what is open; the recorder is of no further use."""
        for ledger in self._ledgers or ():
            ledger.close()

    def tell(self, name: str, value: float) -> None:
        """Add a number to the row of the last step, which the guard has seen."""
        self._seen[-1].values[name] = value

    def settle(self) -> list[tuple[int, dict[str, float], str]]:
        """`look`, and write what is to be written: step, row and note of each row.

        Raises:
            BlowUp: As `look`.
        """
        self.look()
        return [(row.step, row.values, row.note) for row in self._write()]

    def _note(self, step: int, numbers: Mapping[str, float]) -> str:
        if self._scaled:
            numbers = {name: value for name, value in numbers.items() if name not in GRADIENTS or math.isfinite(value)}
        return self._guard.look(step, numbers, self._watched)

    def _write(self) -> list[_Row]:
        seen, self._seen = self._seen, []
        if self._ledgers is not None:
            ledger, latent = self._ledgers
            for row in seen:
                said, self._before = "; ".join(filter(None, (self._before, row.note))), ""
                ledger.add(row.step, self._stage, {**row.values, **({"note": said} if said else {})})
                if row.units:
                    latent.add(row.step, self._stage, row.units)
            ledger.flush()
            latent.flush()
        return seen


def _fetch(rows: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """The values of rows of scalars, fetched from the device at once."""
    scalars = [value.float() for row in rows for value in row.values()]
    flat = iter(torch.stack(scalars).tolist() if scalars else [])
    return [{name: next(flat) for name in row} for row in rows]
