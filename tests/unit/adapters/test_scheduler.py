from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.adapters.clock import SystemClock, stopwatch
from bot.adapters.scheduler import Job, Rhythms, Scheduler
from bot.adapters.wakeup import Wakeup
from tests.fakes.clock import FakeClock

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


def test_a_run_that_outlasts_its_interval_is_told_once_and_the_next_such_run_again() -> None:
    steady, gates = FakeClock(1000.0), [threading.Event(), threading.Event()]
    sweep, lease = Runs(lambda: _wait(gates[sweep.count - 1])), Runs()
    jobs = [Job(name="sweep", seconds=1.0, run=sweep), Job(name="lease", seconds=1.0, run=lease)]
    scheduler = Scheduler(jobs, stopwatch=steady.now)

    def late_for(intervals: int) -> None:
        for _ in range(intervals):
            count = lease.count
            steady.advance(1.01)
            scheduler.recheck()
            assert lease.reached(count + 1)  # jobs are begun in their order: the sweep has been tried

    with capture_logs() as lines:
        scheduler.start()
        assert sweep.reached(1)
        late_for(3)
        gates[0].set()
        while sweep.count < 2:
            late_for(1)
        late_for(3)
        gates[1].set()
        assert scheduler.stop()

    assert [line["job"] for line in lines if line["event"] == "job_still_runs" and line["job"] == "sweep"] == [
        "sweep"
    ] * 2


def test_a_run_that_fails_is_told_each_time_with_what_was_raised() -> None:
    seen: list[tuple[str, str]] = []
    again, other = threading.Event(), Runs()

    def failed(job: str, error: Exception) -> None:
        seen.append((job, type(error).__name__))
        if len(seen) > 1:
            again.set()

    jobs = [Job(name="sweep", seconds=0.01, run=_fail), Job(name="delivery", seconds=3600.0, run=other)]
    scheduler = Scheduler(jobs, failed=failed)
    scheduler.start()

    assert again.wait(SOON)
    assert scheduler.stop()
    assert {name for name, _ in seen} == {"sweep"}
    assert other.count == 1


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


def test_no_wall_clock_makes_a_job_due_and_none_keeps_it_waiting() -> None:
    steady, runs = FakeClock(1000.0), Runs()
    scheduler = Scheduler([Job(name="sweep", seconds=0.01, run=runs)], stopwatch=steady.now)
    scheduler.start()
    assert runs.reached(1)

    for count in range(2, 30):  # the wall clock goes on meanwhile, at whatever speed this machine has
        steady.advance(0.0101)
        scheduler.recheck()
        assert runs.reached(count)

    assert scheduler.stop()
    assert runs.count == 29


def test_every_rhythm_begins_at_once_and_keeps_its_time() -> None:
    rhythms = Rhythms({"lease": 1.0, "sweep": 10.0})

    assert rhythms.due(100.0) == ["lease", "sweep"]
    assert rhythms.pause(100.4) == pytest.approx(0.6)
    assert rhythms.due(100.9) == []
    assert rhythms.due(101.3) == ["lease"]  # late, and not the later for it at the next:
    assert rhythms.due(102.0) == ["lease"]


def test_an_hour_that_nobody_looked_is_made_up_for_by_one_run() -> None:
    rhythms = Rhythms({"sweep": 10.0})
    rhythms.due(100.0)

    assert rhythms.due(3705.0) == ["sweep"]
    assert rhythms.due(3705.1) == []
    assert rhythms.pause(3705.1) == pytest.approx(4.9)


@given(
    seconds=st.dictionaries(st.sampled_from("abc"), st.floats(0.01, 100), min_size=1),
    pauses=st.lists(st.one_of(st.floats(0, 50), st.floats(0, 4000)), max_size=50),
    start=st.floats(0, 1e7),
)
def test_no_run_is_lost_and_none_is_doubled(seconds: dict[str, float], pauses: list[float], start: float) -> None:
    rhythms, at = Rhythms(seconds), start
    assert set(rhythms.due(start)) == set(seconds)
    for pause in pauses:
        before, at = at, at + pause
        begun = rhythms.due(at)
        for name, every in seconds.items():
            # Away from the edges, where a rounded sum may fall on either side.
            turns = [floor((moment - start) / every + edge) for moment in (before, at) for edge in (-1e-3, 1e-3)]
            if turns[1] < turns[2]:
                assert name in begun
            elif turns[0] == turns[3]:
                assert name not in begun
        assert 0 <= rhythms.pause(at) <= max(seconds.values()) + 1e-6


def test_a_bell_wakes_whoever_waits_and_whoever_waits_next() -> None:
    wakeup = Wakeup()
    waiting = threading.Thread(target=wakeup.wait, args=(3600.0,))
    waiting.start()

    wakeup.wake()
    waiting.join(SOON)
    assert not waiting.is_alive()

    wakeup.wake()
    wakeup.wake()
    wakeup.wait(3600.0)
    wakeup.wait(0.0)  # nobody has called since: the time is over at once
    wakeup.close()
    wakeup.wake()


def test_the_stopwatch_goes_on_while_the_machine_sleeps() -> None:
    """Where the system has such a clock; it counts no less than the one that stops."""
    first = stopwatch()

    assert stopwatch() >= first
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert stopwatch() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=SOON)


def test_the_systems_clock_tells_seconds_since_the_epoch() -> None:
    assert SystemClock().now() == pytest.approx(time.time(), abs=SOON)


def _wait(release: threading.Event) -> None:
    release.wait(SOON)


def _fail() -> None:
    raise RuntimeError("as planned")
