"""A clock that moves when told to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FakeClock:
    """``now()`` is what the test says."""

    time: float = 1_750_000_000.0

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds
