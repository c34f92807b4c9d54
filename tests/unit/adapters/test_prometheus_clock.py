"""Rows end behind the clock that stamps samples, whatever ours says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from bot.adapters.prometheus_clock import TRIED_AGAIN, UNKNOWN, PrometheusClock
from bot.adapters.prometheus_connection import Query
from bot.model.errors import Fault

TRUE = 1_750_000_000.0  # the time when the stopwatch is at 0


@dataclass
class Prometheus:
    """Says its time: ``ahead`` seconds before the true one, one replica after another; ``took`` seconds later."""

    stopwatch: float = 0.0
    ahead: list[float] = field(default_factory=lambda: [0.0])
    took: float = 0.0
    away: bool = False
    asked: int = 0

    def ask(self, asked: Mapping[str, Query]) -> dict[str, object]:
        ahead = self.ahead[self.asked % len(self.ahead)]
        self.asked += 1
        said = TRUE + self.stopwatch + ahead
        self.stopwatch += self.took
        return {name: Fault("Prometheus", "is away.") if self.away else (({}, said),) for name in asked}

    def clock(self) -> PrometheusClock:
        return PrometheusClock(self, lambda: self.stopwatch)  # type: ignore[arg-type]  # the part that asks


@pytest.mark.parametrize(("ours", "notified"), [(0.0, 0.0), (5.0, 0.0), (-5.0, -5.0), (29.0, 0.0), (3600.0, 3570.0)])
def test_the_earlier_of_both_clocks_counts_as_long_as_they_are_not_far_apart(ours: float, notified: float) -> None:
    assert Prometheus().clock().now(TRUE + ours) == TRUE + notified


def test_what_is_told_is_never_later_than_what_prometheus_would_say() -> None:
    prometheus = Prometheus(took=2.0)
    clock = prometheus.clock()

    for _ in range(100):
        assert clock.now(TRUE + prometheus.stopwatch + 10.0) <= TRUE + prometheus.stopwatch
        prometheus.stopwatch += 7.0


def test_it_is_asked_once_a_minute_whoever_looks_and_sooner_when_it_did_not_answer() -> None:
    prometheus = Prometheus()
    clock = prometheus.clock()
    for second in range(600):
        prometheus.stopwatch = float(second)
        clock.now(TRUE)
    assert prometheus.asked == 10

    prometheus.away = True
    for second in range(600, 700):
        prometheus.stopwatch = float(second)
        assert clock.now(TRUE + second + 5.0) == TRUE + second
    assert prometheus.asked == 20


def test_of_two_replicas_the_one_whose_clock_is_behind_counts() -> None:
    prometheus = Prometheus(ahead=[0.0, -4.0])
    clock = prometheus.clock()
    clock.now(TRUE)
    for minute in range(1, 20):
        prometheus.stopwatch = minute * 60.0
        assert clock.now(TRUE + prometheus.stopwatch) == TRUE + prometheus.stopwatch - 4.0


def test_what_a_clock_said_before_it_was_set_is_forgotten() -> None:
    prometheus = Prometheus()
    clock = prometheus.clock()
    clock.now(TRUE)
    prometheus.stopwatch, prometheus.ahead = 60.0, [3600.0]
    assert clock.now(TRUE + 3660.0) == TRUE + 3660.0


def test_a_prometheus_that_never_said_its_time_leaves_ours() -> None:
    assert Prometheus(away=True).clock().now(TRUE + 5.0) == TRUE + 5.0


def test_while_its_clock_has_never_answered_no_window_is_taken_for_complete() -> None:
    prometheus = Prometheus(away=True)
    clock = prometheus.clock()
    assert (clock.surely(), clock.now(TRUE + 2.0)) == (UNKNOWN, TRUE + 2.0)

    prometheus.away, prometheus.stopwatch = False, TRIED_AGAIN
    assert clock.surely() == TRUE + TRIED_AGAIN

    prometheus.away, prometheus.stopwatch = True, 90.0
    assert clock.surely() == TRUE + 90.0
