"""The time, as everyone else gets it: an argument, fetched here."""

from __future__ import annotations

import time


class SystemClock:
    """The wall clock: what is remembered in Redis must mean the same to every replica and after a restart."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()
