"""HPAs of the stand-in cluster behave as the real controller's do."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kube.autoscalers import MANAGER
from sandbox.kube.bookinfo import autoscaler, objects
from sandbox.kube.objects import Object, is_terminating
from sandbox.kube.server import KubeApi

NAME = "reviews-v1"
FULL = 80.0  # percent: what a pod is meant to use


class Cluster:
    """Bookinfo with one HPA, on a clock of its own. ``pods_worth`` of load: so many pods at their target."""

    def __init__(self, replicas: int = 4, **spec: Any) -> None:
        self.now = 1000.0
        self.pods_worth: float | None = float(replicas)
        self.kube = KubeApi(start_seconds=5.0, clock=lambda: self.now)
        self.kube.autoscalers.load = self._load
        self.kube.load(objects())
        self.scale_by_hand(replicas)
        self.pass_time(31)  # now they have just been looked at
        hpa = autoscaler(NAME, least=1, most=8)
        hpa["spec"] |= spec
        self.kube.load([hpa])
        self.kube.settle()

    def _load(self, _namespace: str, name: str) -> float | None:
        return None if self.pods_worth is None or name != NAME else self.pods_worth * FULL

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1
            self.kube.settle()

    def scale_by_hand(self, replicas: int) -> None:
        found = self.deployment()
        found["spec"]["replicas"] = replicas
        self.kube.store.put(found)

    def deployment(self) -> Object:
        found = self.kube.store.get("Deployment", "default", NAME)
        assert found is not None
        return found

    @property
    def wanted(self) -> int:
        return int(self.deployment()["spec"]["replicas"])

    def status(self) -> dict[str, Any]:
        found = self.kube.store.get("HorizontalPodAutoscaler", "default", NAME)
        assert found is not None
        return dict(found["status"])

    def says(self, kind: str) -> str:
        return next(str(one["reason"]) for one in self.status()["conditions"] if one["type"] == kind)

    def pods(self) -> list[Object]:
        return [pod for pod in self.kube.store.list("Pod") if pod["metadata"]["name"].startswith(NAME)]


def test_a_load_that_fits_changes_nothing() -> None:
    cluster = Cluster(replicas=4)
    cluster.pods_worth = 4.3  # within the tolerance
    cluster.pass_time(60)

    assert cluster.wanted == 4
    assert cluster.says("ScalingActive") == "ValidMetricFound"


def test_more_load_is_followed_at_the_next_reconcile_and_not_before() -> None:
    cluster = Cluster(replicas=2)
    cluster.pods_worth = 3.5
    cluster.pass_time(14)
    assert cluster.wanted == 2

    cluster.pass_time(1)
    assert (cluster.wanted, cluster.status()["desiredReplicas"]) == (4, 4)


def test_less_load_is_followed_only_after_the_window_of_stability() -> None:
    cluster = Cluster(replicas=4)
    cluster.pods_worth = 1.0
    cluster.pass_time(299)
    assert cluster.wanted == 4

    cluster.pass_time(20)
    assert cluster.wanted == 1


def test_a_peak_in_the_window_keeps_its_pods_for_a_whole_window() -> None:
    cluster = Cluster(replicas=4)
    cluster.pods_worth = 2.0
    cluster.pass_time(290)
    cluster.pods_worth = 3.0
    cluster.pass_time(15)
    cluster.pods_worth = 1.0
    cluster.pass_time(60)
    assert cluster.wanted == 3

    cluster.pass_time(300)
    assert cluster.wanted == 1


def test_it_never_leaves_its_bounds_and_obeys_them_at_once() -> None:
    cluster = Cluster(replicas=4, minReplicas=2, maxReplicas=6)
    cluster.pods_worth = 0.0
    cluster.pass_time(330)
    assert cluster.wanted == 2
    cluster.pods_worth = 50.0
    cluster.pass_time(60)
    assert cluster.wanted == 6

    cluster.scale_by_hand(1)
    cluster.pass_time(15)
    assert cluster.wanted == 2  # first to its least; what the load needs comes at the look after it
    cluster.pass_time(15)
    assert cluster.wanted == 6


def test_up_it_doubles_or_adds_four_in_a_quarter_of_a_minute() -> None:
    cluster = Cluster(replicas=1, maxReplicas=40)
    cluster.pods_worth = 40.0
    seen = []
    for _ in range(4):
        cluster.pass_time(15)
        seen.append(cluster.wanted)

    assert seen == [5, 10, 20, 40]


def test_down_it_goes_as_slowly_as_its_policy_says() -> None:
    slowly = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    cluster = Cluster(replicas=4, behavior={"scaleDown": slowly})
    cluster.pods_worth = 1.0
    cluster.pass_time(16)
    assert cluster.wanted == 3
    cluster.pass_time(40)
    assert cluster.wanted == 3

    cluster.pass_time(30)
    assert cluster.wanted == 2


def test_a_deployment_of_no_replicas_is_left_alone() -> None:
    cluster = Cluster(replicas=2)
    cluster.scale_by_hand(0)
    cluster.pass_time(60)

    assert cluster.wanted == 0
    assert cluster.says("ScalingActive") == "ScalingDisabled"


def test_without_metrics_or_ready_pods_it_does_nothing_and_says_so() -> None:
    cluster = Cluster(replicas=2)
    cluster.pods_worth = None
    cluster.pass_time(400)
    assert (cluster.wanted, cluster.says("ScalingActive")) == (2, "FailedGetResourceMetric")
    cluster.pods_worth = 8.0
    cluster.kube.deployments.fail_probes("default", NAME)

    cluster.pass_time(60)
    assert (cluster.wanted, cluster.says("ScalingActive")) == (2, "FailedGetResourceMetric")


def test_a_deployment_that_is_gone_is_said() -> None:
    cluster = Cluster(replicas=2)
    cluster.kube.store.delete("Deployment", "default", NAME)
    cluster.pass_time(16)

    assert cluster.says("AbleToScale") == "FailedGetScale"


def test_it_writes_through_the_scale_subresource_and_in_its_own_name() -> None:
    cluster = Cluster(replicas=2)
    cluster.pods_worth = 4.0
    cluster.pass_time(16)

    entry = next(one for one in cluster.deployment()["metadata"]["managedFields"] if one["manager"] == MANAGER)
    assert (entry["subresource"], entry["fieldsV1"]) == ("scale", {"f:spec": {"f:replicas": {}}})


def test_pods_that_go_are_there_for_their_time_and_the_status_lags_behind() -> None:
    cluster = Cluster(replicas=4, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    cluster.kube.deployments.linger_seconds("default", NAME, 10)
    cluster.kube.deployments.lag_seconds("default", NAME, 3)
    cluster.pods_worth = 1.0
    cluster.pass_time(15)
    lagging = cluster.deployment()
    assert (lagging["spec"]["replicas"], lagging["status"]["replicas"]) == (1, 4)
    assert lagging["status"]["observedGeneration"] < lagging["metadata"]["generation"]

    cluster.pass_time(3)
    assert [is_terminating(pod) for pod in cluster.pods()].count(True) == 3
    cluster.pass_time(3)
    assert cluster.deployment()["status"]["replicas"] == 1
    cluster.pass_time(10)
    assert len(cluster.pods()) == 1


@pytest.mark.timeout(20)
def test_with_the_clock_on_the_wall_it_looks_by_itself() -> None:
    with KubeApi(start_seconds=0.0) as kube:
        kube.autoscalers.sync_seconds = 0.02
        kube.autoscalers.load = lambda _namespace, _name: 3 * FULL
        kube.load([*objects(), autoscaler(NAME, least=1, most=8)])

        def grown() -> bool:
            found = kube.store.get("Deployment", "default", NAME)
            return found is not None and found.get("status", {}).get("readyReplicas") == 3

        assert kube.store.wait_until(grown)
