"""When jobs run: APScheduler, in memory. What a job does, and whether it may (leadership), is the job's business.

Nothing is remembered here: a job derives what is due from the store each time it runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something done again and again, such as ``sweep``. ``seconds`` is from start to start."""

    name: str
    seconds: float
    run: Callable[[], None]


class Scheduler:
    """Runs each job at once and then at its interval: never twice at a time, never one for another.

    A run that is late or missed is made up for by one run, however many were missed; a run that fails is logged and
    the next one comes all the same.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = tuple(jobs)
        self._quiet = threading.Condition()
        self._running = 0
        self._stopping = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            # A thread for each job, so that a slow one delays itself alone.
            executors={"default": ThreadPoolExecutor(max(1, len(self._jobs)))},
            # APScheduler's own misfire grace is one second: a busy machine would silently lose looks.
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin; every job runs for the first time now."""
        now = datetime.fromtimestamp(time.time(), UTC)
        for job in self._jobs:
            self._scheduler.add_job(
                self._guarded,
                "interval",
                args=[job],
                id=job.name,
                name=job.name,
                seconds=job.seconds,
                next_run_time=now,
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

    def _guarded(self, job: Job) -> None:
        with self._quiet:
            if self._stopping:
                return
            self._running += 1
        try:
            job.run()
        except Exception:  # whatever it was, the next run must come: users' safety hangs on it
            log.exception("job_failed", job=job.name)
        finally:
            with self._quiet:
                self._running -= 1
                self._quiet.notify_all()
