"""The controllers of the Kubernetes stand-in, driven by hand: the clock moves only when a test moves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from sandbox.kube import DeploymentController, KubeApi, Store
from sandbox.kube.bookinfo import image, objects
from sandbox.kube.objects import condition, is_terminating
from sandbox.kube.rolling import Bounds, Size, bounds, next_sizes

START = 2.0


class Cluster:
    """A store with its controller and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.store = Store()
        self.controller = DeploymentController(
            self.store, start_seconds=START, grace_seconds=0.5, clock=lambda: self.now
        )
        for obj in objects():
            self.store.put(obj)

    def settle(self, seconds: float = 0.0) -> None:
        """Let time pass; everything due happens at its moment."""
        until = self.now + seconds
        while True:
            revision = self.store.revision
            due = self.controller.step()
            if self.store.revision == revision:
                if due is None or due > until:
                    break
                self.now = max(self.now, due)
        self.now = until

    def deployment(self, name: str = "reviews-v1") -> dict[str, Any]:
        found = self.store.get("Deployment", "default", name)
        assert found is not None
        return found

    def set_image(self, reference: str, name: str = "reviews-v1") -> None:
        found = self.deployment(name)
        found["spec"]["template"]["spec"]["containers"][0]["image"] = reference
        self.store.put(found)

    def change(self, **spec: Any) -> None:
        found = self.deployment()
        found["spec"] |= spec
        self.store.put(found)

    def pods(self, version: str = "v1") -> list[dict[str, Any]]:
        return [pod for pod in self.store.list("Pod", "default") if pod["metadata"]["labels"]["version"] == version]

    def endpoints(self) -> dict[str, bool]:
        (found,) = self.store.list("EndpointSlice")
        return {entry["targetRef"]["name"]: entry["conditions"]["ready"] for entry in found["endpoints"]}

    def counts(self, name: str = "reviews-v1") -> tuple[int, int, int]:
        status = self.deployment(name)["status"]
        return status.get("replicas", 0), status.get("updatedReplicas", 0), status.get("availableReplicas", 0)

    def progressing(self) -> str:
        found = condition(self.deployment(), "Progressing")
        assert found is not None
        return str(found["reason"])


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.settle(10)
    return made


def test_pods_carry_what_the_bot_reads_from_them(cluster: Cluster) -> None:
    pod = cluster.pods()[0]
    app, proxy = pod["status"]["containerStatuses"]

    assert pod["metadata"]["name"].startswith(pod["metadata"]["ownerReferences"][0]["name"] + "-")
    assert pod["metadata"]["labels"]["pod-template-hash"] in pod["metadata"]["name"]
    assert pod["status"]["podIP"].startswith("10.244.")
    assert app["imageID"].startswith("registry.istio.io/release/examples-bookinfo-reviews-v1@sha256:")
    assert (proxy["name"], app["ready"], proxy["ready"]) == ("istio-proxy", True, True)
    assert len(cluster.endpoints()) == 5


def test_an_image_set_by_digest_shows_that_digest(cluster: Cluster) -> None:
    digest = cluster.pods("v2")[0]["status"]["containerStatuses"][0]["imageID"]
    cluster.set_image(digest)
    cluster.settle(20)

    assert {pod["status"]["containerStatuses"][0]["imageID"] for pod in cluster.pods()} == {digest}


def test_a_new_image_rolls_out_without_ever_missing_a_ready_pod(cluster: Cluster) -> None:
    seen: list[tuple[int, int, int]] = []
    cluster.store.subscribe(lambda _what, _obj: seen.append(cluster.counts()))
    cluster.set_image(image("v2"))
    cluster.settle(0.1)
    assert (cluster.counts(), cluster.progressing()) == ((3, 1, 2), "ReplicaSetUpdated")
    cluster.settle(20)

    assert (cluster.counts(), cluster.progressing()) == ((2, 2, 2), "NewReplicaSetAvailable")
    status, metadata = cluster.deployment()["status"], cluster.deployment()["metadata"]
    assert status["observedGeneration"] == metadata["generation"] == 2
    assert metadata["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert min(available for _, _, available in seen) == 2
    assert max(replicas for replicas, _, _ in seen) == 3
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()} == {image("v2")}


def test_a_terminating_pod_leaves_its_service_at_once_and_vanishes_later(cluster: Cluster) -> None:
    cluster.change(replicas=1)
    cluster.settle(0.1)
    (going,) = [pod for pod in cluster.pods() if is_terminating(pod)]
    assert going["metadata"]["name"] not in cluster.endpoints()

    cluster.settle(1)
    assert len(cluster.pods()) == 1


def test_an_image_that_cannot_be_pulled_misses_its_deadline_and_the_old_pods_stay(cluster: Cluster) -> None:
    cluster.controller.start_seconds("default", "reviews-v1", None)
    cluster.change(progressDeadlineSeconds=60)
    cluster.set_image("registry.example/missing:1")
    cluster.settle(59)
    assert cluster.progressing() == "ReplicaSetUpdated"
    cluster.settle(2)

    assert cluster.progressing() == "ProgressDeadlineExceeded"
    assert cluster.counts() == (3, 1, 2)
    waiting = [
        pod["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason") for pod in cluster.pods()
    ]
    assert sorted(waiting, key=str) == ["ImagePullBackOff", None, None]

    cluster.set_image(image("v1"))
    cluster.settle(2)
    assert (cluster.counts(), cluster.progressing()) == ((2, 2, 2), "NewReplicaSetAvailable")
    assert cluster.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert len([item for item in cluster.store.list("ReplicaSet") if "reviews-v1" in item["metadata"]["name"]]) == 2


def test_pods_whose_probes_fail_run_on_out_of_service_and_come_back(cluster: Cluster) -> None:
    cluster.controller.fail_probes("default", "reviews-v2")
    cluster.settle(1)
    assert cluster.counts("reviews-v2") == (2, 2, 0)
    assert sum(cluster.endpoints().values()) == 3
    statuses = [pod["status"]["containerStatuses"][0] for pod in cluster.pods("v2")]
    assert [(one["ready"], "running" in one["state"], one["restartCount"]) for one in statuses] == [
        (False, True, 0),
        (False, True, 0),
    ]

    cluster.controller.pass_probes("default", "reviews-v2")
    cluster.settle(1)
    assert cluster.counts("reviews-v2") == (2, 2, 2)


def test_a_crash_takes_pods_out_of_service_until_they_recover(cluster: Cluster) -> None:
    cluster.controller.crash("default", "reviews-v2")
    cluster.settle(1)
    assert cluster.counts("reviews-v2") == (2, 2, 0)
    assert sum(cluster.endpoints().values()) == 3
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in cluster.pods("v2")] == [1, 1]

    cluster.controller.recover("default", "reviews-v2")
    cluster.settle(1)
    assert cluster.counts("reviews-v2") == (2, 2, 2)


def test_a_paused_deployment_keeps_its_pods_but_follows_its_scale(cluster: Cluster) -> None:
    cluster.change(paused=True, replicas=3)
    cluster.set_image(image("v2"))
    cluster.settle(20)
    assert (cluster.counts(), cluster.progressing()) == ((3, 0, 3), "DeploymentPaused")

    cluster.change(paused=False)
    cluster.settle(20)
    assert (cluster.counts(), cluster.progressing()) == ((3, 3, 3), "NewReplicaSetAvailable")


def test_pods_count_as_available_only_after_min_ready_seconds(cluster: Cluster) -> None:
    cluster.change(minReadySeconds=30)
    cluster.set_image(image("v2"))
    cluster.settle(START + 29)
    assert cluster.counts() == (3, 1, 2)
    cluster.settle(60)
    assert cluster.counts() == (2, 2, 2)


def test_recreate_ends_every_old_pod_before_the_first_new_one(cluster: Cluster) -> None:
    cluster.change(strategy={"type": "Recreate"})
    cluster.set_image(image("v2"))
    cluster.settle(0.1)
    assert all(is_terminating(pod) for pod in cluster.pods())
    cluster.settle(20)
    assert cluster.counts() == (2, 2, 2)


def test_a_deleted_deployment_takes_its_pods_along(cluster: Cluster) -> None:
    cluster.store.delete("Deployment", "default", "reviews-v1")
    cluster.settle(2)

    assert cluster.pods() == []
    assert len(cluster.endpoints()) == 3


def test_percentages_round_as_in_kubernetes() -> None:
    spec = {"replicas": 10, "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}

    assert bounds(spec) == Bounds(replicas=10, surge=3, unavailable=2)
    assert bounds({"replicas": 1, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}}) == Bounds(
        replicas=1, surge=0, unavailable=1
    )


def test_old_pods_that_are_not_available_go_first() -> None:
    limits = Bounds(replicas=4, surge=1, unavailable=0)
    olds = [Size(wanted=2, available=0), Size(wanted=3, available=3)]

    assert next_sizes(limits, Size(wanted=0, available=0), olds) == (0, [1, 3])


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[tuple[KubeApi, Any]]:
    with KubeApi(start_seconds=0.05) as running:
        path = str(running.load(objects()).write_kubeconfig(tmp_path / "config"))
        api: Any = config.new_client_from_config(path)  # type: ignore[no-untyped-call]  # the library leaves it untyped
        yield running, client.AppsV1Api(api)
        api.close()


def test_set_image_through_the_official_client_completes_by_kubectls_rule(kube: tuple[KubeApi, Any]) -> None:
    running, apps = kube
    body = {"spec": {"template": {"spec": {"containers": [{"name": "reviews", "image": image("v2")}]}}}}
    generation = apps.patch_namespaced_deployment("reviews-v1", "default", body).metadata.generation

    def is_done() -> bool:
        found = running.store.get("Deployment", "default", "reviews-v1")
        status = (found or {}).get("status", {})
        counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
        return bool(status.get("observedGeneration", 0) >= generation and counts == [2, 2, 2])

    assert running.store.wait_until(is_done, timeout=5)
    answered = apps.read_namespaced_deployment("reviews-v1", "default").status
    assert {item.type: item.reason for item in answered.conditions} == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }
