"""Many services in mid-rollout: their objects as an old, quiet cluster holds them, and the rollouts that go with them.

The objects are written out at rest, with no controllers behind them: a thousand Deployments are there at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.cluster import virtual_service as virtual_services
from bot.model.rollout import Phase, PodTemplate, Rollout, RolloutId, Routes, Target
from bot.model.service import GateLimits, HardLimit, Measure, ServiceConfig
from sandbox.kube import bookinfo
from tests.builders import a_rollout, a_service, a_target

Object = dict[str, Any]

PER_NAMESPACE = 100
SHARE = Routes(canary=20)
REPLICAS = 2
READ_DELAY = a_service().metrics.delay  # seconds that figures are read behind the clock
_REVISION = {"deployment.kubernetes.io/revision": "1"}
_READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def place(number: int) -> tuple[str, str]:
    """Namespace and name of a service."""
    return f"team{number // PER_NAMESPACE}", f"shop{number}"


def rollout(number: int, now: float) -> Rollout:
    """A rollout of that service which has been at 20 % for five minutes and will stay there."""
    made = a_rollout(_service(number))
    name, version = made.spec.service, bookinfo.image
    shift = next(index for index, stage in enumerate(made.spec.plan) if stage.routes == SHARE)
    return replace(
        made,
        spec=replace(
            made.spec,
            id=_rollout_id(number),
            started_at=now - 600 + number / 1000,
            target=_target(number),
            recorded=PodTemplate(images={name: version("v1")}),
            upgraded=PodTemplate(images={name: version("v2")}),
            canary_images={name: version("v2")},
        ),
        phase=Phase.SHIFTING,
        stage=shift,
        since=now - 300,
        settled_at=now - 300,
    )


def objects(number: int, now: float) -> list[Object]:
    """The VirtualService of that service, marked and split as the rollout wants it, and both Deployments at rest."""
    namespace, name = place(number)
    found = {(one["kind"], one["metadata"]["name"]): one for one in bookinfo.service_objects(name, namespace)}
    owner, recorded = _rollout_id(number), PodTemplate(images={name: bookinfo.image("v1")})
    plain = found["VirtualService", name]
    taken = virtual_services.claim(plain, _target(number), SHARE, owner=owner, recorded=recorded, now=now)
    sides = [found["Deployment", f"{name}-{version}"] for version in ("v1", "v2")]
    return [taken, *(one for deployment in sides for one in _at_rest(deployment))]


def _service(number: int) -> ServiceConfig:
    namespace, name = place(number)
    # The judge wants three scrapes to agree, whatever the tick is: the reaction is that of a limit, at the first
    # reconcile that sees anything bad.
    limit = HardLimit(name="error share", of=Measure.ERRORS, maximum=0.005)
    return a_service(
        name=name,
        namespace=namespace,
        virtual_service=name,
        primary_deployment=f"{name}-v1",
        stage_seconds=86_400.0,
        gates=GateLimits(limits=(limit,)),
    )


def _target(number: int) -> Target:
    namespace, name = place(number)
    return a_target(
        namespace=namespace,
        host=f"{name}.{namespace}.svc.cluster.local",
        virtual_service=name,
        virtual_service_namespace=namespace,
        destination_rule=name,
        primary_deployment=f"{name}-v1",
        canary_deployment=f"{name}-v2",
    )


def _rollout_id(number: int) -> RolloutId:
    return RolloutId(f"r-{number:06x}")


def _at_rest(deployment: Object) -> list[Object]:
    metadata, spec = deployment["metadata"], deployment["spec"]
    name, template = metadata["name"], spec["template"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), REPLICAS)
    uid, hashed = f"uid-{name}", f"{name}-5d6c8"
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": _owned(metadata, hashed, "Deployment", uid) | {"annotations": _REVISION, "uid": f"uid-{hashed}"},
        "spec": {"replicas": REPLICAS, "selector": spec["selector"], "template": template},
        "status": counts,
    }
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": _owned(metadata, f"{hashed}-{number}", "ReplicaSet", f"uid-{hashed}"),
            "spec": template["spec"],
            "status": _READY,
        }
        for number in range(REPLICAS)
    ]
    live = {
        **deployment,
        "metadata": metadata | {"uid": uid, "annotations": _REVISION},
        "spec": spec | {"replicas": REPLICAS},
        "status": {"observedGeneration": 1, **counts},
    }
    return [live, replica_set, *pods]


def _owned(like: Object, name: str, kind: str, uid: str) -> Object:
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
    return {"name": name, "namespace": like["namespace"], "labels": like["labels"], "ownerReferences": [owner]}
