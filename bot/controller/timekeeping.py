"""Notices that the wall clock was set between two looks at a rollout, and moves what the rollout waits for with it.

Known is what this process has seen: how far the wall clock was from a stopwatch when it last looked. What another
process stored is taken as it stands, but for moments that lie ahead, which nobody can have seen.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.controller.timers import caught_up, moved
from bot.model.rollout import Rollout, RolloutId

LEAST = 2.0  # seconds: less than that is two readings of two clocks with a pause between them
REMEMBERED = 10_000  # rollouts


class Timekeeper:
    """Remembers, for each rollout, its revision and the distance of both clocks at the last reconcile."""

    def __init__(
        self,
        now: Callable[[], float],
        stopwatch: Callable[[], float],
        notified: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``notified`` hears by how many seconds the clock was set, once each time."""
        self._now = now
        self._stopwatch = stopwatch
        self._notified = notified
        self._seen: dict[RolloutId, tuple[int, float]] = {}
        self._distance = self._apart()

    def kept(self, rollout: Rollout) -> Rollout:
        """The rollout with its moments as this moment's clock would have shown them."""
        apart = self._apart()
        if abs(apart - self._distance) >= LEAST:
            self._notified(apart - self._distance)
            self._distance = apart
        revision, then = self._seen.get(rollout.spec.id, (-1, apart))
        if revision == rollout.revision and abs(apart - then) >= LEAST:
            rollout = moved(rollout, apart - then, self._now())
        return caught_up(rollout, self._now())

    def reconciled(self, rollout: Rollout) -> None:
        """The reconcile is over, and this is how the rollout is stored now."""
        self._seen.pop(rollout.spec.id, None)
        if not rollout.ended:
            self._seen[rollout.spec.id] = (rollout.revision, self._distance)
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _apart(self) -> float:
        """How far ahead of the stopwatch the wall clock is."""
        before = self._stopwatch()
        now = self._now()
        return now - (before + self._stopwatch()) / 2
