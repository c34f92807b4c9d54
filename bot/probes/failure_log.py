"""What fails again and again is counted each time and told once: in the log, with the traceback of our own mistake."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import structlog

from bot.controller.containment import Broken, broken, kind
from bot.model.errors import Fault
from bot.probes.own_metrics import OwnMetrics
from bot.words.sentence import Text

AGAIN = 300.0  # seconds without a failure, after which the same one is news
MOST = 5000  # things that are remembered

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Failures:
    """Of one process. Any thread may tell."""

    def __init__(self, own: OwnMetrics, stopwatch: Callable[[], float]) -> None:
        """``stopwatch`` counts seconds."""
        self._own = own
        self._stopwatch = stopwatch
        self._notified: OrderedDict[str, tuple[Text, float]] = OrderedDict()

    def job(self, name: str, error: Exception) -> None:
        """A run of a job has failed; the next one comes all the same."""
        fault = broken(error, f"run the job {name}")
        self._own.job_failed(name, kind(fault))
        self._notify(f"job {name}", "job_failed", fault, job=name)

    def item(self, about: str, error: Exception) -> None:
        """One rollout, service, record or message could not be read or served; the others were."""
        fault = broken(error, f"read or serve {about}")
        self._own.reconcile_failed(kind(fault))
        self._notify(about, "item_failed", fault, about=about)

    def _notify(self, key: str, event: str, fault: Fault, **fields: str) -> None:
        now = self._stopwatch()
        previous, at = self._notified.pop(key, ("", now))
        self._notified[key] = fault.sentence, now
        while len(self._notified) > MOST:
            self._notified.popitem(last=False)
        if previous == fault.sentence and now - at < AGAIN:
            return
        error = fault.error if isinstance(fault, Broken) else None
        log.warning(event, system=fault.system, sentence=fault.sentence, exc_info=error, **fields)
