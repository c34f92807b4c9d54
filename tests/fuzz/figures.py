"""Targets: what Prometheus answers, and what is asked of it."""

from __future__ import annotations

import functools
import io
import itertools
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from requests import Response, Session

from bot.adapters import queries
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.analysis.analysis import analyse
from bot.controller.ports import Window
from bot.model.figures import Figures, SideFigures
from bot.model.service import CustomGate, GateLimits
from sandbox.promql.parsing import Select, parse
from tests.builders import a_rollout, a_service
from tests.fuzz.law import demand, read_json

URL = "http://prometheus.invalid"
NOW = 1_800_000_000.0
KNOWN = frozenset(
    {queries.NAMESPACE, queries.WORKLOAD, queries.CALLER, "destination_service", "reporter", "cluster", "app", "n"}
    | {"component", "namespace", "pod", "__name__"}
)
OWN = 'max(x{app="$deployment",n="$namespace",$labels}[$window])'
GATES = GateLimits(custom=(CustomGate(name="queue", query='max(queue{app="$deployment"}[$window])', maximum=1.0),))


def prometheus(data: bytes) -> None:
    """Answers, one after another: to every question of a read, of a start, and of a picture."""
    connection, answers = _connection()
    answers.say(data)
    metrics = PrometheusMetrics(connection, stopwatch=lambda: 0.0)
    now = metrics.clock(NOW)
    demand(NOW - 60 <= now <= NOW, "clock", now)
    service = a_service(gates=GATES)
    rollout = a_rollout(service)
    for found in metrics.read([Window(rollout=rollout, since=NOW - 60, until=NOW)]).values():
        if isinstance(found, Figures):
            _demand_counts(found)
            analyse(rollout, found)
    # Each is another question, so that one for an input is enough: which, is the input's to say.
    questions = (
        lambda: metrics.telemetry(service, "reviews-v2", NOW),
        lambda: metrics.callers(service, "reviews-v2", NOW),
        lambda: metrics.rows(service, ["reviews-v1", "reviews-v2"], NOW - 60, NOW),
        metrics.ping,
    )
    questions[len(data) % len(questions)]()


def promql(data: bytes) -> None:
    """Names and labels that go into questions: each stays one value of one matcher."""
    given = read_json(data)
    names = [str(one) for one in given][:6] if isinstance(given, list) else []
    if len(names) < 6:  # as many as are used below
        return
    space, workload, reporter, source, value, host = names
    labels = (("cluster", value),)
    selector = queries.SeriesSelector(namespaces=(space,), workloads=(workload,), labels=labels)
    for text in (
        queries.answers(selector, 60),
        queries.unusual(selector, 60, 300, 120),
        queries.reached(space, workload, 60, labels),
        queries.calls(host, "gateway", 60, labels),
        queries.proxies(space, [workload], labels),
        queries.custom(OWN, namespace=space, deployment=workload, seconds=60, labels=labels),
        queries.SeriesSelector(namespaces=("a",), workloads=("b",), reporter=reporter, source_workload=source).of("x"),
    ):  # fmt: skip
        _demand_values(text, names)


def _demand_values(text: str, names: list[str]) -> None:
    """The question is one question still, and names no label, function or series but ours."""
    found = [matcher for select in _selects(parse(text)) for matcher in select.matchers]
    demand({matcher.name for matcher in found} <= KNOWN, "another label", text)
    exact = [matcher for matcher in found if matcher.how == "=" and matcher.name == "cluster"]
    demand(all(matcher.value == names[4] for matcher in exact), "another value", (text, names[4]))
    listed = [matcher for matcher in found if matcher.name == queries.WORKLOAD and matcher.how == "=~"]
    demand(
        all(matcher.fits(names[1]) or "\n" in names[1] for matcher in listed if matcher.value != "b"), "unlike", text
    )


def _selects(node: Any) -> Iterator[Select]:
    if isinstance(node, Select):
        yield node
    for name in getattr(node, "__dataclass_fields__", ()):
        inner = getattr(node, name)
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield from _selects(one)


def _demand_counts(found: Figures) -> None:
    for side in (found.primary, found.canary):
        if isinstance(side, SideFigures):
            counts = (side.requests, side.errors, *side.buckets.values(), *side.client_errors.values())
            demand(all(math.isfinite(count) for count in counts), "no number counts", side)
            demand(not any(math.isnan(bound) for bound in side.buckets), "no bound", side)
            demand(min(counts) >= -1, "below zero", side)


class _Answers:
    """What comes back instead of from a connection: the answers in turn, whatever is asked."""

    def __init__(self) -> None:
        self._bodies: Iterator[bytes] = iter(())

    def say(self, data: bytes) -> None:
        """One body for all, or a list of results that are answered in turn."""
        bodies = [data]
        known = read_json(data)
        if isinstance(known, list) and known:
            bodies = [_body(one) for one in known]
        self._bodies = itertools.cycle(bodies)

    def next(self) -> bytes:
        """The next body."""
        return next(self._bodies)


class _Session(Session):
    """A session of one of the clients, whose hooks it has."""

    def __init__(self, answers: _Answers, real: Session) -> None:
        super().__init__()
        self.hooks = real.hooks
        self._answers = answers

    def request(self, *_: object, **__: object) -> Response:
        """An answer, looked at as every answer is."""
        response = Response()
        response.status_code = 200
        response.raw = io.BytesIO(self._answers.next())
        response.headers["Content-Type"] = "application/json"
        for inspect in self.hooks["response"]:
            inspect(response)
        return response


class _AtOnce(ThreadPoolExecutor):
    """Does everything where it is asked for: threads would wait for each other, and their time would not be counted."""

    def submit(self, do: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """It is done by then."""
        done: Future[Any] = Future()
        try:
            done.set_result(do(*arguments, **named))
        except Exception as error:  # noqa: BLE001  # whoever asks for the result gets it
            done.set_exception(error)
        return done


def _body(result: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


@functools.cache
def _connection() -> tuple[PrometheusConnection, _Answers]:
    connection, answers = PrometheusConnection(URL), _Answers()
    connection._pool = connection._quick = connection._patient = _AtOnce()
    for client in (connection._client, connection._quick_client, connection._own_client):
        client._session = _Session(answers, client._session)
    return connection, answers
