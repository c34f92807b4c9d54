"""A stub Prometheus: the real query API's shape, with made-up counters that are good until they are told to be bad.

It reads just enough of a query to know which workloads it is about and what is counted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from aiohttp import web

from sandbox.figures import questions

Labels = dict[str, str]
Workload = tuple[str, str]

CANARY, PRIMARY = 1000, 4000  # requests in ...
COUNTED_SECONDS = 10.0
BOUNDS = {"50": 0.5, "100": 0.8, "250": 0.95, "500": 0.99, "1000": 0.999, "+Inf": 1.0}
GOOD_SHARE, BAD_SHARE = 0.001, 0.5  # of answers that are errors
SAMPLE_SECONDS = 1.0  # what goes bad has done so for so long when the first sample with it becomes visible

_NAMESPACES = re.compile(r'destination_workload_namespace=~?"([^"]*)"')
_WORKLOADS = re.compile(r'destination_workload=~?"([^"]*)"')
_OFFSET = re.compile(r"offset (\d+)(ms|s)")
_LABEL_OF_BUCKETS = re.compile(r"by \([^)]*\ble\b")


class Figures:
    """Counts of every workload, and how often somebody asked."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self.requests = 0
        self._names: dict[str, set[str]] = {}
        for namespace, name in workloads:
            self._names.setdefault(namespace, set()).add(name)
        self._bad: dict[Workload, float] = {}  # since when
        self._now: Callable[[], float] = time.time

    def spoil(self, workload: Workload) -> float:
        """From now on half of what the workload answers is an error; tells when that was."""
        return self._bad.setdefault(workload, time.time())

    def set_clock(self, now: float) -> None:
        """It is that late from now on, until it is set again: whoever steps through time says what time it is."""
        self._now = lambda: now

    def application(self) -> web.Application:
        """The query API."""
        app = web.Application()
        app.router.add_route("*", "/api/v1/query", self._query)
        return app

    async def _query(self, request: web.Request) -> web.Response:
        self.requests += 1
        asked = {**request.query, **await request.post()}
        at = float(str(asked.get("time") or self._now()))
        result = self.answer(str(asked["query"]), at)
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    def answer(self, query: str, at: float) -> list[dict[str, Any]]:
        """The vector for a query; ``vector(1)`` and its like are answered with one, ``time()`` with what time it is."""
        if not _NAMESPACES.search(query):
            return [{"metric": {}, "value": [at, f"{at:.3f}" if "time()" in query else "1"]}]
        return [
            {"metric": labels | label, "value": [at, f"{value:.15g}"]}
            for text, label in questions(query)
            for workload in self._about(text)
            for labels, value in self._samples(workload, text, at)
        ]

    def _about(self, query: str) -> Sequence[Workload]:
        namespaces = _alternatives(_first(_NAMESPACES, query)) or tuple(self._names)
        wanted = _alternatives(_first(_WORKLOADS, query))
        known = ((space, self._names.get(space, set())) for space in namespaces)
        return [(space, name) for space, names in known for name in (wanted or sorted(names)) if name in names]

    def _samples(self, workload: Workload, query: str, at: float) -> Iterable[tuple[Labels, float]]:
        labels = {"destination_workload_namespace": workload[0], "destination_workload": workload[1]}
        at -= _seconds(_OFFSET, query)
        rate = (CANARY if workload[1].endswith("-v2") else PRIMARY) / COUNTED_SECONDS
        if _LABEL_OF_BUCKETS.search(query):
            return [({**labels, "le": bound}, rate * at * share) for bound, share in BOUNDS.items()]
        if "timestamp(" in query:
            return [(labels, at)]
        if query.lstrip("(").startswith("count by"):  # which counters are new, or were not scraped
            return []
        bad = rate * (GOOD_SHARE * at + (BAD_SHARE - GOOD_SHARE) * self._bad_seconds(workload, at))
        counts = {"200": rate * at - bad, "500": bad}
        return [({**labels, "response_code": code, "grpc_response_status": ""}, n) for code, n in counts.items()]

    def _bad_seconds(self, workload: Workload, at: float) -> float:
        """For how long it was bad, as far as samples up to ``at`` show."""
        since = self._bad.get(workload, at + 1)
        return at - since + SAMPLE_SECONDS if at >= since else 0.0


def _seconds(pattern: re.Pattern[str], query: str) -> float:
    """The seconds of a window or an offset; 0 without one."""
    found = pattern.search(query)
    return float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0


def _first(pattern: re.Pattern[str], query: str) -> str:
    found = pattern.search(query)
    return found[1] if found else ""


@lru_cache(maxsize=10_000)
def _alternatives(matcher: str) -> tuple[str, ...]:
    """The names in ``a|b``; nothing for a matcher that takes anything."""
    return () if matcher in {"", ".*", ".+"} else tuple(matcher.strip("()").split("|"))
