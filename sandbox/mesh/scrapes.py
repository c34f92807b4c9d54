"""What stands between Prometheus and a proxy's ``/stats/prometheus``: scrapes that take long, and that fail.

Prometheus gives a scrape's samples the moment at which it began, however long the answer took. What is counted in
between is in the answer where the proxy writes its page at the end, and not where it writes it at once: both happen.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox.mesh.metrics import CONTENT_TYPE
from sandbox.serving import Cut

GATEWAY = "istio-ingressgateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """How scrapes of a workload's pods go.

    Attributes:
        seconds: how long an answer takes.
        fails_every: each so-many-th scrape of a pod fails, after its time; 1: each; 0: none.
        late: the page is written at the end of that time, and not at its beginning.
        cut: a failure is a connection that is reset, and not a 503.
    """

    seconds: float = 0.0
    fails_every: int = 0
    late: bool = True
    cut: bool = False


WELL = Scrape()


class Scrapes:
    """How scrapes go, by workload; changed live, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_workload: dict[str, Scrape] = {}
        self._lies: dict[str, str] = {}
        self.asked: Counter[str] = Counter()  # by target
        self.failed: Counter[str] = Counter()  # by target

    def set(self, workload: str, scrape: Scrape) -> None:
        """From now on its pods are scraped like that."""
        with self._lock:
            self._by_workload[workload] = scrape

    def lie(self, workload: str, page: str) -> None:
        """From now on its pods' pages say this, whatever they have counted."""
        with self._lock:
            self._lies[workload] = page

    def clear(self) -> None:
        """Every scrape is quick, succeeds, and tells the truth."""
        with self._lock:
            self._lies.clear()
            self._by_workload.clear()

    async def answer(self, workload: str, target: str, page: Callable[[], str]) -> web.StreamResponse:
        """One scrape of one target."""
        scrape, fails = self._take(workload, target)
        if (lie := self._lies.get(workload)) is not None:
            return web.Response(text=lie, headers={"Content-Type": CONTENT_TYPE})
        text = "" if scrape.late else page()
        await asyncio.sleep(scrape.seconds)
        if fails:
            return Cut() if scrape.cut else web.Response(status=503, text="upstream connect error\n")
        return web.Response(text=page() if scrape.late else text, headers={"Content-Type": CONTENT_TYPE})

    def _take(self, workload: str, target: str) -> tuple[Scrape, bool]:
        with self._lock:
            scrape = self._by_workload.get(workload, WELL)
            self.asked[target] += 1
            fails = scrape.fails_every > 0 and self.asked[target] % scrape.fails_every == 0
            if fails:
                self.failed[target] += 1
        return scrape, fails
