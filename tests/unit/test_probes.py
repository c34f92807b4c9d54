"""The probes over real HTTP on loopback."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from prometheus_client import generate_latest

from bot.model.figures import Exposure
from bot.probes import Asking, OwnMetrics, Probes, Readiness, WatchdogMetrics
from bot.probes.server import LIMITS, READY_SECONDS
from bot.words.rendering import plain

SOON = 5.0


class Site:
    """Probes on a free port, and a client for them. ``parts`` is what readiness says."""

    def __init__(self) -> None:
        self.parts: dict[str, str | None] = {}
        self.ready: Callable[[], Readiness] = lambda: self.parts
        self.metrics = OwnMetrics()
        self.probes = Probes(
            port=0,
            ready=lambda: self.ready(),  # noqa: PLW0108  # whichever the test has put there
            registry=self.metrics.registry,
            host="127.0.0.1",
            optional=["prometheus"],
        )

    def send(self, request: bytes) -> socket.socket:
        """A connection that has sent this and nothing more."""
        connection = socket.create_connection(("127.0.0.1", self.probes.port), timeout=SOON)
        with suppress(OSError):  # hung up on already
            connection.sendall(request)
        return connection

    def get(self, path: str, timeout: float = 2 * SOON, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.probes.port, timeout=timeout)
        connection.request(method, path)
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


def test_a_part_that_is_not_needed_is_told_of_and_the_process_is_ready(site: Site) -> None:
    site.parts = {"redis": None, "prometheus": "cannot be reached"}

    assert site.get("/readyz") == (200, "redis: ok\nprometheus: cannot be reached (ready all the same)\n")

    site.parts = {"redis": "cannot be reached", "prometheus": "cannot be reached"}
    assert site.get("/readyz") == (503, "redis: cannot be reached\nprometheus: cannot be reached\n")


def test_the_process_is_healthy_while_readiness_hangs_and_nobody_waits_for_ever(site: Site) -> None:
    release, asked = threading.Event(), list[float]()

    def hang() -> Readiness:
        asked.append(time.monotonic())
        release.wait(60)
        return {}

    site.ready = hang
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(site.get, "/readyz") for _ in range(40)]
        while not asked:
            assert site.get("/healthz") == (200, "ok\n")
        # None of those that wait has been answered yet, and this one is: it waits for none of them.
        assert site.get("/healthz") == (200, "ok\n")
        assert not any(one.done() for one in waiting)
        answers = {one.result() for one in waiting}
        release.set()

    assert answers == {(503, f"readiness: not found out within {READY_SECONDS:g} seconds\n")}
    assert len(asked) == 1  # of forty, while the first was not answered


def test_readiness_that_breaks_says_so_and_is_asked_again(site: Site) -> None:
    def broken() -> Readiness:
        raise KeyError("slack")

    site.ready = broken
    assert site.get("/readyz") == (503, "readiness: an internal error (KeyError); the log has more\n")

    site.ready = lambda: {"slack": None}
    assert site.get("/readyz") == (200, "slack: ok\n")


@pytest.mark.parametrize(
    "request_so_far",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: x", b"GET /readyz"],
    ids=["silent", "half a request", "half a line"],
)
def test_connections_that_never_finish_their_request_keep_nobody_waiting(site: Site, request_so_far: bytes) -> None:
    idle = [site.send(request_so_far) for _ in range(LIMITS.per_source + 50)]

    assert site.get("/healthz") == (200, "ok\n")
    closed = [one for one in idle[:50] if one.recv(12) in {b"HTTP/1.1 503", b""}]  # the oldest have made room
    assert len(closed) == 50
    for one in idle:
        one.close()


def test_500_slow_clients_do_not_delay_health(site: Site) -> None:
    """Each sends a byte of its request now and then, and comes again when it is hung up on."""
    stop = threading.Event()

    def drip() -> None:
        slow: list[socket.socket] = []
        for _ in range(2000):
            if stop.wait(0.001):
                break
            slow.append(site.send(b"GET /healthz HTTP/1.1\r\nX-Slow: a"))
            if len(slow) > 500:
                slow.pop(0).close()
        for one in slow:
            one.close()

    attacker = threading.Thread(target=drip)
    attacker.start()
    seconds = []
    for _ in range(200):
        began = time.monotonic()
        assert site.get("/healthz", timeout=1) == (200, "ok\n")  # a kubelet's patience
        seconds.append(time.monotonic() - began)
    stop.set()
    attacker.join()

    assert sorted(seconds)[197] < 0.5


def test_metrics_are_worked_out_once_for_all_who_ask_at_the_same_time(site: Site) -> None:
    release, asked = threading.Event(), list[str]()

    def hang() -> bool:
        asked.append("asked")
        release.wait(60)
        return True

    site.metrics.leader(hang)
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(site.get, "/metrics") for _ in range(20)]
        while not asked:
            assert site.get("/healthz") == (200, "ok\n")
        assert site.get("/healthz") == (200, "ok\n")
        release.set()
        answers = {one.result()[0] for one in waiting}

    assert answers == {200}
    assert len(asked) < 20


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=x.y", "text/plain; version=1.0.0.\xff"])
def test_an_odd_wish_for_metrics_is_no_error_of_ours(site: Site, accept: str) -> None:
    connection = site.send(f"GET /metrics HTTP/1.1\r\nAccept: {accept}\r\n\r\n".encode("latin-1"))

    assert connection.recv(12) == b"HTTP/1.1 400"
    connection.close()


def test_a_client_that_takes_no_answer_keeps_nobody_waiting(site: Site) -> None:
    rude = [site.send(b"GET /metrics HTTP/1.1\r\n\r\n") for _ in range(50)]

    assert site.get("/healthz") == (200, "ok\n")
    for one in rude:
        one.close()


@pytest.mark.parametrize(
    "request_sent",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"POST /healthz HTTP/1.1\r\n\r\n",
        b"GET\r\n\r\n",
    ],
    ids=["empty", "TLS", "endless", "not a read", "no path"],
)
def test_nonsense_ends_its_own_connection_and_nothing_else(site: Site, request_sent: bytes) -> None:
    connection = site.send(request_sent)

    assert connection.recv(12) in {b"HTTP/1.1 405", b"HTTP/1.1 400", b""}
    connection.close()
    assert site.get("/healthz") == (200, "ok\n")


def test_a_head_request_and_a_query_are_answered_as_any_server_would(site: Site) -> None:
    assert site.get("/healthz", method="HEAD") == (200, "")
    assert site.get("/healthz?verbose=1") == (200, "ok\n")


def test_all_parts_are_asked_at_once_and_a_silent_one_is_asked_once() -> None:
    release, count, both = threading.Event(), list[str](), threading.Barrier(2, timeout=SOON)

    def silent() -> str | None:
        count.append("asked")
        release.wait(60)
        return "is slow."

    def together() -> str | None:
        both.wait()
        return None

    def odd() -> str | None:
        raise IndexError

    asking = Asking({"redis": silent, "slack": together, "kubernetes": together, "odd": odd}, seconds=0.1)

    notified = asking()
    while notified["slack"] is not None or "IndexError" not in plain(
        notified["odd"] or ""
    ):  # threads begin when they may
        notified = asking()

    assert notified.keys() == {"redis", "slack", "kubernetes", "odd"}
    assert plain(notified["redis"] or "").startswith("has not answered for ")
    assert count == ["asked"]
    release.set()
    patient = Asking({"redis": lambda: "is gone."}, seconds=SOON)
    assert patient() == {"redis": "is gone."}


def test_an_unknown_path_says_which_there_are(site: Site) -> None:
    assert site.get("/") == (404, "There are /healthz, /readyz and /metrics.\n")


def test_metrics_show_what_happened(site: Site) -> None:
    site.metrics.rollouts({"mirroring": 2})
    site.metrics.rollouts({"shifting": 1})
    site.metrics.exposure(
        {"default/reviews": (Exposure(requests=353.0, errors=42.0), 0.0016), "shop/cart": (Exposure(), None)}
    )
    site.metrics.tick(seconds=0.2, lag=1.5)
    site.metrics.verdict("fail")
    site.metrics.aborted("gate")
    site.metrics.abort_accepted(4)
    site.metrics.approved(after_seconds=61)
    site.metrics.called("prometheus", "timed_out")
    site.metrics.outbox(3)
    site.metrics.leader(lambda: True)

    status, text = site.get("/metrics")

    lines = text.splitlines()
    assert status == 200
    assert {
        'canary_bot_rollouts{phase="shifting"} 1.0',
        'canary_bot_exposed_requests{service="default/reviews"} 353.0',
        'canary_bot_exposed_failures{service="default/reviews"} 42.0',
        'canary_bot_error_budget_spent_ratio{service="default/reviews"} 0.0016',
        'canary_bot_exposed_requests{service="shop/cart"} 0.0',
        "canary_bot_ticks_total 1.0",
        'canary_bot_tick_seconds_bucket{le="0.25"} 1.0',
        "canary_bot_tick_lag_seconds 1.5",
        'canary_bot_verdicts_total{verdict="fail"} 1.0',
        'canary_bot_aborts_total{reason="gate"} 1.0',
        'canary_bot_abort_seconds_bucket{le="3.0"} 0.0',
        'canary_bot_abort_seconds_bucket{le="5.0"} 1.0',
        'canary_bot_approvals_waiting_seconds_bucket{le="300.0"} 1.0',
        'canary_bot_outside_calls_total{outcome="timed_out",system="prometheus"} 1.0',
        "canary_bot_outbox_depth 3.0",
        "canary_bot_leader 1.0",
    } <= set(lines)
    assert 'canary_bot_rollouts{phase="mirroring"}' not in text
    assert 'canary_bot_error_budget_spent_ratio{service="shop/cart"}' not in text


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

    metrics.listened([3.0, 40.0])
    metrics.acted("home")
    metrics.failed()

    lines = generate_latest(metrics.registry).decode().splitlines()
    assert {
        "canary_bot_watchdog_rollouts 2.0",
        "canary_bot_watchdog_silence_seconds 40.0",
        'canary_bot_watchdog_rescues_total{deed="home"} 1.0',
        "canary_bot_watchdog_failures_total 1.0",
    } <= set(lines)
    metrics.listened([])
    assert "canary_bot_watchdog_silence_seconds 0.0" in generate_latest(metrics.registry).decode()
