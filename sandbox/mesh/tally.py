"""Counting events by kind: totals since the start and rates of the last seconds, for live views and tests."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Generic, TypeVar

Kind = TypeVar("Kind")

RATE_SECONDS = 5.0


class Tally(Generic[Kind]):
    """Totals and recent rates; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: Counter[Kind] = Counter()
        self._recent: deque[tuple[float, Kind]] = deque()

    def add(self, kind: Kind) -> None:
        """Count one event, now."""
        now = time.monotonic()
        with self._lock:
            self._totals[kind] += 1
            self._recent.append((now, kind))
            self._forget(now)

    def totals(self) -> Counter[Kind]:
        """Events since the start, by kind."""
        with self._lock:
            return self._totals.copy()

    def per_second(self) -> dict[Kind, float]:
        """Events per second over the last seconds, by kind."""
        with self._lock:
            self._forget(time.monotonic())
            recent = Counter(kind for _, kind in self._recent)
        return {kind: count / RATE_SECONDS for kind, count in recent.items()}

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - RATE_SECONDS:
            self._recent.popleft()
