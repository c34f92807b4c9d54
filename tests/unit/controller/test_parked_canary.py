"""A canary that has no pods until a rollout needs them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.controller.decisions import Abort
from bot.model.observation import Progress
from bot.model.rollout import HOME, Parked, Phase
from bot.model.service import Promote
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests import snapshots
from tests.builders import MAYA, a_service, routes
from tests.unit.controller.test_controller import Rig

NAME = "reviews-v2"


def a_rig(**service: Any) -> Rig:
    rig = Rig(a_service(scale_canary_up=True, drain_seconds=30.0, **service))
    canary = rig.workloads.deployments[NAME]
    canary.wanted = canary.ready = 0
    parked = snapshots.a_deployment(NAME, "v2", image="reviews:2", replicas=0)
    primary = rig.snapshots.found.deployments[0]
    rig.snapshots.found = replace(rig.snapshots.found, deployments=(primary, parked), pods=rig.snapshots.found.pods[:2])
    return rig


def ready(rig: Rig, pods: int) -> None:
    canary = rig.workloads.deployments[NAME]
    canary.ready, canary.progress, canary.reason = pods, Progress.DONE, ""


def size(rig: Rig) -> int:
    return rig.workloads.deployments[NAME].wanted


def test_it_gets_the_pods_of_its_largest_share_and_copies_only_when_all_of_them_are_ready() -> None:
    rig = a_rig()
    begun = rig.start()
    assert begun.spec.parked == Parked(pods=2, drain=30.0)
    assert (size(rig), rig.mesh.written) == (2, [])

    ready(rig, 1)
    rig.tick()
    assert rig.mesh.written == []

    ready(rig, 2)
    rig.tick()
    assert rig.mesh.written == [routes(0, mirror=True)]


def test_it_has_none_again_after_the_promotion() -> None:
    rig = a_rig()
    rig.start()
    ready(rig, 2)
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert size(rig) == 0


def test_after_an_abort_it_idles_for_the_drain_time_and_has_none_then() -> None:
    rig = a_rig()
    rig.start()
    ready(rig, 2)
    rig.at("shift 40")
    rig.decide(Abort("errors"))
    assert rig.mesh.written[-1] == HOME
    rig.tick(20)
    assert size(rig) == 2
    rig.tick(20)
    rig.until(lambda rollout: rollout.ended)
    assert size(rig) == 0


def test_a_process_that_was_killed_before_it_could_scale_does_so_when_it_is_back() -> None:
    rig = a_rig()
    rig.start()
    rig.workloads.deployments[NAME].wanted = 0  # the order was stored, and never reached the API server
    rig.controller = rig.restarted()
    rig.tick()
    assert size(rig) == 2


def test_a_size_that_an_autoscaler_has_chosen_since_is_left_alone() -> None:
    rig = a_rig()
    rig.start()
    rig.workloads.deployments[NAME].wanted = 1
    ready(rig, 1)
    rig.tick()
    assert size(rig) == 1
    assert rig.mesh.written == [routes(0, mirror=True)]


def test_a_canary_that_becomes_the_primary_keeps_its_pods() -> None:
    rig = a_rig(promote=Promote.ADOPT)
    rig.start()
    ready(rig, 2)
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert size(rig) == 2


def test_without_the_setting_a_start_is_refused_as_before() -> None:
    rig = a_rig()
    rig.service = replace(rig.service, scale_canary_up=False)
    rig.controller = rig.restarted()
    plan = rig.controller.plan("reviews", "v2")
    assert [plain(one) for one in plan.reasons] == [
        "reviews-v2 has no replicas. `kubectl -n default scale deployment/reviews-v2 --replicas=2` gives it pods."
    ]


def test_somebody_can_abort_before_its_pods_are_there() -> None:
    rig = a_rig()
    rig.start()
    rig.controller.abort("reviews", by=MAYA, reason="not today")
    rig.until(lambda rollout: rollout.ended, every=20.0)
    assert size(rig) == 0
    assert rig.mesh.virtual_service()["spec"]["http"][0]["route"][0]["weight"] == 100


def test_nobody_is_told_of_pods_that_start_and_everybody_of_those_that_do_not() -> None:
    rig = a_rig()
    rig.start()
    rig.tick(60)
    assert rig.said(EntryKind.HELD) == []
    rig.tick(150)
    assert [one.startswith("reviews-v2 has no ready pod.") for one in rig.said(EntryKind.HELD)] == [True]
