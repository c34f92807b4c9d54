"""What a reconcile cannot see and a write that is turned down, through the whole controller."""

from __future__ import annotations

import pytest

from bot.controller.observe import observe
from bot.model.errors import Cause, Fault, Refusal
from bot.model.rollout import HOME, Phase
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.builders import OMAR, a_rollout, a_side_of, routes
from tests.fakes.mesh import InMemoryMesh
from tests.fakes.workloads import InMemoryWorkloads
from tests.unit.controller.test_controller import Rig

FORBIDDEN = Fault("Kubernetes", 'Could not list Pods: User "canary-bot" cannot list resource "pods".', Cause.FORBIDDEN)
QUOTA = Fault("Kubernetes", "Could not patch Deployment default/reviews-v1: exceeded quota: small.", Cause.REFUSED)


@pytest.mark.parametrize("cause", Cause)
def test_a_server_that_does_not_answer_is_asked_once_and_one_that_refuses_is_asked_for_the_rest(cause: Cause) -> None:
    mesh, workloads = InMemoryMesh(), InMemoryWorkloads()
    mesh.outage = Fault("Kubernetes", "no.", cause)
    notified: list[str] = []

    observed = observe(a_rollout(), mesh, workloads, lambda fault: notified.append(plain(fault.sentence)))

    silent = cause in {Cause.UNREACHABLE, Cause.TIMED_OUT}
    assert observed.routes_unobserved is not None
    assert (observed.routes_unobserved.cause, notified) == (cause, ["no."])
    assert (observed.pods_unobserved is not None) == silent
    assert (observed.primary.ready == 2) != silent


def test_a_rollout_whose_virtual_service_was_deleted_is_held_by_name_and_its_abort_ends() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.mesh.delete()
    rig.tick()

    held = rig.live().hold
    assert held is not None
    assert plain(held.sentence).startswith("VirtualService reviews no longer exists. Nothing is moved.")
    rig.controller.abort("reviews", by=OMAR, reason="the service is retired")
    for _ in range(5):
        rig.tick()

    assert rig.newest().phase is Phase.ABORTED
    assert "VirtualService reviews no longer exists, so nobody can be moved." in rig.said(EntryKind.ENDED)[0]
    with pytest.raises(Refusal) as refused:
        rig.start()
    assert refused.value.reasons == ("VirtualService default/reviews does not exist.",)


def test_bad_figures_bring_users_home_although_the_pods_may_not_be_looked_at() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.workloads.outage = FORBIDDEN
    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, 300)

    rig.until(lambda rollout: rollout.ended)

    assert (rig.newest().phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)


def test_an_upgrade_that_is_turned_down_is_told_within_two_reconciles_and_goes_on_when_it_is_mended() -> None:
    rig = Rig()
    rig.start()
    rig.workloads.apply_outage = QUOTA
    began = rig.until(lambda rollout: rollout.phase is Phase.UPGRADING).since
    rig.tick()
    rig.tick()

    notified = [entry for entry in rig.controller.story(rig.live()) if entry.kind is EntryKind.ALERT]
    assert "exceeded quota: small" in plain(notified[0].text)
    assert notified[0].at - began <= 20.0
    rig.workloads.apply_outage = None
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED


def test_routes_that_may_not_be_written_are_told_within_two_reconciles_once() -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 20")
    rig.mesh.denial = Fault("Kubernetes", "Could not update VirtualService: forbidden.", Cause.FORBIDDEN)
    rig.until(lambda rollout: rollout.current.name == "shift 40")
    for _ in range(6):
        rig.tick()

    assert [text for text in rig.said(EntryKind.ALERT) if "forbidden" in text] == [
        "Could not update VirtualService: forbidden. canary-bot keeps trying. Staying at 40 % of users."
    ]
    assert rig.mesh.observe(live.spec.target).routes == routes(20)
    rig.mesh.denial = None
    rig.tick()
    assert rig.mesh.observe(live.spec.target).routes == routes(40)
