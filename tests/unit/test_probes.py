"""The probes over real HTTP on loopback."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest

from bot.probes import OwnMetrics, Probes, WatchdogMetrics


class Site:
    """Probes on a free port, and a client for them. ``parts`` is what readiness says."""

    def __init__(self) -> None:
        self.parts: dict[str, str | None] = {}
        self.metrics = OwnMetrics()
        self.probes = Probes(port=0, ready=lambda: self.parts, registry=self.metrics.registry, host="127.0.0.1")

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.probes.port, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    site.probes.start()
    yield site
    site.probes.close()


def test_ready_while_every_part_is_fine(site: Site) -> None:
    site.parts = {"redis": None, "slack": None}

    assert site.get("/readyz") == (200, "redis: ok\nslack: ok\n")


def test_not_ready_names_each_failing_part_and_the_process_still_counts_as_healthy(site: Site) -> None:
    site.parts = {"redis": "cannot be reached", "slack": None, "kubernetes": "refuses our token"}

    assert site.get("/readyz") == (503, "redis: cannot be reached\nkubernetes: refuses our token\n")
    assert site.get("/healthz") == (200, "ok\n")


def test_an_unknown_path_says_which_there_are(site: Site) -> None:
    assert site.get("/") == (404, "There are /healthz, /readyz and /metrics.\n")


def test_metrics_show_what_happened(site: Site) -> None:
    site.metrics.rollouts({"mirroring": 2})
    site.metrics.rollouts({"shifting": 1})
    site.metrics.tick(seconds=0.2, lag=1.5)
    site.metrics.verdict("fail")
    site.metrics.aborted("errors")
    site.metrics.abort_accepted(4)
    site.metrics.approved(after_seconds=61)
    site.metrics.called("prometheus", "timeout")
    site.metrics.outbox(3)
    site.metrics.leader(leads=True)

    status, text = site.get("/metrics")

    lines = text.splitlines()
    assert status == 200
    assert {
        'canary_bot_rollouts{phase="shifting"} 1.0',
        "canary_bot_ticks_total 1.0",
        'canary_bot_tick_seconds_bucket{le="0.25"} 1.0',
        "canary_bot_tick_lag_seconds 1.5",
        'canary_bot_verdicts_total{verdict="fail"} 1.0',
        'canary_bot_aborts_total{reason="errors"} 1.0',
        'canary_bot_abort_seconds_bucket{le="3.0"} 0.0',
        'canary_bot_abort_seconds_bucket{le="5.0"} 1.0',
        'canary_bot_approvals_waiting_seconds_bucket{le="300.0"} 1.0',
        'canary_bot_outside_calls_total{outcome="timeout",system="prometheus"} 1.0',
        "canary_bot_outbox_depth 3.0",
        "canary_bot_leader 1.0",
    } <= set(lines)
    assert 'canary_bot_rollouts{phase="mirroring"}' not in text


def test_closing_ends_the_thread_and_frees_the_port_even_with_a_connection_left_open(site: Site) -> None:
    port = site.probes.port
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    idle.request("GET", "/healthz")
    idle.getresponse().read()

    site.probes.close()

    assert "probes" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
    idle.close()


def test_the_watchdog_has_figures_of_its_own() -> None:
    metrics = WatchdogMetrics()

    metrics.looked([3.0, 40.0])
    metrics.acted("home")
    metrics.failed()

    lines = generate_latest(metrics.registry).decode().splitlines()
    assert {
        "canary_bot_watchdog_rollouts 2.0",
        "canary_bot_watchdog_silence_seconds 40.0",
        'canary_bot_watchdog_rescues_total{deed="home"} 1.0',
        "canary_bot_watchdog_failures_total 1.0",
    } <= set(lines)
    metrics.looked([])
    assert "canary_bot_watchdog_silence_seconds 0.0" in generate_latest(metrics.registry).decode()
