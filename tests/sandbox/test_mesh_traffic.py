"""The mesh with a real Envoy, a real Prometheus and steady users, following the Kubernetes stand-in."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.kube import KubeApi
from sandbox.kube.bookinfo import image, objects
from sandbox.mesh import Mesh, Users
from sandbox.processes import fetch
from sandbox.prometheus import Prometheus

pytestmark = pytest.mark.sandbox

V1 = "outbound|9080|v1|reviews.default.svc.cluster.local"
V2 = "outbound|9080|v2|reviews.default.svc.cluster.local"
TO_V2 = 'destination_workload="reviews-v2"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Everything a test needs, running."""

    kube: KubeApi
    mesh: Mesh
    prometheus: Prometheus

    def route(self, *, v1: int, v2: int, subset: str = "v2", **http: Any) -> None:
        """Set the weights (and what else the route says), and wait until they are in force."""
        virtual_service = self.kube.store.get("VirtualService", "default", "reviews")
        assert virtual_service is not None
        destinations = [("v1", v1), (subset, v2)]
        virtual_service["spec"]["http"] = [
            {"route": [{"destination": {"host": "reviews", "subset": s}, "weight": w} for s, w in destinations]} | http
        ]
        self.kube.store.put(virtual_service)
        self.mesh.settle()

    def await_ready(self, *, pods: int, ready_version: str | None = None) -> None:
        """Wait until so many pods exist and are ready, all of one code version if asked."""

        def as_wanted() -> bool:
            there = [pod for pod in self.mesh.snapshot().pods if pod.workload != "reviews-v3"]
            right = [pod for pod in there if pod.ready and ready_version in {None, pod.version}]
            return len(there) == len(right) == pods

        assert self.kube.store.wait_until(as_wanted)
        self.mesh.settle()

    def scale(self, deployment: str, replicas: int) -> None:
        obj = self.kube.store.get("Deployment", "default", deployment)
        assert obj is not None
        obj["spec"]["replicas"] = replicas
        self.kube.store.put(obj)

    def reported_by_gateway(self, label: str = "") -> int:
        """Requests the gateway reports, of the series that carry ``label``."""
        lines = self.mesh.gateway.metrics.exposition().splitlines()
        counters = [line for line in lines if line.startswith("istio_requests_total{") and label in line]
        return sum(int(line.rpartition(" ")[2]) for line in counters)

    def ask(self, query: str) -> float:
        """One instant value, 0 if there is none."""
        _, body = fetch(self.prometheus.port, f"/api/v1/query?query={quote(query)}")
        result = json.loads(body)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    directory = tmp_path_factory.mktemp("rehearsal")
    with KubeApi(start_seconds=0.2) as kube:
        for obj in objects():
            kube.store.put(obj)
        with (
            Mesh(kube.store, directory) as mesh,
            Prometheus(directory, scrape_seconds=0.5, targets=mesh.targets) as prometheus,
        ):
            ready = Rehearsal(kube=kube, mesh=mesh, prometheus=prometheus)
            ready.await_ready(pods=4)
            yield ready


@pytest.fixture
def users(rehearsal: Rehearsal) -> Iterator[Users]:
    rehearsal.mesh.faults.clear()
    rehearsal.route(v1=100, v2=0)
    with Users(rehearsal.mesh.gateway_url, rate=150) as steady:
        yield steady


def eventually(condition: Callable[[], bool], timeout: float = 15.0) -> bool:
    """Ask again and again until it holds; for what other processes do."""
    deadline, pause = time.monotonic() + timeout, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.05)
    return True


def test_a_split_of_eighty_to_twenty_is_what_users_get(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.route(v1=80, v2=20)
    start = time.monotonic()
    assert users.ledger.wait_for_more(600)
    versions = users.ledger.by_version(start)
    total, canary = versions.total(), versions["v2"]

    assert abs(canary - 0.2 * total) < 3.29 * math.sqrt(total * 0.2 * 0.8)  # 99.9 %
    assert users.ledger.errors == []
    [route] = rehearsal.mesh.snapshot().routes
    assert (route.weights, route.mirrors) == ({V1: 80, V2: 20}, {})


def test_mirrored_copies_reach_the_canary_and_only_its_own_proxy_tells(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.route(v1=100, v2=0, mirror={"host": "reviews", "subset": "v2"})
    copies_before, reported_before = rehearsal.mesh.received(version="v2"), rehearsal.reported_by_gateway(TO_V2)
    start = time.monotonic()
    assert users.ledger.wait_for_more(300)
    users.stop()
    asked = len(users.ledger.between(start))

    assert rehearsal.mesh.received(version="v2") - copies_before >= 0.95 * asked
    assert set(users.ledger.by_version(start)) == {"v1"}
    assert eventually(lambda: rehearsal.reported_by_gateway() >= len(users.ledger))  # its log comes a moment later
    assert rehearsal.reported_by_gateway(TO_V2) == reported_before


def test_a_faulty_canary_hurts_only_its_own_copies_while_mirrored(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.mesh.faults.set(version="v2", error_share=1.0, latency_ms=100)
    rehearsal.route(v1=100, v2=0, mirror={"host": "reviews", "subset": "v2"})
    assert users.ledger.wait_for_more(150)

    assert users.ledger.errors == []


def test_users_see_the_errors_of_a_canary_that_serves_them(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.mesh.faults.set(workload="reviews-v2", error_share=1.0)
    rehearsal.route(v1=50, v2=50)
    start = time.monotonic()
    assert users.ledger.wait_for_more(100)

    assert {request.version for request in users.ledger.errors if request.at >= start} == {"v2"}
    first = users.ledger.first_error(start)
    assert first is not None
    assert first.status == 500


def test_a_weight_change_and_a_rolling_update_cost_users_nothing(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.route(v1=50, v2=50)
    rehearsal.route(v1=0, v2=100)
    before = {pod.name for pod in rehearsal.mesh.snapshot().pods}
    deployment = rehearsal.kube.store.get("Deployment", "default", "reviews-v1")
    assert deployment is not None
    rehearsal.route(v1=100, v2=0)
    deployment["spec"]["template"]["metadata"]["annotations"] = {"restarted": "now"}
    rehearsal.kube.store.put(deployment)
    assert eventually(lambda: len({pod.name for pod in rehearsal.mesh.snapshot().pods} - before) == 2)
    rehearsal.await_ready(pods=4)
    assert users.ledger.wait_for_more(200)  # well past the end of the old servers

    assert users.ledger.errors == []


def test_after_an_upgrade_in_place_the_old_label_answers_with_the_new_code(rehearsal: Rehearsal, users: Users) -> None:
    deployment = rehearsal.kube.store.get("Deployment", "default", "reviews-v1")
    assert deployment is not None
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    old, container["image"] = container["image"], image("v2")
    rehearsal.kube.store.put(deployment)
    rehearsal.await_ready(pods=4, ready_version="v2")
    start = time.monotonic()
    assert users.ledger.wait_for_more(50)
    answered = users.ledger.between(start)
    container["image"] = old
    rehearsal.kube.store.put({**deployment, "metadata": {"namespace": "default", "name": "reviews-v1"}})
    rehearsal.await_ready(pods=4)

    assert {(request.version, request.workload) for request in answered} == {("v2", "reviews-v1")}
    last = users.ledger.last_request_to("reviews-v1")
    assert last is not None


def test_users_choose_their_host_and_how_much_they_write(rehearsal: Rehearsal) -> None:
    rehearsal.route(v1=100, v2=0)
    with Users(rehearsal.mesh.gateway_url, rate=150, host="reviews.example", post_share=1.0) as writing:
        assert writing.ledger.wait_for_more(10)

    assert {(request.method, request.status) for request in writing.ledger.between()} == {("POST", 200)}


def test_an_empty_subset_is_503_uh_and_a_missing_one_503_nc(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.scale("reviews-v2", 0)
    rehearsal.await_ready(pods=2)
    rehearsal.route(v1=0, v2=100)
    assert users.ledger.wait_for_more(30)
    rehearsal.scale("reviews-v2", 2)
    rehearsal.await_ready(pods=4)
    rehearsal.route(v1=0, v2=100, subset="never-declared")
    assert users.ledger.wait_for_more(30)

    assert set(users.ledger.by_status()) == {200, 503}
    assert eventually(lambda: rehearsal.reported_by_gateway('response_code="503",response_flags="UH"') > 0)
    assert eventually(lambda: rehearsal.reported_by_gateway('response_code="503",response_flags="NC"') > 0)


def test_a_mirror_to_an_empty_subset_is_lost_without_a_word(rehearsal: Rehearsal, users: Users) -> None:
    rehearsal.scale("reviews-v2", 0)
    rehearsal.await_ready(pods=2)
    rehearsal.route(v1=100, v2=0, mirror={"host": "reviews", "subset": "v2"})
    assert users.ledger.wait_for_more(50)
    rehearsal.scale("reviews-v2", 2)
    rehearsal.await_ready(pods=4)

    assert users.ledger.errors == []


def test_prometheus_sees_copies_at_the_canary_and_live_requests_at_both_ends(
    rehearsal: Rehearsal, users: Users
) -> None:
    def requests(reporter: str, workload: str) -> float:
        return rehearsal.ask(
            f'sum(istio_requests_total{{reporter="{reporter}",destination_workload_namespace="default",'
            f'destination_workload="{workload}",source_workload="istio-ingressgateway"}})'
        )

    assert eventually(lambda: rehearsal.ask('count(istio_build{component="proxy",namespace="default"})') == 5)
    rehearsal.route(v1=100, v2=0, mirror={"host": "reviews", "subset": "v2"})
    copies, live = requests("destination", "reviews-v2"), requests("source", "reviews-v2")

    assert eventually(lambda: requests("destination", "reviews-v2") > copies + 100)
    assert requests("source", "reviews-v2") == live
    assert requests("source", "reviews-v1") > 100
    slow = 'sum(istio_request_duration_milliseconds_bucket{destination_workload="reviews-v1",le="250"})'
    assert rehearsal.ask(slow) > 100
    assert users.ledger.errors == []
