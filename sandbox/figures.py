"""A stand-in Prometheus: what users did to a cluster, worked out from its routes instead of measured.

``Traffic`` keeps since when which Deployment gets how many requests, and how many of them fail. A query is read just
far enough to know which metric, workloads, window and labels it is about. The clock is an argument: an hour of a
rehearsal may pass in a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from aiohttp import web

from sandbox.serving import Cut, Serving
from sandbox.wire import Moment, Request, System, Wire

WORKLOAD = "destination_workload"
BUCKETS = {"5": 0.2, "10": 0.5, "25": 0.8, "50": 0.95, "100": 0.99, "250": 0.995, "500": 0.999, "+Inf": 1.0}

_WORKLOADS = re.compile(WORKLOAD + r'=~?"([^"]*)"')
_NAMESPACE = re.compile(r'destination_workload_namespace=~?"([^"]*)"')
_OFFSET = re.compile(r"offset (\d+)(ms|s|m)")
_RANGE = re.compile(r"\[(\d+)(ms|s|m)\]")
_BY = re.compile(r"by \(([^)]*)\)")
_FAILED = re.compile(r'response_code=~"5\.\."')
_TAGGED = re.compile(r'label_replace\((.*?), "(\w+)", "([^"]*)", "", ""\)')
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class Mood(StrEnum):
    """How this Prometheus is."""

    WELL = "well"
    DOWN = "down"  # connections are reset
    FAILING = "failing"  # HTTP 503
    EMPTY = "empty"  # it has lost its series
    NAN = "nan"  # every number is none
    HALF = "half"  # the canary's series are missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Requests per second by Deployment from a moment on, and the share of them that fails."""

    since: float
    rates: Mapping[str, float]
    bad: Mapping[str, float]


@dataclass(slots=True)
class Traffic:
    """What users did so far."""

    clock: Callable[[], float]
    stretches: list[Stretch] = field(default_factory=list)
    restarted: dict[str, float] = field(default_factory=dict)  # when a Deployment's counters last began at zero

    def now(self, rates: Mapping[str, float] | None = None, bad: Mapping[str, float] | None = None) -> None:
        """From now on these rates, or these shares of failures; what is None goes on as it was."""
        at = self.clock()
        last = self.stretches[-1] if self.stretches else Stretch(since=at, rates={}, bad={})
        changed = replace(last, rates=last.rates if rates is None else rates, bad=last.bad if bad is None else bad)
        if changed != last or not self.stretches:
            self.stretches.append(replace(changed, since=at))

    def restart(self, workload: str) -> None:
        """Its pods restart: counters begin at zero, and what was not scraped is lost."""
        self.restarted[workload] = self.clock()

    def began(self, workload: str, before: float) -> bool:
        """Whether it had any request before that time."""
        return any(s.rates.get(workload, 0) > 0 and s.since < before for s in self.stretches)

    def count(self, workload: str, start: float, end: float, *, failed: bool = False) -> float:
        """Requests in a window; those that a restart lost are not in it."""
        start = max(start, self.restarted.get(workload, start))
        total = 0.0
        for index, stretch in enumerate(self.stretches):
            until = self.stretches[index + 1].since if index + 1 < len(self.stretches) else end
            seconds = max(0.0, min(end, until) - max(start, stretch.since))
            share = stretch.bad.get(workload, 0.0) if failed else 1.0
            total += seconds * stretch.rates.get(workload, 0.0) * share
        return round(total, 3)


class Figures:
    """The query API over some traffic, on loopback while the ``with`` block lasts."""

    def __init__(self, traffic: Traffic, *, namespace: str = "default", canaries: frozenset[str] = frozenset()) -> None:
        self.wire = Wire()
        self.mood = Mood.WELL
        self.queries = 0
        self._traffic = traffic
        self._namespace = namespace
        self._canaries = canaries
        app = web.Application()
        app.router.add_route("*", "/api/v1/query", self._query)
        self._serving = Serving(app, name="figures")

    def __enter__(self) -> Self:
        self._serving.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.close()

    @property
    def url(self) -> str:
        """The address for ``PROMETHEUS_URL``."""
        return self._serving.url

    async def _query(self, request: web.Request) -> web.StreamResponse:
        asked = {**request.query, **(await request.post() if request.method == "POST" else {})}
        self.queries += 1
        heard = Request(system=System.PROMETHEUS, kind="query", body=asked)
        before = self.wire.hear(heard, Moment.BEFORE)
        if self.mood is Mood.DOWN or (before and before.cut):
            return Cut()
        status = before.status if before else None
        if self.mood is Mood.FAILING or status is not None:
            said = {"status": "error", "errorType": "unavailable", "error": "the query engine is shutting down"}
            return web.json_response(said, status=status or 503)
        at = float(str(asked.get("time") or self._traffic.clock()))
        result = self.answer(str(asked["query"]), at)
        after = self.wire.hear(heard, Moment.AFTER)
        if after and after.cut:
            return Cut()
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    def answer(self, query: str, at: float) -> list[dict[str, Any]]:
        """The vector for a query. What is not about workloads is answered with one: ``vector(1)``, say."""
        if "istio_" not in query:
            return [{"metric": {}, "value": [at, "1"]}]
        return [
            {"metric": sample["metric"] | label, "value": sample["value"]}
            for text, label in questions(query)
            for sample in self._answer(text, at)
        ]

    def _answer(self, query: str, at: float) -> list[dict[str, Any]]:
        if self.mood is Mood.EMPTY or self._is_elsewhere(query):
            return []
        by = [label.strip() for label in _BY.search(query)[1].split(",")] if _BY.search(query) else []  # type: ignore[index]  # just found
        number = "NaN" if self.mood is Mood.NAN else None
        return [
            {"metric": {name: labels[name] for name in by if name in labels}, "value": [at, number or f"{value:.15g}"]}
            for labels, value in self._samples(query, at)
        ]

    def _is_elsewhere(self, query: str) -> bool:
        """About other namespaces, or about callers, of whom nobody knows anything."""
        found = _NAMESPACE.search(query)
        return "by (source_workload" in query or (found is not None and not _matches(found[1], self._namespace))

    def _samples(self, query: str, at: float) -> Iterator[tuple[dict[str, str], float]]:
        for workload in self._about(query):
            labels = {WORKLOAD: workload, "destination_workload_namespace": self._namespace}
            if "timestamp(" in query:
                shown = at - (_seconds(_OFFSET, query) or 0.0)
                if self._traffic.began(workload, shown):
                    yield labels, shown
                continue
            window = _seconds(_RANGE, query) or _seconds(_OFFSET, query)
            start = 0.0 if window is None else at - window
            if not self._traffic.began(workload, at):
                continue
            failed = bool(_FAILED.search(query))
            count = self._traffic.count(workload, start, at, failed=failed)
            if "_bucket" in query:
                yield from (({**labels, "le": bound}, count * share) for bound, share in BUCKETS.items())
            elif count or not failed:
                yield labels, count

    def _about(self, query: str) -> list[str]:
        found = _WORKLOADS.search(query)
        known = sorted({name for stretch in self._traffic.stretches for name in stretch.rates})
        wanted = [name for name in known if found is None or _matches(found[1], name)]
        return [name for name in wanted if self.mood is not Mood.HALF or name not in self._canaries]


def questions(query: str) -> Sequence[tuple[str, dict[str, str]]]:
    """The parts of a query that asks several things at once, and the label that each part's samples get."""
    tagged = [(text, {label: value}) for text, label, value in _TAGGED.findall(query)]
    return tagged or [(query, {})]


def _matches(pattern: str, name: str) -> bool:
    """As in PromQL, whole; a literal in PromQL's quotes has its backslashes doubled."""
    return re.fullmatch(pattern.replace("\\\\", "\\"), name) is not None


def _seconds(pattern: re.Pattern[str], query: str) -> float | None:
    found = pattern.search(query)
    return int(found[1]) * _UNITS[found[2]] if found else None
