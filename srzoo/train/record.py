"""The numbers of a run: from the device past the guard into the ledgers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from srzoo.train.guard import BlowUp, Guard
from srzoo.train.latent import ACTIVE
from srzoo.train.ledger import Ledger

LEDGER = "ledger.csv"
UNITS = "latent.csv"
BOARD = "tensorboard"
"""Names in the folder of a run."""

PENDING = 20
"""Most rows that wait on the device before they are looked at: to look at each would keep a GPU waiting."""

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


class Recorder:
    """Takes the values of each step, and looks at them a few steps at a time.

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
        self._pending: list[tuple[int, dict[str, Tensor], dict[str, float]]] = []
        self._settled = time.monotonic()

    def add(self, step: int, values: dict[str, Tensor], facts: dict[str, float]) -> None:
        """Take the values of a step in, and what is known of it without asking the device."""
        self._pending.append((step, values, facts))

    def tell(self, step: int, name: str, value: float) -> None:
        """Add a number to the row of the last step, which may have had none."""
        if not self._pending or self._pending[-1][0] != step:
            self._pending.append((step, {}, {}))
        self._pending[-1][2][name] = value

    @property
    def full(self) -> bool:
        """Whether it is time to `settle`."""
        impatient = self._alone and time.monotonic() - self._settled >= PATIENCE
        return len(self._pending) >= PENDING or (bool(self._pending) and impatient)

    def settle(self) -> Iterator[tuple[int, dict[str, float], str]]:
        """Look at what is pending and write it: step, row and note of each.

        Raises:
            BlowUp: Training has blown up; the ledger is written as far as that row.
        """
        pending, self._pending = self._pending, []
        self._settled = time.monotonic()
        try:
            for (step, _, facts), numbers in zip(pending, _fetch([values for _, values, _ in pending]), strict=True):
                units = {name: numbers.pop(name) for name in [*numbers] if name.startswith("kl.")}
                active = {"active_units": float(sum(nats > ACTIVE for nats in units.values()))} if units else {}
                row = {**numbers, **active, **facts}
                try:
                    note = self._look(step, numbers)
                except BlowUp as error:
                    self._keep(step, row, units, str(error))
                    raise
                self._keep(step, row, units, note)
                yield step, row, note
        finally:
            for ledger in self._ledgers or ():
                ledger.flush()

    def _look(self, step: int, numbers: Mapping[str, float]) -> str:
        if self._scaled and not math.isfinite(numbers.get("gradient", 0.0)):
            numbers = {name: value for name, value in numbers.items() if name != "gradient"}
        return self._guard.look(step, numbers, self._watched)

    def _keep(self, step: int, row: Mapping[str, float], units: Mapping[str, float], note: str) -> None:
        if self._ledgers is None:
            return
        ledger, latent = self._ledgers
        said, self._before = "; ".join(filter(None, (self._before, note))), ""
        ledger.add(step, self._stage, {**row, **({"note": said} if said else {})})
        if units:
            latent.add(step, self._stage, units)


def _fetch(rows: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """The values of rows of scalars, fetched from the device at once."""
    scalars = [value.float() for row in rows for value in row.values()]
    flat = iter(torch.stack(scalars).tolist() if scalars else [])
    return [{name: next(flat) for name in row} for row in rows]
