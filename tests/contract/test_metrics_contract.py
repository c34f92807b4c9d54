"""What every ``Metrics`` promises, asked of the fake and of a real Prometheus with figures known in advance."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import inf
from typing import Any

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection, Query
from bot.controller.ports import Metrics, Window
from bot.model.errors import Fault
from bot.model.figures import Figures, SideFigures, UserView
from bot.model.rollout import Phase, Rollout, RolloutId, Topology
from bot.model.service import CustomGate, GateLimits, MetricsSource, ServiceConfig
from bot.words.rendering import plain
from tests.contract.examples import rollout, target
from tests.contract.measured import CALLERS, CANARY, EXPECTED, NOW, PRIMARY, SCRAPE, TELEMETRY, WINDOW, serve
from tests.fakes.metrics import FakeMetrics

pytestmark = pytest.mark.sandbox

SITUATIONS = ["busy", "first-error", "restarted", "idle", "gone", "shared", "never-there"]
PER_SCRAPE: dict[str, Any] = {"requests": 21, "errors": 1, "buckets": {500.0: 15, inf: 21}}
LAG = CustomGate(name="lag", query='max(queue_lag{destination_workload="$deployment"})', maximum=100)


@pytest.fixture(scope="session")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serve(tmp_path_factory.mktemp("prometheus"))


@pytest.fixture
def prometheus(prometheus_url: str) -> Iterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(PrometheusConnection(prometheus_url))
    yield metrics
    metrics.close()


@pytest.fixture(params=["fake", "prometheus"])
def metrics(request: pytest.FixtureRequest) -> Metrics:
    if request.param == "fake":
        past = {name: replace(side, **PER_SCRAPE) for name, side in EXPECTED.items() if name == f"busy/{CANARY}"}
        return FakeMetrics(
            sides=dict(EXPECTED), past=past, custom={"lag": 42.0}, callers_seen=CALLERS, telemetry_seen=TELEMETRY
        )
    real: PrometheusMetrics = request.getfixturevalue("prometheus")
    return real


@pytest.mark.parametrize("situation", SITUATIONS)
def test_both_sides_are_counted_exactly_and_no_data_is_not_zero(metrics: Metrics, situation: str) -> None:
    figures = read(metrics, _rollout(situation))

    assert figures == Figures(
        start=NOW - WINDOW,
        end=NOW,
        primary=EXPECTED.get(f"{situation}/{PRIMARY}"),
        canary=EXPECTED.get(f"{situation}/{CANARY}"),
    )


def test_whoever_is_left_out_of_the_counts_is_named(prometheus: PrometheusMetrics) -> None:
    figures = read(prometheus, _rollout("shared"))

    assert figures.canary is not None
    assert (figures.canary.first, figures.canary.last) == (NOW - WINDOW, NOW)
    assert {str(one) for one in figures.targets[CANARY]} == {
        *(f"forger-{number}" for number in range(1, 6)),
        f"elsewhere/{CANARY}-a",
        f"{CANARY}-a",
    }
    assert CANARY not in figures.watermarks  # levels hold what the others count


def test_each_side_says_when_it_was_scraped(metrics: Metrics) -> None:
    canary = read(metrics, _rollout("busy")).canary

    assert canary is not None
    assert (canary.first, canary.last) == (NOW - WINDOW, NOW)


def test_a_side_that_was_not_there_when_the_window_began_says_so(prometheus: PrometheusMetrics) -> None:
    canary = read(prometheus, _rollout("born")).canary

    assert canary == SideFigures(requests=60, errors=0)
    assert (canary.first, canary.last) == (None, NOW)


def test_all_rollouts_of_the_same_times_are_read_together(metrics: Metrics) -> None:
    rollouts = [
        replace(_rollout(situation), spec=replace(_rollout(situation).spec, id=RolloutId(situation)))
        for situation in SITUATIONS
    ]

    answers = metrics.read([Window(rollout=one, since=NOW - WINDOW, until=NOW) for one in rollouts])

    assert answers == {one.spec.id: read(metrics, one) for one in rollouts}


def test_a_thousand_rollouts_cost_one_query_and_fit_in_it(prometheus_url: str) -> None:
    asked: list[int] = []
    connection = PrometheusConnection(prometheus_url)

    class Counting:
        def ask(self, queries: Mapping[str, Query]) -> Mapping[str, object]:
            asked.append(len(queries))
            return connection.ask(queries)

    many = [
        replace(
            _rollout("busy"),
            spec=replace(
                _rollout("busy").spec,
                id=RolloutId(f"r{n}"),
                target=replace(target("busy"), canary_deployment=f"reviews-v{n}"),
            ),
        )
        for n in range(1000)
    ]
    answers = PrometheusMetrics(Counting()).read([Window(rollout=one, since=NOW - WINDOW, until=NOW) for one in many])  # type: ignore[arg-type]  # the part that reads
    connection.close()

    assert asked == [1, 1]  # Prometheus's clock, once a minute, and everything about everybody
    second = answers[RolloutId("r2")]
    assert isinstance(second, Figures)
    assert second.canary == EXPECTED[f"busy/{CANARY}"]


def test_counters_that_began_again_cost_one_query_more_however_many_they_are(prometheus_url: str) -> None:
    asked: list[str] = []
    connection = PrometheusConnection(prometheus_url)

    class Counting:
        def ask(self, queries: Mapping[str, Query]) -> Mapping[str, object]:
            asked.extend(plain(query.about) for query in queries.values())
            return connection.ask(queries)

        def ask_series(self, queries: Mapping[str, Query]) -> Mapping[str, object]:
            asked.extend(plain(query.about) for query in queries.values())
            return connection.ask_series(queries)

    metrics = PrometheusMetrics(Counting())  # type: ignore[arg-type]  # the part that reads
    for _ in range(9):  # turns of a tick
        windows = [
            Window(
                rollout=replace(_rollout(name), spec=replace(_rollout(name).spec, id=RolloutId(f"{name} {seconds}"))),
                since=NOW - seconds,
                until=NOW,
            )
            for name in ("restarted", "first-error", "born")
            for seconds in (WINDOW, WINDOW - 15, WINDOW - 30)
        ]
        answers = metrics.read(windows)
    connection.close()

    assert all(isinstance(answer, Figures) for answer in answers.values())
    assert sorted(asked) == sorted(["Prometheus's clock", *9 * ["counts"], *9 * ["counters as they went"]])
    assert len(asked) <= 20


def test_a_workloads_past_is_read_in_rows(metrics: Metrics) -> None:
    rows = metrics.rows(_service("busy"), [CANARY, "reviews-v9"], NOW - WINDOW, NOW)

    assert rows == {CANARY: [SideFigures(**PER_SCRAPE)] * 8, "reviews-v9": [None] * 8}


def test_where_users_went_is_counted_by_those_who_sent_them(prometheus: PrometheusMetrics) -> None:
    assert read(prometheus, _rollout("called")).users == UserView(canary=8, primary=7 + 8 * 99, nowhere=16)
    assert read(prometheus, _rollout("busy")).users is None


def test_users_of_two_hosts_are_the_users_of_one_service(prometheus: PrometheusMetrics) -> None:
    ours, theirs = (f"{name}.apart.svc.cluster.local" for name in (PRIMARY, CANARY))
    at = replace(target("apart"), host=ours, canary_host=theirs, topology=Topology.HOSTS)
    apart = rollout(phase=Phase.MIRRORING, at=at)

    assert read(prometheus, apart).users == UserView(canary=80, primary=240, nowhere=24)


def test_callers_are_counted_by_their_own_proxies_and_the_way_in_is_no_caller(metrics: Metrics) -> None:
    assert metrics.callers(_service("called"), CANARY, NOW) == CALLERS


def test_whoever_reached_the_canary_by_our_own_routes_is_no_stranger(metrics: Metrics) -> None:
    assert metrics.callers(_service("called"), CANARY, NOW, since=NOW) == replace(CALLERS, of_canary={})
    assert metrics.callers(_service("called"), CANARY, NOW, since=NOW + 30.0) == replace(CALLERS, of_canary={})
    assert metrics.callers(_service("called"), CANARY, NOW, since=NOW - 3600.0) == CALLERS


def test_the_way_in_may_be_named(prometheus: PrometheusMetrics) -> None:
    named = replace(_service("called"), metrics=MetricsSource(source_workload="productpage-.*"))

    assert prometheus.callers(named, CANARY, NOW).of_service == {"istio-ingressgateway": 2 * 1000 + (99 + 2) * 40}


def test_what_is_known_of_both_sides_before_a_start(metrics: Metrics) -> None:
    assert replace(metrics.telemetry(_service("busy"), CANARY, NOW), clock=None) == TELEMETRY


def test_the_primary_is_known_whoever_counts_and_calls_it(prometheus: PrometheusMetrics) -> None:
    source = MetricsSource(reporter="source", source_workload="istio-ingressgateway")
    before = time.time()
    found = prometheus.telemetry(replace(_service("called"), metrics=source), CANARY, NOW)
    after = time.time()

    assert {one.source: one.requests for one in found.traffic} == {
        "istio-ingressgateway": 99 * 40,
        "productpage-v1": 7 + 99 * 40,
    }
    assert found.reporters == {"source"}
    assert (dict(found.bounds), found.scraped) == ({}, frozenset())
    assert found.clock is not None
    assert before - 1 <= found.clock <= after + 1


def test_a_prometheus_that_is_down_knows_nothing_of_either_side() -> None:
    with pytest.raises(Fault, match="cannot be reached"):
        PrometheusMetrics(PrometheusConnection("http://127.0.0.1:1")).telemetry(_service("busy"), CANARY, NOW)


def test_a_custom_query_is_asked_about_the_side_being_judged(metrics: Metrics) -> None:
    figures = read(metrics, _rollout("busy", LAG))

    assert figures.custom == {"lag": 42.0}
    metrics.ping()


def test_during_the_switchback_a_custom_query_is_asked_about_the_primary(prometheus: PrometheusMetrics) -> None:
    returning = _rollout("busy", LAG, phase=Phase.SWITCHING_BACK, stage=2)

    assert read(prometheus, returning).custom == {"lag": 1.0}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("1 + 1", 2.0),  # a scalar
        (
            'histogram_quantile(0.9, sum by (le) (rate({__name__=~".*_bucket",destination_workload="x"}[$window])))',
            None,
        ),
        ("0 / vector(0)", None),  # NaN
        ("1 / vector(0)", None),  # +Inf
        ("queue_lag", None),  # two series: neither is the value
        ("sum(", None),  # refused
        ("count(queue_lag) without", None),
    ],
)
def test_only_one_finite_number_is_a_custom_querys_value(
    prometheus: PrometheusMetrics, query: str, value: float | None
) -> None:
    figures = read(prometheus, _rollout("busy", CustomGate(name="own", query=query)))

    assert figures.custom == {"own": value}
    assert figures.canary == EXPECTED[f"busy/{CANARY}"]  # a team's mistake does not blind the other gates


def test_a_prometheus_that_is_down_is_a_fault() -> None:
    with pytest.raises(Fault, match=r"^Prometheus: cannot be reached \(ConnectionError\)\.$"):
        PrometheusMetrics(PrometheusConnection("http://admin:hunter2@127.0.0.1:1")).ping()


def test_a_prometheus_that_hangs_is_a_fault_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        metrics = PrometheusMetrics(
            PrometheusConnection(f"http://127.0.0.1:{silent.getsockname()[1]}", query_seconds=0.2)
        )

        with pytest.raises(Fault, match=r"^Prometheus: did not answer within 0\.2 seconds\.$"):
            read(metrics, _rollout("busy"))


def test_a_query_prometheus_refuses_is_a_fault(prometheus: PrometheusMetrics) -> None:
    unreadable = _rollout("busy")
    unreadable = replace(
        unreadable, spec=replace(unreadable.spec, metrics=replace(unreadable.spec.metrics, source_workload="("))
    )

    with pytest.raises(Fault, match=r"^Prometheus: refuses the query for [a-z ]+ \(HTTP 400\)\.$"):
        read(prometheus, unreadable)


def test_another_server_at_its_address_is_a_fault_and_gets_the_configured_headers() -> None:
    seen: list[tuple[str | None, str | None]] = []

    class Portal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Authorization"], self.headers["X-Scope-OrgID"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>Please log in</h1>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Portal) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        connection = PrometheusConnection(
            f"http://127.0.0.1:{server.server_port}/", bearer=lambda: "token", headers={"X-Scope-OrgID": "shop"}
        )
        metrics = PrometheusMetrics(connection)
        with pytest.raises(Fault, match="gave an answer to the query for liveness that is not its API's"):
            metrics.ping()
        server.shutdown()

    assert seen == [("Bearer token", "shop")]


def read(metrics: Metrics, one: Rollout) -> Figures:
    """The figures of a window that ends now; a fault is raised."""
    answer = metrics.read([Window(rollout=one, since=NOW - WINDOW, until=NOW)])[one.spec.id]
    if isinstance(answer, Fault):
        raise answer
    return answer


def _rollout(namespace: str, *gates: CustomGate, phase: Phase = Phase.MIRRORING, stage: int = 0) -> Rollout:
    return rollout(phase=phase, stage=stage, at=target(namespace), gates=GateLimits(custom=gates))


def _service(namespace: str) -> ServiceConfig:
    return ServiceConfig(
        name="reviews",
        metrics=MetricsSource(scrape_interval=SCRAPE),
        namespace=namespace,
        channel="C0RELEASES",
        virtual_service="reviews",
        destination_rule="reviews",
        primary_deployment=PRIMARY,
        canary_deployment="reviews-{version}",
    )
