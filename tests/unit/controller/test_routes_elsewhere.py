"""A VirtualService that lives in another namespace than the service: everything about it goes to where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.model.rollout import HOME, Phase
from tests.builders import MAYA, a_service, routes
from tests.fakes.mesh import InMemoryMesh, reviews
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import Rig

PLACE = ("ingress", "shop")


def at_the_gateway() -> dict[str, Any]:
    """It names the service in full, as it must from there."""
    shop = reviews()
    shop["metadata"] |= {"name": PLACE[1], "namespace": PLACE[0]}
    for entry in shop["spec"]["http"][0]["route"]:
        entry["destination"]["host"] = "reviews.default.svc.cluster.local"
    return shop


def a_rig() -> Rig:
    service = a_service(virtual_service=PLACE[1], virtual_service_namespace=PLACE[0])
    rig = Rig(service)
    rig.mesh = InMemoryMesh([at_the_gateway()])
    rig.snapshots.found = replace(rig.snapshots.found, virtual_service=at_the_gateway())
    rig.controller = rig.restarted()
    return rig


def test_a_whole_rollout_writes_marks_and_leases_where_the_object_is_and_leaves_it_as_it_was() -> None:
    rig = a_rig()
    rig.start()
    rig.at("shift 40")

    marked = rig.mesh.virtual_service(*PLACE)
    assert marked["metadata"]["annotations"]["canary-bot/rollout"] == rig.live().spec.id
    assert {place[0] for place in rig.mesh.leases} == {"ingress"}

    ended = rig.until(lambda rollout: rollout.ended)

    assert ended.phase is Phase.PROMOTED
    assert ended.spec.target.virtual_service_namespace == "ingress"
    assert rig.mesh.written[0] == routes(0, mirror=True)
    assert rig.mesh.virtual_service(*PLACE)["spec"] == at_the_gateway()["spec"]
    assert rig.mesh.leases == {}


def test_an_abort_finds_the_annotations_there_when_the_store_has_lost_everything() -> None:
    rig = a_rig()
    rig.start()
    rig.at("shift 40")
    rig.store = InMemoryStore()
    rig.controller = rig.restarted()

    rig.clock.advance(600)
    rig.controller.abort("reviews", by=MAYA, reason="errors")
    rig.until(lambda rollout: rollout.ended)

    assert rig.mesh.written[-1] == HOME
    assert rig.mesh.virtual_service(*PLACE)["spec"] == at_the_gateway()["spec"]
