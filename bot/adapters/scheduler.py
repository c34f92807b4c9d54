"""When jobs run: APScheduler, in memory. What a job does, and whether it may (leadership), is the job's business.

Nothing is remembered here: a job derives what is due from the store each time it runs. APScheduler keeps the jobs and
runs them on its threads. What is due is counted by a stopwatch instead of its wall clock: setting the clock back by an
hour would otherwise stop every look for an hour, and nobody would notice a bad canary meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from math import floor
from typing import Any

import structlog
from apscheduler.executors.base import MaxInstancesReachedError
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import STATE_STOPPED, BaseScheduler

from bot.adapters.failures import Failed, logged
from bot.adapters.wakeup import Wakeup

IDLE_SECONDS = 60.0  # between two looks at the list of jobs while there is none

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something done again and again, such as ``sweep``. ``seconds`` is from start to start."""

    name: str
    seconds: float
    run: Callable[[], None]


class Scheduler:
    """Runs each job at once and then at its interval: never twice at a time, never one for another.

    A run that is late or missed is made up for by one run, however many were missed; a run that fails is told and
    the next one comes all the same, at the time it would have come anyway.
    """

    def __init__(
        self, jobs: Sequence[Job], *, stopwatch: Callable[[], float] = time.monotonic, failed: Failed = logged
    ) -> None:
        """``stopwatch`` counts seconds that no clock setting changes; it may stand still while the machine sleeps.

        ``failed`` is told of each run that ends early: the job's name, and what was raised.
        """
        self._failed = failed
        self._jobs = tuple(jobs)
        self._quiet = threading.Condition()
        self._running = 0
        self._stopping = False
        self._scheduler = _BySteadyTime(
            Rhythms({job.name: job.seconds for job in self._jobs}),
            stopwatch,
            timezone=UTC,
            # A thread for each job, so that a slow one delays itself alone.
            executors={"default": ThreadPoolExecutor(max(1, len(self._jobs)))},
            # By the wall clock a run may seem to have been missed by an hour: it is run all the same.
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin; every job runs for the first time now."""
        for job in self._jobs:
            self._scheduler.add_job(
                self._guarded, "interval", args=[job], id=job.name, name=job.name, seconds=job.seconds
            )
        self._scheduler.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """Start no further run and wait for the running ones; False when some still run after ``seconds``."""
        with self._quiet:
            self._stopping = True
            quiet = self._quiet.wait_for(lambda: self._running == 0, seconds)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        return quiet

    def recheck(self) -> None:
        """The stopwatch may have made something due; without this it is noticed as real seconds pass."""
        self._scheduler.wakeup()

    def _guarded(self, job: Job) -> None:
        with self._quiet:
            if self._stopping:
                return
            self._running += 1
        try:
            job.run()
        except Exception as error:  # noqa: BLE001  # the next run must come: users' safety hangs on it
            self._failed(job.name, error)
        finally:
            with self._quiet:
                self._running -= 1
                self._quiet.notify_all()


class Rhythms:
    """What is due when, by seconds of a stopwatch: everything at the first call of ``due``, and each then at its own
    interval.
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        """``seconds``: each one's interval, by name."""
        self._seconds = seconds
        self._due: dict[str, float] = {}

    def due(self, now: float) -> list[str]:
        """What has become due; it is due again at the next moment of its rhythm, however late it is now."""
        begun = [name for name in self._seconds if now >= self._due.setdefault(name, now)]
        for name in begun:
            due, seconds = self._due[name], self._seconds[name]
            later = due + (floor((now - due) / seconds) + 1) * seconds
            self._due[name] = later if later > now else now + seconds  # rounded off, it may be this very moment
        return begun

    def pause(self, now: float) -> float:
        """Seconds until something is due, as far as has been looked at."""
        return max(0.0, min(self._due.values(), default=now + IDLE_SECONDS) - now)


class _BySteadyTime(BaseScheduler):  # type: ignore[misc]  # APScheduler has no types
    """APScheduler with due times of its own making; the ones it writes on its jobs are for show.

    What its manual asks of a scheduler of one's own: ``start``, ``shutdown``, ``wakeup`` and a thread that looks.
    """

    def __init__(self, rhythms: Rhythms, stopwatch: Callable[[], float], **options: Any) -> None:
        self._rhythms = rhythms
        self._stopwatch = stopwatch
        self._wakeup = Wakeup()
        self._late: set[str] = set()  # jobs of whose running run it has been told that it outlasts its interval
        self._thread = threading.Thread(target=self._keep_time, name="APScheduler", daemon=True)
        super().__init__(**options)

    def start(self, *args: Any, **kwargs: Any) -> None:
        super().start(*args, **kwargs)
        self._thread.start()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002  # APScheduler's signature
        super().shutdown(wait)
        self.wakeup()
        self._thread.join()
        self._wakeup.close()

    def wakeup(self) -> None:
        self._wakeup.wake()

    def _keep_time(self) -> None:
        while self.state != STATE_STOPPED:
            for name in self._rhythms.due(self._stopwatch()):
                self._submit(self.get_job(name))
            self._wakeup.wait(self._rhythms.pause(self._stopwatch()))

    def _submit(self, job: Any) -> None:
        try:
            self._lookup_executor(job.executor).submit_job(job, [job.next_run_time])
            self._late.discard(job.name)
        except MaxInstancesReachedError:
            self._log_late(job.name)
        except Exception:  # a thread that cannot be had now may be had at the next run
            if self.state != STATE_STOPPED:
                log.exception("job_not_begun", job=job.name)

    def _log_late(self, name: str) -> None:
        """Once for each run: a line at every interval would keep a busy machine busier."""
        if name not in self._late:
            self._late.add(name)
            log.info("job_still_runs", job=name)
