"""Which services with a live rollout are looked at when: many at once would keep the last of them waiting for seconds.

A tick is a round of turns. Few services are all looked at in its first turn; many are spread over it, each with a turn
of its own that comes again every tick. What one turn looks at is read from Prometheus together, so the most that a
round asks for is what one turn does, times ``TURNS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

TURNS = 9  # a tick
SPREADS = (1, 3, 9)  # turns that have anything to do: divisors, so that they come at even distances
MOST = 100  # services in one turn, while there are turns left to spread them over


class Rounds:
    """Counts turns. A turn that comes late does not make the next one late."""

    def __init__(self, tick_seconds: float) -> None:
        self.seconds = tick_seconds / TURNS
        self._turn = -1
        self._due: float | None = None
        self._spread = 1

    def advance(self, now: float) -> float:
        """The next turn begins at ``now``; how many seconds late that is."""
        self._turn = (self._turn + 1) % TURNS
        due = now if self._due is None else self._due
        # After a pause there is nothing to catch up with: reconciles that were missed are made up for by one.
        self._due = (due if due + self.seconds > now else now) + self.seconds
        return max(0.0, now - due)

    @property
    def is_idle(self) -> bool:
        """Whether this turn surely has nothing to do: the last count needed fewer turns."""
        return self._turn % (TURNS // self._spread) != 0

    @property
    def is_last(self) -> bool:
        """Whether the round is over with this turn: every service has had its turn."""
        step = TURNS // self._spread
        return self._turn // step == self._spread - 1

    def turn(self, busy: Iterable[str]) -> list[str]:
        """Those of all services with a live rollout, by their keys, whose turn it is."""
        keys = list(busy)
        self._spread = next((spread for spread in SPREADS if len(keys) <= spread * MOST), TURNS)
        if self.is_idle:
            return []
        mine = self._turn // (TURNS // self._spread)
        return [key for key in keys if crc32(key.encode()) % self._spread == mine]
