"""What passes between the bot and the systems it needs, told to whoever listens: the named fail points live here.

Every stand-in (and the proxy before Redis) announces each request twice: before it is carried out, and after it was,
before its answer goes out. A listener may do what it likes meanwhile (kill the bot, say), and may ask for trouble.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class System(StrEnum):
    """Who is asked."""

    KUBERNETES = "kubernetes"
    REDIS = "redis"
    PROMETHEUS = "prometheus"
    SLACK = "slack"
    WEBHOOKS = "webhooks"


class Moment(StrEnum):
    """When a request is announced."""

    BEFORE = "before"  # it has arrived, and nothing has happened
    AFTER = "after"  # it was carried out, and nobody has been told


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of the bot's.

    Attributes:
        kind: ``update VirtualService``, ``patch Deployment/scale``, ``EVAL``, ``query``, ``chat.postMessage``,
            ``POST /path``.
        body: what came with it: a parsed body, or the words of a Redis command.
        rehearsal: a dry run; nothing comes of it.
    """

    system: System
    kind: str
    body: Any = None
    rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class Latch:
    """Keeps a request on its way until it is released; ``landed`` once it was served, whatever came of it."""

    released: threading.Event = field(default_factory=threading.Event)
    landed: threading.Event = field(default_factory=threading.Event)

    def release(self, timeout: float = 10.0) -> bool:
        """Let it go on; whether it was served."""
        self.released.set()
        return self.landed.wait(timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What becomes of an answer: late, a refusal, or a connection that is reset. All None or 0: nothing.

    ``latch`` (Kubernetes' writes only): the request hangs somewhere in the network, and lands when that is released.
    ``given_up``: whoever asked waits no longer, which here is a connection that is reset before the request goes on.
    """

    status: int | None = None
    cut: bool = False
    seconds: float = 0.0
    latch: Latch | None = None
    given_up: bool = False


Ear = Callable[[Request, Moment], Trouble | None]


class Wire:
    """Announces requests to whoever listens; the first trouble asked for is what happens."""

    def __init__(self) -> None:
        self._ears: tuple[Ear, ...] = ()

    def listen(self, ear: Ear) -> None:
        """From now on tell ``ear`` of every request, on the thread of the system that is asked."""
        self._ears = (*self._ears, ear)

    def hear(self, request: Request, moment: Moment) -> Trouble | None:
        """Announce a request."""
        answers = [ear(request, moment) for ear in self._ears]
        return next((trouble for trouble in answers if trouble is not None), None)
