"""The time, as everyone else gets it: an argument, fetched here.

Two clocks, for two questions. *When* something was is asked of the wall clock: it means the same to every replica and
after a restart, and somebody may set it. *How long ago* is asked of the stopwatch: nobody can set it.
"""

from __future__ import annotations

import sys
import time

# Linux stops CLOCK_MONOTONIC while the machine is suspended, and macOS what Python's ``monotonic`` reads: a lease that
# ended for everybody else in that time would be believed. These two clocks go on; elsewhere there is only the other.
_THROUGH_SUSPEND = getattr(time, "CLOCK_BOOTTIME", None)
if sys.platform == "darwin":
    _THROUGH_SUSPEND = time.CLOCK_MONOTONIC


class SystemClock:
    """The wall clock: what is remembered in Redis must mean the same to every replica and after a restart."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()


def stopwatch() -> float:
    """Seconds since some moment in the past. Setting the clock changes nothing; time that the machine slept counts."""
    return time.monotonic() if _THROUGH_SUSPEND is None else time.clock_gettime(_THROUGH_SUSPEND)


class SteadyClock:
    """Seconds that no setting of the time changes. Only differences of what it tells mean anything."""

    def now(self) -> float:
        """Seconds since some moment in the past."""
        return stopwatch()
