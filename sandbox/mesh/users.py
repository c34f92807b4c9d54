"""Steady users, and the ledger of what each of their requests got.

Open loop: requests leave on time whatever happens to the earlier ones, so a slow answer never hides behind fewer
questions. What a request got is judged from the outside only: status, time, and the headers the pods answer with.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Self

import aiohttp

from sandbox.serving import Loop

NO_ANSWER = 0  # the status of a request nobody answered
ANSWER_SECONDS = 10.0
KEPT_REQUESTS = 200_000  # well over an hour at forty a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a user asks for."""

    path: str = "/reviews/0"
    headers: tuple[tuple[str, str], ...] = ()


ASKS = (Ask(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a user and what came of it."""

    at: float  # time.monotonic() when it left
    wall: float  # time.time() of the same moment
    method: str
    status: int  # NO_ANSWER if there was none
    version: str  # of the code that answered; empty if no pod did
    workload: str
    seconds: float
    ask: Ask = ASKS[0]

    @property
    def failed(self) -> bool:
        """Whether the user saw an error; no answer is one."""
        return self.status == NO_ANSWER or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class Ledger:
    """Every request, in the order the answers came. Safe from any thread; times are ``time.monotonic()``."""

    def __init__(self, keep: int = KEPT_REQUESTS) -> None:
        self._changed = threading.Condition()
        self._requests: deque[Request] = deque(maxlen=keep)
        self._total = 0
        self._answered: Counter[tuple[str, bool]] = Counter()

    def __len__(self) -> int:
        """How many requests have ended since the start, kept or not."""
        with self._changed:
            return self._total

    def add(self, request: Request) -> None:
        """Write one down."""
        with self._changed:
            self._requests.append(request)
            self._total += 1
            self._answered[request.version, request.failed] += 1
            self._changed.notify_all()

    def totals(self) -> Counter[tuple[str, bool]]:
        """How many requests have ended since the start, kept or not, by code version and whether they failed."""
        with self._changed:
            return self._answered.copy()

    def between(self, start: float = 0.0, end: float = float("inf")) -> list[Request]:
        """The requests that left at or after ``start`` and before ``end``."""
        with self._changed:
            return [request for request in self._requests if start <= request.at < end]

    def by_version(self, start: float = 0.0, end: float = float("inf")) -> Counter[str]:
        """How many requests each code version answered."""
        return Counter(request.version for request in self.between(start, end))

    def by_workload(self, start: float = 0.0, end: float = float("inf")) -> Counter[str]:
        """How many requests each workload answered."""
        return Counter(request.workload for request in self.between(start, end))

    def by_status(self, start: float = 0.0, end: float = float("inf")) -> Counter[int]:
        """How many requests got each status."""
        return Counter(request.status for request in self.between(start, end))

    @property
    def errors(self) -> list[Request]:
        """The requests that failed."""
        return [request for request in self.between() if request.failed]

    def first_error(self, start: float = 0.0) -> Request | None:
        """The earliest failed request since ``start``."""
        failed = (request for request in self.between(start) if request.failed)
        return min(failed, key=lambda request: request.at, default=None)

    def last_request_to(self, workload: str) -> Request | None:
        """The latest request a workload answered."""
        answered = (request for request in self.between() if request.workload == workload)
        return max(answered, key=lambda request: request.at, default=None)

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``condition`` holds, asked after every request; False if it does not within ``timeout``."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wait_for_more(self, count: int, timeout: float = 30.0) -> bool:
        """Wait until ``count`` more requests have ended."""
        enough = len(self) + count
        return self.wait_until(lambda: self._total >= enough, timeout)


class Users:
    """People who send ``rate`` requests a second through the gateway while the ``with`` block lasts."""

    def __init__(
        self,
        url: str,
        *,
        rate: float = 40.0,
        asks: Sequence[Ask] = ASKS,
        host: str | None = None,
        post_share: float = 0.0,
        ledger: Ledger | None = None,
    ) -> None:
        """``asks``: what they ask for, in turn; whoever asks for nothing sends nothing."""
        self.rate = rate  # may be changed at any time
        self.post_share = post_share  # of requests that are POST, 0..1
        self.ledger = Ledger() if ledger is None else ledger  # an empty one is false
        self._url = url
        self._asks = cycle(asks) if asks else None
        self._headers = {"Host": host} if host else {}
        self._leaving = asyncio.Event()
        self._loop: Loop | None = None
        self._sending: Future[None] | None = None

    def start(self) -> Self:
        """Start sending."""
        self._leaving = asyncio.Event()
        self._loop = Loop("users")
        self._sending = self._loop.start(self._send_steadily())
        return self

    def stop(self) -> None:
        """Stop sending; requests under way are waited for, so that stopping makes no errors."""
        if self._loop is None or self._sending is None:
            return
        self._loop.soon(self._leaving.set)
        self._sending.result(ANSWER_SECONDS + 5)
        self._loop.close()
        self._loop = self._sending = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _send_steadily(self) -> None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, headers=self._headers) as session,
            asyncio.TaskGroup() as under_way,
        ):
            due = time.monotonic()
            while self._asks is not None and not await self._leaves_before(due):
                under_way.create_task(self._send(session, next(self._asks)))
                due = max(due + 1 / self.rate, time.monotonic() - 1)  # after a freeze, no more than a second's burst

    async def _leaves_before(self, due: float) -> bool:
        try:
            await asyncio.wait_for(self._leaving.wait(), max(0.0, due - time.monotonic()))
        except TimeoutError:
            return self._leaving.is_set()
        return True

    async def _send(self, session: aiohttp.ClientSession, ask: Ask) -> None:
        method = "POST" if random.random() < self.post_share else "GET"
        body = b"{}" if method == "POST" else None
        at, wall = time.monotonic(), time.time()
        status, version, workload = NO_ANSWER, "", ""
        try:
            async with session.request(method, self._url + ask.path, data=body, headers=dict(ask.headers)) as response:
                await response.read()
                version = response.headers.get("x-version", "")
                workload = response.headers.get("x-workload", "")
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass  # written down as NO_ANSWER
        self.ledger.add(
            Request(
                at=at,
                wall=wall,
                method=method,
                status=status,
                version=version,
                workload=workload,
                seconds=time.monotonic() - at,
                ask=ask,
            )
        )
