"""Who is neither the bot nor its watchdog: annotations canary-bot/* are not theirs to write, only to take off."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.model.rollout import Routes
from sandbox.kube import bookinfo
from tests.builders import a_rollout, a_target
from tests.unit.admission.rules import MAYA, Object, of_kind, refusals

SENTENCE = (
    "Only canary-bot and its watchdog write annotations canary-bot/*; you may take them off, all of them at once."
)
ARGO = "system:serviceaccount:argocd:argocd-application-controller"
ROLLOUT = a_rollout().spec


def free() -> Object:
    vs = of_kind("VirtualService", bookinfo.objects())
    vs["metadata"]["annotations"] = {"team": "shop"}
    return vs


def held() -> Object:
    routes = Routes(canary=20)
    return virtual_services.claim(free(), a_target(), routes, owner=ROLLOUT.id, recorded=ROLLOUT.recorded, now=1.0)


def annotated(vs: Object, **changes: str | None) -> Object:
    new = deepcopy(vs)
    annotations: dict[str, Any] = new["metadata"]["annotations"]
    for name, value in changes.items():
        annotations.pop(f"canary-bot/{name}", None)
        annotations |= {} if value is None else {f"canary-bot/{name}": value}
    return new


@pytest.mark.parametrize("user", [MAYA, ARGO, "system:admin", "system:serviceaccount:default:canary-bot"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, held()),  # forged, or an object of mid-rollout from a backup
        (free(), held()),
        (held(), annotated(held(), restore="{}")),
        (held(), annotated(held(), rollout="r-2")),
        (held(), annotated(held(), watchdog="{}")),
        (held(), annotated(held(), restore=None)),  # half of them say something else than all
    ],
    ids=["made with", "put on", "changed", "another's", "one more", "one less"],
)
def test_nobody_else_writes_our_annotations(user: str, before: Object | None, after: Object) -> None:
    assert refusals(before, after, user=user) == [SENTENCE]


def test_anybody_takes_all_of_them_off_and_edits_what_is_not_ours() -> None:
    routed = deepcopy(held())
    routed["spec"]["http"][0]["route"] = free()["spec"]["http"][0]["route"]
    routed["metadata"] |= {"labels": {"a": "b"}, "annotations": held()["metadata"]["annotations"] | {"team": "other"}}
    bare = free()
    del bare["metadata"]["annotations"]

    for before, after in [(held(), free()), (held(), bare), (held(), routed), (None, free()), (bare, free())]:
        assert refusals(before, after, user=MAYA) == []


def test_nobody_else_keeps_a_dead_bots_heart_beating() -> None:
    lease = heartbeat_lease.beaten(None, free(), ROLLOUT.id, "store", 120.0, 1.0)
    again = heartbeat_lease.beaten(lease, free(), ROLLOUT.id, "store", 120.0, 2.0)
    renewed = lease | {"spec": again["spec"]}
    orphaned = lease | {"metadata": {k: v for k, v in lease["metadata"].items() if k != "ownerReferences"}}
    others = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "node-1"}}
    sentence = "Only canary-bot and its watchdog write the Leases of their heartbeats; you may delete them."

    assert refusals(lease, renewed, user=MAYA) == [sentence]
    assert refusals(None, lease, user=MAYA) == [SENTENCE, sentence]
    assert refusals(lease, again, user=MAYA) == [SENTENCE, sentence]
    assert refusals(lease, orphaned, user=MAYA) == []  # the garbage collector's
    assert refusals(None, others, user=MAYA) == refusals(others, others | {"spec": {}}, user=MAYA) == []
