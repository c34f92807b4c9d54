"""Queries that a service wrote itself: whatever becomes of one, its own gate is unknown and nothing else is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import CONCURRENT_SLOW, LARGEST, PrometheusConnection, Query
from bot.controller.ports import Window
from bot.model.errors import Fault
from bot.model.figures import Figures
from bot.model.rollout import Rollout, RolloutId
from bot.model.service import CustomGate, GateLimits
from tests.builders import a_rollout, a_service

Answer = tuple[int, bytes]  # status and body
EMPTY = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
SEVEN = b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "7"]}]}}'
ONE_SERIES = b'{"metric": {"pod": "reviews-v2-5d8f9c7b6-x7k2p"}, "value": [0, "7"]},'


@contextmanager
def serving(answer: Callable[[str], Answer]) -> Iterator[str]:
    """A Prometheus that answers each query as it is told to, and every one at once."""

    class Prometheus(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answered(parse_qs(urlsplit(self.path).query)["query"][0])

        def do_POST(self) -> None:
            self._answered(unquote(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _answered(self, query: str) -> None:
            status, body = answer(query)
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # nobody waited for it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def rollout(name: str, *queries: str) -> Rollout:
    gates = tuple(CustomGate(name=f"gate {number}", query=query) for number, query in enumerate(queries))
    return a_rollout(a_service(gates=GateLimits(custom=gates)), id=RolloutId(name))


def read(url: str, *rollouts: Rollout, query_seconds: float = 5.0, own_seconds: float = 10.0) -> dict[str, Figures]:
    connection = PrometheusConnection(url, query_seconds=query_seconds, read_seconds=20.0, own_seconds=own_seconds)
    metrics = PrometheusMetrics(connection)
    answers = metrics.read([Window(rollout=one, since=0, until=15) for one in rollouts])
    metrics.close()
    found = {str(name): answer for name, answer in answers.items() if isinstance(answer, Figures)}
    assert found.keys() == {str(one.spec.id) for one in rollouts}
    return found


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"{}"),
        (401, b"{}"),
        (422, b"{}"),
        (500, b"{}"),
        (503, b"{}"),
        (200, b"<h1>Please log in</h1>"),
        (200, SEVEN.replace(b'"status"', b'"isPartial":true, "status"')),
        (200, SEVEN.replace(b'"status"', b'"warnings": ["receive series from store: EOF"], "status"')),
        (200, SEVEN.replace(b'"vector", "result"', b'"matrix", "result"').replace(b'"value"', b'"values"')),
        (200, b'{"status": "success", "data": {"resultType": "string", "result": [0, "seven"]}}'),
        (200, SEVEN.replace(b'"value": [0, "7"]', b'"histogram": [0, {"count": "7", "sum": "7"}]')),
        (200, EMPTY.replace(b"[]", b"null")),
        (200, EMPTY.replace(b"[]", b"[" + ONE_SERIES * (2 * LARGEST // len(ONE_SERIES)) + ONE_SERIES[:-1] + b"]")),
    ],
)
def test_a_query_that_fails_makes_its_own_gate_unknown_and_no_other(status: int, body: bytes) -> None:
    with serving(lambda query: (status, body) if "bad" in query else (200, SEVEN if "good" in query else EMPTY)) as url:
        found = read(url, rollout("r-1", "bad", "good"), rollout("r-2", "good"), rollout("r-3"))

    assert [dict(found[name].custom) for name in ("r-1", "r-2", "r-3")] == [
        {"gate 0": None, "gate 1": 7.0},
        {"gate 0": 7.0},
        {},
    ]


def test_a_service_whose_queries_hang_keeps_nobody_else_waiting() -> None:
    free = threading.Event()

    def answer(query: str) -> Answer:
        if "slow" in query:
            free.wait(30)
        return 200, SEVEN if "good" in query else EMPTY

    slow = [rollout(f"slow-{number}", *["slow"] * 6) for number in range(4)]
    with serving(answer) as url:
        try:
            found = read(url, *slow, rollout("r-2", "good"), query_seconds=2.0, own_seconds=3.0)
        finally:
            free.set()

    assert found["r-2"].custom == {"gate 0": 7.0}
    assert all(set(found[str(one.spec.id)].custom.values()) == {None} for one in slow)


def test_many_services_whose_queries_hang_keep_nobody_else_waiting() -> None:
    free = threading.Event()

    def answer(query: str) -> Answer:
        if "slow" in query:
            free.wait(30)
        return 200, SEVEN if "good" in query else EMPTY

    slow = [rollout(f"slow-{number}", *["slow"] * 6) for number in range(20)]
    windows = [Window(rollout=one, since=0, until=15) for one in (*slow, rollout("r-2", "good"))]
    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url, query_seconds=3.0, read_seconds=6.0, own_seconds=3.0))
        try:
            found = [metrics.read(windows)[RolloutId("r-2")] for _ in range(2)]
        finally:
            free.set()
            metrics.close()

    assert [one.custom for one in found if isinstance(one, Figures)] == [{"gate 0": 7.0}] * 2


def test_services_that_were_slow_take_no_place_from_the_others() -> None:
    free = threading.Event()
    begun: list[str] = []
    again: list[str] = []

    def answer(query: str) -> Answer:
        own = next((word for word in ("slow", "good") if word in query), "")
        (again if begun.count("good") else begun).append(own)
        if again.count("good"):
            free.set()
        if own == "slow":
            free.wait(60)
        return 200, SEVEN if own == "good" else EMPTY

    slow = [rollout(f"slow-{number}", "slow") for number in range(16)]
    windows = [Window(rollout=one, since=0, until=15) for one in (*slow, rollout("r-2", "good"))]
    with serving(answer) as url:
        metrics = PrometheusMetrics(PrometheusConnection(url, query_seconds=20.0, read_seconds=30.0, own_seconds=20.0))
        try:
            for _ in range(2):
                metrics.read(windows)
        finally:
            free.set()
            metrics.close()

    assert again[: again.index("good")].count("slow") <= CONCURRENT_SLOW


def test_what_everybody_needs_is_asked_before_anybodys_own_queries() -> None:
    order: list[str] = []

    def answer(query: str) -> Answer:
        order.append("own" if "good" in query else "shared")
        return 200, EMPTY

    with serving(answer) as url:
        read(url, rollout("r-1", "good"), rollout("r-2", "good"))

    assert order == ["shared", "shared", "own", "own"]


OF_QUERY = ["PromQL warning: encountered a mix of histograms and floats", "3 more warning annotations omitted"]


@pytest.mark.parametrize(
    ("beside", "comes_to"),
    [
        ({"isPartial": True}, Fault),
        ({"warnings": ["receive series from Addr: 10.0.0.7:10901: rpc error: code = Unavailable"]}, Fault),
        ({"warnings": [*OF_QUERY, "remote_read: context deadline exceeded"]}, Fault),
        ({"warnings": OF_QUERY}, tuple),
        ({"warnings": [], "isPartial": False, "infos": ["PromQL info: metric might not be a counter"]}, tuple),
        ({"warnings": None}, tuple),
    ],
)
def test_what_a_store_that_could_not_be_asked_leaves_out_is_no_figure_of_anybodys(
    beside: dict[str, object], comes_to: type
) -> None:
    body = json.dumps(json.loads(SEVEN) | beside, separators=(",", ":")).encode()
    with serving(lambda _: (200, body)) as url, closing(PrometheusConnection(url)) as connection:
        answer = connection.ask({"one": Query(about="answers", text="up")})["one"]

    assert type(answer) is comes_to
    if isinstance(answer, Fault):
        assert str(answer) == (
            "Prometheus: has only a part of the data for answers: a store behind it could not be asked."
        )
