"""Pods of several containers, and workloads that are no Deployments."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.deployments import has_template
from bot.model.errors import Refusal
from bot.model.service import Promote
from bot.preflight import examine
from tests.builders import a_service
from tests.snapshots import a_deployment, a_pod, a_snapshot, texts

Object = dict[str, Any]
DIGEST = {"reviews": "sha256:" + "a" * 64, "migrate": "sha256:" + "b" * 64}


def side(version: str, migrate: str, shipper: str) -> Object:
    deployment = a_deployment(f"reviews-{version}", version)
    spec = deployment["spec"]["template"]["spec"]
    spec["initContainers"] = [{"name": "migrate", "image": f"registry.example/migrate:{migrate}"}]
    spec["containers"].append({"name": "shipper", "image": f"registry.example/shipper:{shipper}"})
    return deployment


def pods_of(deployment: Object) -> list[Object]:
    """Two of them, whose nodes show what each container runs, init containers too."""
    images = {
        "reviews": "registry.example/reviews-v2",
        "migrate": "registry.example/migrate",
    }
    pods = [a_pod(deployment, number, image_id=f"{images['reviews']}@{DIGEST['reviews']}") for number in (1, 2)]
    for pod in pods:
        shown = f"{images['migrate']}@{DIGEST['migrate']}"
        pod["status"]["initContainerStatuses"] = [{"name": "migrate", "ready": True, "imageID": shown}]
    return pods


def snapshot_of(primary: Object, canary: Object) -> Any:
    return a_snapshot(deployments=(primary, canary), pods=(a_pod(primary, 1), a_pod(primary, 2), *pods_of(canary)))


def test_images_that_change_with_the_release_and_are_not_promoted_are_told_with_the_key_that_promotes_them() -> None:
    snapshot = snapshot_of(side("v1", "1", "2.9"), side("v2", "2", "2.9"))
    (warning,) = texts(examine(a_service(containers=("reviews",)), "v2", snapshot).warnings)
    assert warning == (
        "Other images of reviews-v2 differ from those of reviews-v1, and are not promoted: "
        "migrate: registry.example/migrate:1 → registry.example/migrate:2. "
        "Write `primary: {containers: [reviews, migrate]}` for reviews in services.yaml to promote them together, "
        "or accept it."
    )


def test_several_containers_are_promoted_together_each_by_its_own_digest_and_back_by_what_they_were() -> None:
    primary, canary = side("v1", "1", "2.9"), side("v2", "2", "2.9")
    found = examine(a_service(containers=("reviews", "migrate")), "v2", snapshot_of(primary, canary))
    assert found.problems == ()
    assert found.upgraded.images == {
        "reviews": f"registry.example/reviews-v2:1.20.3@{DIGEST['reviews']}",
        "migrate": f"registry.example/migrate:2@{DIGEST['migrate']}",
    }
    assert found.recorded.images == {
        "reviews": "registry.example/reviews-v1:1.20.3",
        "migrate": "registry.example/migrate:1",
    }
    assert has_template(primary, found.recorded)


def test_where_the_canary_is_adopted_its_whole_pod_goes_on() -> None:
    snapshot = snapshot_of(side("v1", "1", "2.9"), side("v2", "2", "3.1"))
    assert examine(a_service(containers=("reviews",), promote=Promote.ADOPT), "v2", snapshot).warnings == ()


def test_what_the_mesh_injects_has_its_own_version() -> None:
    primary, canary = side("v1", "1", "1"), side("v2", "1", "1")
    for one, version in ((primary, "1.28"), (canary, "1.29")):
        proxy = {"name": "istio-proxy", "image": f"proxyv2:{version}"}
        one["spec"]["template"]["spec"]["containers"].append(proxy)
    found = examine(a_service(containers=("reviews",)), "v2", snapshot_of(primary, canary))
    assert not [one for one in texts(found.warnings) if "are not promoted" in one]


def test_a_container_that_one_side_lacks_is_named() -> None:
    snapshot = snapshot_of(a_deployment("reviews-v1", "v1"), side("v2", "2", "1"))
    with pytest.raises(Refusal) as refused:
        examine(a_service(containers=("reviews", "migrate")), "v2", snapshot)
    assert "reviews-v1 has no container migrate; it has reviews." in str(refused.value)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("name", ["reviews-v1", "reviews-v2"])
def test_another_kind_of_workload_is_refused_by_its_name(kind: str, name: str) -> None:
    deployments = [a_deployment("reviews-v1", "v1"), a_deployment("reviews-v2", "v2")]
    other = {"kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": {}}
    snapshot = a_snapshot(
        deployments=tuple(one for one in deployments if one["metadata"]["name"] != name), other_workloads=(other,)
    )
    with pytest.raises(Refusal) as refused:
        examine(a_service(), "v2", snapshot)
    (reason,) = [one for one in texts(refused.value.reasons) if name in one and not one.startswith("Warning")]
    assert reason.startswith(f"{name} is a {kind}, and canary-bot releases Deployments. A {kind} replaces its pods")
