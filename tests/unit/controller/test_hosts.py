"""Whole rollouts whose versions are hosts: promoted, aborted, found again, rolled back; and who else is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.cluster.objects import full_host
from bot.controller.decisions import By
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Phase, Topology
from bot.model.service import Promote, ServiceConfig
from bot.preflight import Callers
from tests.builders import MAYA, OMAR, a_service, routes
from tests.fakes.mesh import InMemoryMesh, reviews
from tests.fakes.metrics import FakeMetrics
from tests.fakes.snapshots import FakeSnapshots
from tests.unit.controller.test_controller import Rig, a_snapshot

Object = dict[str, Any]


def a_service_of(name: str, **selector: str) -> Object:
    spec = {"selector": {"app": "reviews", **selector}, "ports": [{"name": "http", "port": 9080}]}
    return {"kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


OF_VERSIONS = [a_service_of(f"reviews-{version}", version=version) for version in ("v1", "v2")]
ROOT = a_service_of("reviews")


class Apart(Rig):
    """The same world with a Service for each version, and users on the first one's."""

    def __init__(self, service: ServiceConfig | None = None, services: Sequence[Object] = OF_VERSIONS) -> None:
        super().__init__(service)
        virtual_service = reviews()
        entries = [("reviews-v1", 100), ("reviews-v2", 0)]
        route = [{"destination": {"host": host}, "weight": weight} for host, weight in entries]
        virtual_service["spec"]["http"] = [{"route": route}]
        self.mesh = InMemoryMesh([virtual_service])
        found = a_snapshot(self.mesh)
        self.snapshots = FakeSnapshots(replace(found, services=tuple(services), service=None, destination_rules=()))
        self.before = self.mesh.virtual_service()
        self.controller = self.restarted()

    def is_as_before(self) -> bool:
        after = self.mesh.virtual_service()
        return after["spec"] == self.before["spec"] and "annotations" not in after["metadata"]


def test_a_whole_rollout_leaves_the_mesh_as_it_was_and_labels_alone() -> None:
    rig = Apart()
    rig.start()

    ended = rig.until(lambda rollout: rollout.ended)

    shares = [20, 40, 60, 80, 100, 50, 0]
    assert (ended.phase, ended.spec.target.topology) == (Phase.PROMOTED, Topology.HOSTS)
    assert rig.mesh.written == [routes(0, mirror=True), *(routes(share) for share in shares), HOME]
    assert [(one.images, one.labels) for one in rig.workloads.applied] == [({"reviews": "reviews:2"}, {})]
    assert rig.is_as_before()


@pytest.mark.parametrize("stage", ["mirror", "shift 60", "upgrade", "switchback 50", "bake"])
@pytest.mark.parametrize("forgotten", [False, True], ids=["known", "forgotten"])
def test_an_abort_brings_everyone_home_from_every_stage_also_from_annotations_alone(
    stage: str,
    *,
    forgotten: bool,
) -> None:
    rig = Apart()
    rig.start()
    rig.at(stage)
    if forgotten:
        rig.store.lose_everything()

    rig.controller.abort("reviews", by=MAYA, reason="bad")
    ended = rig.until(lambda rollout: rollout.ended)

    assert (ended.phase, ended.spec.version) == (Phase.ABORTED, "v2")
    assert rig.is_as_before()
    assert all(template.images == {"reviews": "reviews:1"} for template in rig.workloads.applied[1:])


def test_a_promotion_is_rolled_back_in_the_primarys_own_service() -> None:
    rig = Apart()
    rig.start()
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)

    rig.controller.rollback("reviews", by=By(id=OMAR))
    rig.until(lambda rollout: rollout.ended)

    assert (rig.newest().phase, rig.newest().spec.back_to) == (Phase.PROMOTED, "1")
    assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}
    assert rig.is_as_before()


def test_an_adopted_canary_keeps_the_users_and_the_primarys_entry_stays() -> None:
    rig = Apart(a_service(promote=Promote.ADOPT))
    rig.start()
    rig.until(lambda rollout: rollout.ended)

    route = rig.mesh.virtual_service()["spec"]["http"][0]["route"]
    weights = {entry["destination"]["host"]: entry["weight"] for entry in route}
    assert weights == {"reviews-v1": 0, "reviews-v2": 100}
    assert rig.workloads.applied == []


@dataclass
class Asked(FakeMetrics):
    """Remembers about which Services it was asked who calls them; the page calls the one for all versions."""

    hosts: list[str] = field(default_factory=list)

    def callers(self, service: ServiceConfig, canary: str, end: float, since: float | None = None) -> Callers:  # noqa: ARG002  # the port's
        self.hosts.append(full_host(service).partition(".")[0])
        return Callers(of_service={"productpage-v1": 12.0} if self.hosts[-1] == "reviews" else {})


def test_callers_of_a_service_that_has_both_versions_are_asked_for_and_stop_a_start() -> None:
    rig = Apart(a_service(host="reviews-v1"), services=[*OF_VERSIONS, ROOT])
    rig.metrics = Asked(rig.metrics.sides, per=10.0)
    rig.controller = rig.restarted()

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert rig.metrics.hosts == ["reviews-v1", "reviews"]
    assert "Service reviews selects the pods of both versions, and productpage-v1 called it" in str(refused.value)
