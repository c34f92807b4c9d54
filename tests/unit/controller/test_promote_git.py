"""``promote: git``: the bot asks for the primary's image and never writes it; the rollout goes on when it arrives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.controller.decisions import Abort
from bot.model.observation import Progress
from bot.model.rollout import ALL_CANARY, HOME, HoldCause, Phase, Rollout
from bot.model.service import ApprovalRule, OnTimeout, Promote
from bot.model.story import EntryKind
from bot.model.webhooks import HookMoment, Webhook
from tests.builders import a_service, routes
from tests.unit.controller.test_controller import Rig

IMAGE = "reviews:2"


def a_rig(**changes: object) -> Rig:
    return Rig(a_service(**({"promote": Promote.GIT, "weights": (50, 100), "approve": ()} | changes)))


def waiting(**changes: object) -> Rig:
    """It has asked, and all users are on the canary."""
    rig = a_rig(**changes)
    rig.start()
    rig.until(lambda rollout: rollout.waits_for_git)
    rig.tick()
    return rig


def merged(rig: Rig, image: str = IMAGE) -> None:
    """Somebody merges the change, and the GitOps tool gives the Deployment its image; pods are not there yet."""
    primary = rig.workloads.deployments["reviews-v1"]
    primary.images["reviews"] = image
    primary.progress, primary.ready, primary.writer = Progress.WAITING, 0, "argocd-controller"


def ended(rollout: Rollout) -> bool:
    return rollout.ended


def test_the_bot_asks_once_with_the_image_and_writes_no_template() -> None:
    rig = waiting()
    for _ in range(20):
        rig.tick()

    held = rig.live()
    assert (held.phase, held.hold and held.hold.cause, held.drift) == (Phase.UPGRADING, HoldCause.GIT, None)
    assert rig.workloads.applied == []
    (asked,) = rig.said(EntryKind.ASK)
    assert asked.startswith(f"Put this image of reviews-v1 into git now: reviews: {IMAGE}.")
    assert rig.mesh.written[-1] == ALL_CANARY


def test_it_goes_on_when_the_image_arrives_and_its_pods_are_ready() -> None:
    rig = waiting()
    merged(rig)
    rig.tick()
    assert rig.live().phase is Phase.UPGRADING, "its pods are not ready"
    assert rig.said(EntryKind.RESUMED)[-1].startswith("reviews-v1 has its image from git after ")

    over = rig.until(ended)

    assert over.phase is Phase.PROMOTED
    assert rig.workloads.applied == []
    assert rig.mesh.written[-3:] == [routes(50), HOME, HOME]


def test_pods_that_do_not_come_up_have_their_time_from_when_the_image_arrived() -> None:
    rig = waiting(upgrade_timeout=100.0)
    for _ in range(30):
        rig.tick()
    assert rig.live().phase is Phase.UPGRADING

    merged(rig)
    rig.tick()
    rig.tick(50)
    assert rig.live().phase is Phase.UPGRADING
    rig.tick(60)

    assert rig.live().phase is Phase.HALTED


@pytest.mark.parametrize(("then", "phase"), [(OnTimeout.HOLD, Phase.UPGRADING), (OnTimeout.ABORT, Phase.ABORTED)])
def test_without_a_change_in_git_the_rule_of_unanswered_questions_decides(then: OnTimeout, phase: Phase) -> None:
    rig = waiting(approvals=ApprovalRule(timeout=120.0, on_timeout=then))
    for _ in range(30):
        rig.tick()

    assert rig.newest().phase is phase
    if then is OnTimeout.HOLD:
        assert len(rig.said(EntryKind.ALERT)) == 1
        assert "Git has not given reviews-v1 its image within 2 minutes." in rig.said(EntryKind.ALERT)[0]
    else:
        assert rig.mesh.written[-1] == HOME


def test_an_abort_before_the_change_brings_everyone_home_and_writes_no_template() -> None:
    rig = waiting()

    rig.decide(Abort("no"))
    over = rig.until(ended)

    assert (over.phase, rig.workloads.applied, rig.mesh.written[-1]) == (Phase.ABORTED, [], HOME)


def test_an_abort_after_the_change_restores_the_primary_before_any_user_returns() -> None:
    rig = waiting()
    merged(rig)
    rig.tick()
    rig.decide(Abort("no"))
    assert rig.mesh.written[-1] == ALL_CANARY
    assert [template.images for template in rig.workloads.applied] == [{"reviews": "reviews:1"}]

    assert rig.until(ended).phase is Phase.ABORTED
    assert rig.mesh.written[-1] == HOME


def test_another_image_than_the_one_asked_for_is_somebodys_edit() -> None:
    rig = waiting()
    merged(rig, "reviews:3")
    rig.tick()

    live = rig.live()
    assert (live.phase, live.drift is not None, rig.workloads.applied) == (Phase.UPGRADING, True, [])


def test_the_promoted_webhook_is_told_when_git_is_asked_and_with_the_image() -> None:
    hook = Webhook(name="pull-request", url="http://ci/open", when=HookMoment.PROMOTED)
    rig = waiting(webhooks=(hook,))
    ((name, key, body),) = rig.webhooks.calls

    assert (name, key, body["promotes"]) == ("pull-request", "r-1/upgrade/pull-request", {"reviews": IMAGE})
    merged(rig)
    rig.until(ended)
    assert len(rig.webhooks.calls) == 1


def test_a_bot_that_is_restarted_goes_on_waiting_and_asks_nobody_twice() -> None:
    rig = waiting()
    rig.controller = rig.restarted()
    rig.tick()
    merged(rig)

    assert rig.until(ended).phase is Phase.PROMOTED
    assert len(rig.said(EntryKind.ASK)) == 1


def test_a_service_that_upgrades_itself_is_asked_of_nobody() -> None:
    rig = Rig(replace(a_rig().service, promote=Promote.UPGRADE))
    rig.start()

    assert rig.until(ended).phase is Phase.PROMOTED
    assert rig.said(EntryKind.ASK) == []
