"""What every ``Metrics`` promises, asked of the fake and of a real Prometheus with figures known in advance."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.controller.ports import Metrics
from bot.rollout.errors import Fault
from bot.rollout.model import Figures, Phase, Rollout
from bot.rollout.service import CustomGate, GateLimits, Service
from tests.contract.examples import rollout, target
from tests.contract.measured import CANARY, EXPECTED, NOW, PRIMARY, WINDOW, serve
from tests.fakes.metrics import FakeMetrics

pytestmark = pytest.mark.sandbox

LAG = CustomGate(name="lag", query='max(queue_lag{destination_workload="$deployment"})', maximum=100)


@pytest.fixture(scope="session")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serve(tmp_path_factory.mktemp("prometheus"))


@pytest.fixture
def prometheus(prometheus_url: str) -> Iterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(prometheus_url)
    yield metrics
    metrics.close()


@pytest.fixture(params=["fake", "prometheus"])
def metrics(request: pytest.FixtureRequest) -> Metrics:
    if request.param == "fake":
        return FakeMetrics(sides=dict(EXPECTED), custom={"lag": 42.0})
    real: PrometheusMetrics = request.getfixturevalue("prometheus")
    return real


@pytest.mark.parametrize("situation", ["busy", "first-error", "restarted", "idle", "gone", "never-there"])
def test_both_sides_are_counted_exactly_and_no_data_is_not_zero(metrics: Metrics, situation: str) -> None:
    figures = metrics.read(_rollout(situation), NOW - WINDOW, NOW)

    assert figures == Figures(
        start=NOW - WINDOW,
        end=NOW,
        primary=EXPECTED.get(f"{situation}/{PRIMARY}"),
        canary=EXPECTED.get(f"{situation}/{CANARY}"),
        coverage=figures.coverage,
    )


def test_coverage_is_read_while_requests_are_mirrored_and_only_then(metrics: Metrics) -> None:
    mirroring = metrics.read(_rollout("busy"), NOW - WINDOW, NOW)
    shifting = metrics.read(_rollout("busy", phase=Phase.SHIFTING, stage=1), NOW - WINDOW, NOW)

    assert mirroring.coverage == pytest.approx(1.0)
    assert shifting.coverage is None


def test_a_workloads_past_is_read_by_its_name(metrics: Metrics) -> None:
    service = _service("busy")

    assert metrics.history(service, CANARY, WINDOW, NOW) == EXPECTED[f"busy/{CANARY}"]
    assert metrics.history(service, "reviews-v9", WINDOW, NOW) is None


def test_a_custom_query_is_asked_about_the_side_being_judged(metrics: Metrics) -> None:
    figures = metrics.read(_rollout("busy", LAG), NOW - WINDOW, NOW)

    assert figures.custom == {"lag": 42.0}
    metrics.ping()


def test_during_the_switchback_a_custom_query_is_asked_about_the_primary(prometheus: PrometheusMetrics) -> None:
    returning = _rollout("busy", LAG, phase=Phase.SWITCHING_BACK, stage=2)

    assert prometheus.read(returning, NOW - WINDOW, NOW).custom == {"lag": 1.0}


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
    figures = prometheus.read(_rollout("busy", CustomGate(name="own", query=query)), NOW - WINDOW, NOW)

    assert figures.custom == {"own": value}
    assert figures.canary == EXPECTED[f"busy/{CANARY}"]  # a team's mistake does not blind the other gates


def test_a_window_that_has_not_begun_holds_no_data(prometheus: PrometheusMetrics) -> None:
    figures = prometheus.read(_rollout("busy", LAG), NOW, NOW)

    assert figures == Figures(start=NOW, end=NOW, primary=None, canary=None, custom={"lag": None})


def test_a_prometheus_that_is_down_is_a_fault() -> None:
    with pytest.raises(Fault, match=r"^Prometheus: cannot be reached \(ConnectionError\)\.$"):
        PrometheusMetrics("http://admin:hunter2@127.0.0.1:1").ping()


def test_a_prometheus_that_hangs_is_a_fault_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        metrics = PrometheusMetrics(f"http://127.0.0.1:{silent.getsockname()[1]}", query_seconds=0.2)

        with pytest.raises(Fault, match=r"^Prometheus: did not answer within 0\.2 seconds\.$"):
            metrics.read(_rollout("busy"), NOW - WINDOW, NOW)


def test_a_query_prometheus_refuses_is_a_fault(prometheus: PrometheusMetrics) -> None:
    unreadable = _rollout("busy")
    unreadable = replace(unreadable, metrics=replace(unreadable.metrics, source_workload="("))

    with pytest.raises(Fault, match=r"^Prometheus: refuses the query for [a-z ]+ \(HTTP 400\)\.$"):
        prometheus.read(unreadable, NOW - WINDOW, NOW)


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
        metrics = PrometheusMetrics(
            f"http://127.0.0.1:{server.server_port}/", bearer="token", headers={"X-Scope-OrgID": "shop"}
        )
        with pytest.raises(Fault, match="gave an answer to the query for liveness that is not its API's"):
            metrics.ping()
        server.shutdown()

    assert seen == [("Bearer token", "shop")]


def _rollout(namespace: str, *gates: CustomGate, phase: Phase = Phase.MIRRORING, stage: int = 0) -> Rollout:
    return rollout(phase=phase, stage=stage, at=target(namespace), gates=GateLimits(custom=gates))


def _service(namespace: str) -> Service:
    return Service(
        name="reviews",
        namespace=namespace,
        channel="C0RELEASES",
        virtual_service="reviews",
        destination_rule="reviews",
        primary_deployment=PRIMARY,
        canary_deployment="reviews-{version}",
    )
