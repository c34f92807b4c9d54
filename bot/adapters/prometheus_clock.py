"""What time it is where samples are stamped: rows end behind that clock, however far ours is ahead of it.

Prometheus is asked for its time once a minute, and a stopwatch tells how much has passed since. An answer was true at
some moment before it came, so what is told is never later than what Prometheus itself would say, and a sample that is
older than a scrape may take is surely there: no sample of a row that was read comes after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Lock

from bot.adapters import queries
from bot.adapters.prometheus_connection import PrometheusConnection, Query
from bot.model.errors import Fault
from bot.words.sentence import said

ASKED_AGAIN = 60.0  # seconds
TRIED_AGAIN = 10.0  # seconds after it was not answered
KEPT = 5  # answers; where several replicas answer in turn, the one that is behind counts
FARTHEST = 30.0  # seconds that clocks may be apart; a clock that is farther off is believed no farther
UNKNOWN = -math.inf
CLOCK = "clock"
ABOUT_CLOCK = said("adapters.about_clock")  # what a query for it is for, where it is refused


class PrometheusClock:
    """The earlier of two clocks: our own and Prometheus's. May be asked from any thread."""

    def __init__(self, connection: PrometheusConnection, stopwatch: Callable[[], float]) -> None:
        self._connection = connection
        self._stopwatch = stopwatch
        self._ahead: list[float] = []  # how far Prometheus is ahead of the stopwatch, by its last answers
        self._is_silent = True  # whether the last question was not answered
        self._next: float | None = None  # when it is asked next, by the stopwatch
        self._lock = Lock()

    def now(self, ours: float) -> float:
        """The time until when samples may have been taken, by Prometheus's clock; ``ours`` where it is not known."""
        theirs = self.surely()
        return ours if theirs is None or theirs == UNKNOWN else max(ours - FARTHEST, min(ours, theirs))

    def surely(self) -> float | None:
        """A time that Prometheus's clock has surely reached.

        ``UNKNOWN`` while it has never answered: no window may be taken for complete. None where it answers without a
        time, as no Prometheus does: such a back end is taken to go by our clock.
        """
        with self._lock:
            if self._next is None or self._stopwatch() >= self._next:
                self._ask()
            if self._ahead:
                return min(self._ahead) + self._stopwatch()
            return UNKNOWN if self._is_silent else None

    def _ask(self) -> None:
        query = Query(about=ABOUT_CLOCK, text=queries.CLOCK)
        answer = self._connection.ask({CLOCK: query})[CLOCK]
        came = self._stopwatch()
        self._is_silent = isinstance(answer, Fault)
        if isinstance(answer, Fault) or not answer or not math.isfinite(answer[0][1]):
            self._next = came + TRIED_AGAIN
            return
        self._next = came + ASKED_AGAIN
        ahead = answer[0][1] - came
        # After a clock was set or a machine slept, what was answered before says nothing any more.
        near = [one for one in self._ahead if abs(one - ahead) <= FARTHEST]
        self._ahead = [*near[1 - KEPT :], ahead]
