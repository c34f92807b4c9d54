"""Whole rollouts in which the primary shrinks, pods go bad, and other hands are in the mesh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.cluster.virtual_service import OWNER, RESTORE
from bot.controller.decisions import KeepTheirs, Restore, Retry
from bot.model.errors import Fault
from bot.model.incidents import Trouble
from bot.model.judge_settings import STRICTNESS
from bot.model.observation import Progress
from bot.model.rollout import ALL_CANARY, HOME, Phase, Rollout
from bot.model.service import DriftRule, GateLimits, OnDrift
from bot.model.story import EntryKind
from tests.builders import OMAR, a_service, a_side_of, routes
from tests.unit.controller.test_controller import Rig

OOM = Trouble(pod="reviews-v2-a", container="reviews", restarts=1, ended="OOMKilled")


ABORTS_AT_ONCE = GateLimits(judge=replace(STRICTNESS, shield=False))  # nobody is taken home before


def at(stage: str, **changes: Any) -> Rig:
    """A rollout that is judged good at a stage."""
    rig = Rig(a_service(**{"gates": GateLimits(), **changes}))
    rig.start()
    rig.at(stage)
    rig.until(lambda rollout: rollout.judgement is not None and rollout.judgement.verdict == "pass", approve=False)
    return rig


def shrink(rig: Rig, pods: int) -> None:
    """An HPA took the idle primary for idle."""
    primary = rig.workloads.deployments["reviews-v1"]
    primary.wanted = primary.ready = pods
    primary.progress = Progress.DONE if pods else Progress.WAITING


def ended(rig: Rig) -> Rollout:
    return rig.until(lambda rollout: rollout.ended, approve=False)


def test_a_rollout_remembers_how_large_both_sides_were() -> None:
    target = at("mirror").live().spec.target

    assert (target.primary_replicas, target.canary_replicas) == (2, 2)


def test_users_of_a_good_canary_return_when_the_primary_has_grown_again() -> None:
    rig = at("shift 100")
    shrink(rig, 1)
    rig.controller.abort("reviews", by=OMAR, reason="wrong version")

    assert (rig.mesh.written[-1], rig.workloads.scaled) == (ALL_CANARY, [2])
    assert "reviews-v1 has 1 of the 2 ready pods that all users need. It is scaled from 1 to 2 first." in (
        " ".join(rig.said(EntryKind.STAGE))
    )
    rig.workloads.finish("reviews-v1")
    assert (ended(rig).phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)


def test_users_of_a_bad_canary_return_at_once_and_the_primary_grows_meanwhile() -> None:
    rig = at("shift 100", gates=ABORTS_AT_ONCE)
    shrink(rig, 1)
    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, errors=500)
    rig.until(lambda rollout: rollout.phase in {Phase.ABORTING, Phase.ABORTED}, approve=False)

    assert (rig.mesh.written[-1], rig.workloads.scaled) == (HOME, [2])
    assert "It is scaled up meanwhile." in " ".join(rig.said(EntryKind.STAGE))


def test_users_who_are_taken_home_before_an_abort_have_the_primary_grow_as_well() -> None:
    rig = at("shift 100")
    shrink(rig, 1)
    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, errors=500)
    rig.until(lambda rollout: rollout.current.on_copies, approve=False)

    assert not rig.mesh.written[-1].canary
    assert rig.workloads.scaled == [2]


def test_nobody_is_sent_to_a_primary_that_was_scaled_to_zero() -> None:
    rig = at("shift 60")
    shrink(rig, 0)
    rig.tick()

    assert (rig.mesh.written[-1], rig.workloads.scaled) == (ALL_CANARY, [2])
    rig.workloads.finish("reviews-v1")
    rig.tick()
    assert (ended(rig).phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)


def test_a_primary_that_does_not_come_up_again_halts_and_a_retry_waits_once_more() -> None:
    rig = at("shift 100", scale_timeout=60.0)
    shrink(rig, 0)
    rig.controller.abort("reviews", by=OMAR, reason="wrong version")
    rig.tick(61)

    assert (rig.live().phase, rig.mesh.written[-1]) == (Phase.HALTED, ALL_CANARY)
    assert "reviews-v1 had no ready pod within 60 seconds." in rig.said(EntryKind.HALTED)[0]
    rig.decide(Retry())
    assert rig.live().phase is Phase.ABORTING
    rig.workloads.finish("reviews-v1")
    assert ended(rig).phase is Phase.ABORTED


def test_users_return_to_too_few_pods_when_the_wait_has_lasted_long_enough() -> None:
    rig = at("shift 100", scale_timeout=60.0)
    shrink(rig, 1)
    rig.controller.abort("reviews", by=OMAR, reason="wrong version")
    rig.tick(61)

    assert rig.mesh.written[-1] == HOME
    assert "reviews-v1 had only 1 of 2 pods ready within 60 seconds. Users return all the same." in (
        rig.said(EntryKind.ALERT)
    )


def test_an_abort_ends_although_the_primary_may_not_be_scaled() -> None:
    rig = at("shift 100", scale_timeout=60.0, gates=ABORTS_AT_ONCE)
    shrink(rig, 1)
    rig.workloads.scale_outage = Fault("Kubernetes", "deployments/scale is forbidden.")
    rig.metrics.sides["default/reviews-v2"] = a_side_of(1000, errors=500)
    rig.until(lambda rollout: rollout.phase in {Phase.ABORTING, Phase.ABORTED}, approve=False)

    assert (rig.mesh.written[-1], rig.live().phase) == (HOME, Phase.ABORTING)
    assert rig.faults == ["deployments/scale is forbidden."]
    rig.tick(61)
    assert rig.newest().phase is Phase.ABORTED
    assert "reviews-v1 could not be scaled to 2 pods within 60 seconds: it asks for 1. Please look." in (
        rig.said(EntryKind.ALERT)
    )


@pytest.mark.parametrize("when", ["shift 100", "upgrade"])
def test_a_primary_that_was_scaled_to_zero_while_idle_is_upgraded_and_scaled_up(when: str) -> None:
    """Without a pod nobody can see its new image, and nobody waits for one until the upgrade times out."""
    rig = at("shift 100")
    if when == "shift 100":
        shrink(rig, 0)
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    if when == "upgrade":
        shrink(rig, 0)
    rig.tick()

    assert [template.images["reviews"] for template in rig.workloads.applied] == ["reviews:2"]
    assert rig.workloads.scaled == [2]
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED


def test_an_upgraded_primary_that_has_pods_is_not_scaled() -> None:
    rig = at("shift 100")
    shrink(rig, 1)
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    rig.tick()

    assert rig.workloads.scaled == []


def test_an_abort_takes_the_old_image_back_on_a_primary_that_was_scaled_to_zero() -> None:
    rig = at("shift 100")
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    shrink(rig, 0)
    rig.controller.abort("reviews", by=OMAR, reason="wrong version")

    assert (ended(rig).phase, rig.mesh.written[-1]) == (Phase.ABORTED, HOME)
    assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}


def test_a_switchback_waits_for_a_primary_that_shrank_and_scales_it_up() -> None:
    rig = at("upgrade")
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    shrink(rig, 1)
    rig.controller.approve("reviews", by=OMAR)

    assert rig.mesh.written[-1] == routes(50), "half of what two pods carried is one pod's"
    rig.tick()
    rig.until(lambda rollout: rollout.current.name == "switchback 100", approve=False)
    assert (rig.mesh.written[-1], rig.workloads.scaled) == (routes(50), [2])
    rig.workloads.finish("reviews-v1")
    rig.tick()
    assert rig.mesh.written[-1] == HOME


def test_an_oom_kill_of_the_canary_brings_users_home_in_the_same_reconcile() -> None:
    rig = at("shift 40")
    rig.workloads.deployments["reviews-v2"].troubles = (OOM,)
    rig.tick()

    assert rig.mesh.written[-1] == HOME
    assert "reviews-v2 ran out of memory (OOMKilled) while it has 40 % of users" in (rig.said(EntryKind.ABORTING)[0])


def move_all_home(vs: dict[str, Any]) -> None:
    first, second = vs["spec"]["http"][0]["route"]
    first["weight"], second["weight"] = 100, 0


def test_a_change_is_left_where_somebody_says_hold_and_the_rollout_ends_by_an_abort() -> None:
    rig = at("shift 40")
    rig.mesh.edit("kubectl-edit", move_all_home)
    rig.tick()
    rig.decide(KeepTheirs())
    writes = len(rig.mesh.written)
    for _ in range(100):
        rig.tick()

    assert (rig.mesh.written[writes:], len(rig.said(EntryKind.ALERT))) == ([], 1)
    rig.controller.abort("reviews", by=OMAR, reason="enough")
    assert ended(rig).phase is Phase.ABORTED


@pytest.mark.parametrize(
    ("rule", "phase"), [(OnDrift.RESTORE, Phase.SHIFTING), (OnDrift.ABORT, Phase.ABORTED)], ids=str
)
def test_the_services_rule_acts_when_nobody_does(rule: OnDrift, phase: Phase) -> None:
    rig = at("shift 40", drift=DriftRule(timeout=60.0, on_timeout=rule))
    rig.mesh.edit("kubectl-edit", move_all_home)
    rig.tick()
    rig.tick(61)

    assert rig.newest().phase is phase
    assert rig.mesh.written[-1] == (routes(40) if rule is OnDrift.RESTORE else HOME)


@pytest.mark.parametrize("stage", ["mirror", "shift 40"])
def test_stripped_annotations_are_told_and_come_back_on_restore(stage: str) -> None:
    rig = at(stage)
    rig.mesh.edit("argocd-controller", lambda vs: vs["metadata"].pop("annotations"))
    rig.tick()

    assert "Someone removed canary-bot's annotations from VirtualService reviews." in (rig.said(EntryKind.ALERT)[0])
    rig.decide(Restore())
    assert {OWNER, RESTORE} <= rig.mesh.virtual_service()["metadata"]["annotations"].keys()
    assert (rig.live().drift, rig.live().current.name) == (None, stage)


def test_an_abort_takes_the_object_back_from_whoever_took_its_annotation() -> None:
    rig = at("shift 40")
    rig.mesh.edit("canary-bot", lambda vs: vs["metadata"]["annotations"].update({OWNER: "r-99"}))
    rig.tick()
    assert "rollout annotation r-1 → r-99" in rig.said(EntryKind.ALERT)[0]

    rig.controller.abort("reviews", by=OMAR, reason="two bots")

    assert ended(rig).phase is Phase.ABORTED
    assert rig.mesh.written[-1] == HOME
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]
