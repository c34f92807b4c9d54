"""What goes wrong on request: failing methods, slow answers, an outage, broken sockets. It decides; others obey."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One refusal of a Web API method."""

    error: str
    status: int
    retry_after: int | None


class Faults:
    """The faults in force. The method name ``response_url`` stands for posts to a response_url."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, deque[Failure]] = defaultdict(deque)
        self._slow: dict[str, float] = {}
        self._duplicates = 0
        self.is_down = False
        self.sockets_are_deaf = False

    def fail(
        self,
        method: str,
        *,
        error: str = "ratelimited",
        status: int | None = None,
        retry_after: int = 1,
        times: int = 1,
    ) -> None:
        """Refuse the next ``times`` calls. ``ratelimited`` is HTTP 429 with Retry-After, other errors ``ok: false``."""
        code = status or (429 if error == "ratelimited" else 200)
        failure = Failure(error=error, status=code, retry_after=retry_after if code == 429 else None)  # noqa: PLR2004 the HTTP status
        with self._lock:
            self._failures[method].extend([failure] * times)

    def slow(self, method: str, seconds: float) -> None:
        """Do the work of ``method`` at once and answer late: the client may give up on something that happened."""
        self._slow[method] = seconds

    def down(self, is_down: bool = True) -> None:  # noqa: FBT001, FBT002 reads as slack.faults.down(True)
        """Answer every Web API call with 503."""
        self.is_down = is_down

    def deaf(self, is_deaf: bool = True) -> None:  # noqa: FBT001, FBT002 reads as slack.faults.deaf(True)
        """Keep sockets open and say nothing on them, not even pongs: a peer that vanished without a word."""
        self.sockets_are_deaf = is_deaf

    def duplicate(self, times: int = 1) -> None:
        """Deliver the next ``times`` envelopes twice."""
        with self._lock:
            self._duplicates += times

    def clear(self) -> None:
        """Everything works again."""
        with self._lock:
            self._failures.clear()
            self._slow.clear()
            self._duplicates = 0
            self.is_down = self.sockets_are_deaf = False

    def next_failure(self, method: str) -> Failure | None:
        """The refusal this call meets, if any; it is used up."""
        if self.is_down:
            return Failure(error="service_unavailable", status=503, retry_after=None)
        with self._lock:
            waiting = self._failures[method]
            return waiting.popleft() if waiting else None

    def delay(self, method: str) -> float:
        """How late this call is answered."""
        return self._slow.get(method, 0.0)

    def take_duplicate(self) -> bool:
        """Whether this envelope is delivered twice."""
        with self._lock:
            doubled = self._duplicates > 0
            self._duplicates -= int(doubled)
            return doubled
