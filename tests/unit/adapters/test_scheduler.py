from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from bot.adapters.clock import SystemClock
from bot.adapters.scheduler import Job, Scheduler

SOON = 5.0


class Runs:
    """A job that counts, and may be made to wait or to fail."""

    def __init__(self, body: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self.at_once = 0
        self.most_at_once = 0
        self._body = body
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
        try:
            self._body()
        finally:
            with self._changed:
                self.at_once -= 1

    def reached(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, SOON)


def test_every_job_runs_at_once_and_again_whatever_the_others_do() -> None:
    release = threading.Event()
    stuck, failing, well = Runs(lambda: _wait(release)), Runs(_fail), Runs()
    scheduler = Scheduler(
        [
            Job(name="stuck", seconds=0.02, run=stuck),
            Job(name="failing", seconds=0.02, run=failing),
            Job(name="well", seconds=0.02, run=well),
        ]
    )
    scheduler.start()

    assert well.reached(3)
    assert failing.reached(3)
    assert (stuck.count, stuck.most_at_once) == (1, 1)

    release.set()
    assert scheduler.stop()


def test_the_first_run_does_not_wait_for_the_interval() -> None:
    runs = Runs()
    scheduler = Scheduler([Job(name="sweep", seconds=3600, run=runs)])

    scheduler.start()

    assert runs.reached(1)
    assert scheduler.stop()


def test_stopping_waits_for_a_running_job_but_not_for_ever() -> None:
    release = threading.Event()
    runs = Runs(lambda: _wait(release))
    scheduler = Scheduler([Job(name="sweep", seconds=3600, run=runs)])
    scheduler.start()
    assert runs.reached(1)

    assert scheduler.stop(seconds=0.05) is False

    release.set()
    assert scheduler.stop(seconds=SOON) is True


def test_the_systems_clock_tells_seconds_since_the_epoch() -> None:
    assert SystemClock().now() == pytest.approx(time.time(), abs=SOON)


def _wait(release: threading.Event) -> None:
    release.wait(SOON)


def _fail() -> None:
    raise RuntimeError("as planned")
