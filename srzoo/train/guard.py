"""Whether training goes well: blow-ups, and a discriminator that wins or sleeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_MEMORY = 0.99
_SETTLED = 100
"""Steps after which a moving average is trusted."""

_WINS = 0.98
_SLEEPS = 0.55

_ADVICE = {
    "wins": (
        "the discriminator wins: it tells real from generated in {real:.0%} and {fake:.0%} of all cases, so the "
        "generator learns little from it; lower discriminator_learning_rate, raise r1, or give adversarial less weight"
    ),
    "sleeps": (
        "the discriminator sleeps: it is right in {real:.0%} of real and {fake:.0%} of generated cases, little better "
        "than a coin; raise discriminator_learning_rate, or give it more width"
    ),
    "plays": "the discriminator plays again: right in {real:.0%} of real and {fake:.0%} of generated cases",
}


class BlowUp(Exception):
    """A term is no number, or far above what it was; the message names it."""


@dataclass
class Guard:
    """Moving averages of what is watched; all of it goes into a checkpoint as JSON, and comes back."""

    limit: float
    """How many times its moving average an image loss may reach."""

    means: dict[str, float] = field(default_factory=dict)
    """Moving averages by name."""

    rows: dict[str, int] = field(default_factory=dict)
    """How many values each average has seen."""

    state: str = "plays"
    """What the discriminator does: plays, wins or sleeps."""

    def begin_stage(self) -> None:
        """Forget: another stage has other losses."""
        self.means, self.rows, self.state = {}, {}, "plays"

    def look(self, step: int, values: Mapping[str, float], watched: frozenset[str]) -> str:
        """Take the values of a step in.

        Args:
            step: Its number.
            values: Terms in the order in which they were computed.
            watched: Those that may not grow without bounds.

        Returns:
            What is to be said about the discriminator, mostly nothing.

        Raises:
            BlowUp: A term is no number, or far above its moving average.
        """
        for name, value in values.items():
            if not math.isfinite(value):
                raise BlowUp(f"{name} became {value} at step {step}")
        for name, value in values.items():
            if name in watched:
                mean, seen = self.means.get(name, 0.0), self.rows.get(name, 0)
                if seen >= _SETTLED and value > self.limit * mean > 0:
                    raise BlowUp(f"{name} rose to {value:.4g} at step {step}, from {mean:.4g} on average")
                self._take(name, value)
        return self._judge(values)

    def _take(self, name: str, value: float) -> None:
        seen = self.rows[name] = self.rows.get(name, 0) + 1
        memory = min(_MEMORY, 1 - 1 / seen)
        self.means[name] = memory * self.means.get(name, 0.0) + (1 - memory) * value

    def _judge(self, values: Mapping[str, float]) -> str:
        if "real_accuracy" not in values:
            return ""
        for name in ("real_accuracy", "fake_accuracy"):
            self._take(name, values[name])
        if self.rows["real_accuracy"] < _SETTLED:
            return ""
        real, fake = self.means["real_accuracy"], self.means["fake_accuracy"]
        state = "wins" if min(real, fake) > _WINS else "sleeps" if (real + fake) / 2 < _SLEEPS else "plays"
        if state == self.state:
            return ""
        self.state = state
        return _ADVICE[state].format(real=real, fake=fake)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; ``Guard(**values)`` reads them back."""
        return asdict(self)
