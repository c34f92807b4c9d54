"""A stand-in Prometheus: the query API, with real PromQL, over what users did to a cluster (``traffic``).

It is scraped and asked on a clock that is an argument, and has moods.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from aiohttp import web

from sandbox.promql import Answer, Labels, Matcher, Matrix, Point, QueryError, Series, evaluate
from sandbox.serving import Cut, Serving
from sandbox.traffic import SCRAPE_SECONDS, Scraped, Traffic
from sandbox.wire import Moment, Request, System, Wire

WORKLOAD = "destination_workload"
FORGER = {"pod": "forger-0", "instance": "10.0.0.66:8080"}
_TAGGED = re.compile(r'label_replace\((.*?), "(\w+)", "([^"]*)", "", ""\)')


class Mood(StrEnum):
    """How this Prometheus is."""

    WELL = "well"
    DOWN = "down"  # connections are reset
    FAILING = "failing"  # HTTP 503
    EMPTY = "empty"  # it has lost its series
    NAN = "nan"  # every number is none
    HALF = "half"  # the canary's series are missing
    FORGED = "forged"  # somebody's pod shows failures in the name of both sides


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The samples that a Prometheus in this mood still has."""

    scraped: Scraped
    mood: Mood
    canaries: frozenset[str]

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Series]:
        forged: dict[tuple[str, ...], Series] = {}
        for labels, points in self.scraped.select(matchers, start, end):
            if not self._is_lost(labels):
                yield labels, self._remembered(labels, points)
            if self.mood is Mood.FORGED and labels.get("reporter"):
                another = {**labels, **FORGER}
                forged.setdefault(tuple(another.values()), (another, [_forged(labels, at) for at, _ in points]))
        yield from forged.values()

    def newest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[tuple[Labels, Point]]:
        forged: dict[tuple[str, ...], tuple[Labels, Point]] = {}
        for labels, point in self.scraped.newest(matchers, start, end):
            if not self._is_lost(labels):
                yield labels, self._remembered(labels, [point])[0]
            if self.mood is Mood.FORGED and labels.get("reporter"):
                another = {**labels, **FORGER}
                forged.setdefault(tuple(another.values()), (another, _forged(labels, point[0])))
        yield from forged.values()

    def _is_lost(self, labels: Labels) -> bool:
        return self.mood is Mood.EMPTY or (self.mood is Mood.HALF and labels.get(WORKLOAD) in self.canaries)

    def _remembered(self, labels: Labels, points: Sequence[Point]) -> Sequence[Point]:
        if self.mood is not Mood.NAN or "le" in labels:
            return points
        return [(at, value if value is None else math.nan) for at, value in points]


def _forged(labels: Labels, at: float) -> Point:
    """A hundred failures a second, all of them slow, and one counter that is no number."""
    if labels.get("response_code") == "200" and "le" not in labels:
        return at, math.nan
    return at, math.floor(100 * at) if labels.get("le", "+Inf") == "+Inf" else 0.0


class Figures:
    """The query API over some traffic, on loopback while the ``with`` block lasts."""

    def __init__(
        self,
        traffic: Traffic,
        *,
        namespace: str = "default",
        canaries: frozenset[str] = frozenset(),
        every: float = SCRAPE_SECONDS,
    ) -> None:
        """``every``: seconds from scrape to scrape. ``closed``: ranges as before Prometheus 3."""
        self.wire = Wire()
        self.mood = Mood.WELL
        self.queries = 0
        self.closed = False
        self.ranges = False  # whether it answers how a query went over time; a rehearsal's past is short otherwise
        self.scraped = Scraped(traffic=traffic, namespace=namespace, every=every)
        self._canaries = canaries
        app = web.Application()
        app.router.add_route("*", "/api/v1/query", self._query)
        app.router.add_route("*", "/api/v1/query_range", self._query_range)
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

    def now(self) -> float:
        """The time on Prometheus' clock."""
        return self.scraped.traffic.clock() + self.scraped.skew

    async def _query(self, request: web.Request) -> web.StreamResponse:
        asked = {**request.query, **(await request.post() if request.method == "POST" else {})}
        self.queries += 1
        heard = Request(system=System.PROMETHEUS, kind="query", body=asked)
        before = self.wire.hear(heard, Moment.BEFORE)
        if self.mood is Mood.DOWN or (before and before.cut):
            return Cut()
        status = before.status if before else None
        if self.mood is Mood.FAILING or status is not None:
            return _refused("unavailable", "the query engine is shutting down", status or 503)
        try:
            at = float(str(asked.get("time") or self.now()))
            answer = self.answer(str(asked["query"]), at)
        except QueryError as error:
            return _refused("bad_data", str(error), 400)
        after = self.wire.hear(heard, Moment.AFTER)
        if after and after.cut:
            return Cut()
        return web.json_response({"status": "success", "data": _shown(answer, at)})

    async def _query_range(self, request: web.Request) -> web.StreamResponse:
        if not self.ranges:
            raise web.HTTPNotFound
        asked = {**request.query, **(await request.post() if request.method == "POST" else {})}
        start, end, step = (float(str(asked[name])) for name in ("start", "end", "step"))
        found: dict[str, dict[str, Any]] = {}
        for number in range(int((end - start) / step) + 1):
            at = start + number * step
            answer = self.answer(str(asked["query"]), at)
            for labels, value in answer if isinstance(answer, list) else []:
                series = found.setdefault(str(sorted(labels.items())), {"metric": labels, "values": []})
                series["values"].append(_point(at, value))
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": [*found.values()]}})

    def answer(self, query: str, at: float) -> Answer:
        """The answer to a query at a moment of Prometheus' clock.

        Raises:
            QueryError: it is no query that is understood here.
        """
        database = _Remembered(self.scraped, self.mood, self._canaries)
        return evaluate(database, query, at, closed=self.closed)


def _refused(kind: str, said: str, status: int) -> web.Response:
    return web.json_response({"status": "error", "errorType": kind, "error": said}, status=status)


def _shown(answer: Answer, at: float) -> dict[str, Any]:
    if isinstance(answer, Matrix):
        series = [
            {"metric": labels, "values": [_point(*point) for point in points]} for labels, points in answer.series
        ]
        return {"resultType": "matrix", "result": series}
    if isinstance(answer, list):
        return {
            "resultType": "vector",
            "result": [{"metric": labels, "value": _point(at, value)} for labels, value in answer],
        }
    if isinstance(answer, str):
        return {"resultType": "string", "result": [at, answer]}
    return {"resultType": "scalar", "result": _point(at, answer)}


def _point(at: float, value: float) -> list[Any]:
    if math.isinf(value):
        return [at, "+Inf" if value > 0 else "-Inf"]
    return [at, "NaN" if math.isnan(value) else f"{value:.15g}"]


def questions(query: str) -> Sequence[tuple[str, dict[str, str]]]:
    """The parts of a query that asks several things at once, and the label that each part's samples get."""
    tagged = [(text, {label: value}) for text, label, value in _TAGGED.findall(query)]
    return tagged or [(query, {})]
