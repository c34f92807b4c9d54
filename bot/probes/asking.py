"""Finding out how several systems are, all at once and within a bounded time, however long one of them takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait

import structlog

from bot.words.sentence import Seconds, Text, said

ANSWER_SECONDS = 2.5  # less than the server waits for all of it, so that the parts that did answer are told

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Asking:
    """Asks each part on a thread of its own. One that has not answered yet is not asked a second time meanwhile."""

    def __init__(self, parts: Mapping[str, Callable[[], Text | None]], seconds: float = ANSWER_SECONDS) -> None:
        """``parts``: by name what tells None when it is fine, else what is wrong with it."""
        self._parts = parts
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[float, Future[Text | None]]] = {}

    def __call__(self) -> Mapping[str, Text | None]:
        """Every part's answer; a part that gives none in time is told as that."""
        asked = {name: self._ask(name) for name in self._parts}
        wait([future for _, future in asked.values()], self._seconds)
        now = time.monotonic()
        return {
            name: future.result() if future.done() else said("probes.silent", time=Seconds(now - since))
            for name, (since, future) in asked.items()
        }

    def _ask(self, name: str) -> tuple[float, Future[Text | None]]:
        with self._lock:
            earlier = self._asked.get(name)
            if earlier is not None and not earlier[1].done():
                return earlier
            asked = self._asked[name] = (time.monotonic(), Future())
        threading.Thread(target=self._answer, args=(name, asked[1]), name=f"asking {name}", daemon=True).start()
        return asked

    def _answer(self, name: str, future: Future[Text | None]) -> None:
        try:
            future.set_result(self._parts[name]())
        except Exception as error:  # one part's mistake is that part's answer
            future.set_result(said("probes.not_asked", error=type(error).__name__))
            log.exception("readiness_failed", part=name)
