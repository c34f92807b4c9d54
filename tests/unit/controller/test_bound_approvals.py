"""An approval is of what its giver saw: whatever somebody changed since is named, and the click is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.adapters.serialization import dump_entry, dump_rollout, load_entry, load_rollout
from bot.cli import status
from bot.cluster.virtual_service import fingerprint, with_routes
from bot.controller.decisions import Approve, ButtonToken, By, Event, OutOfDate, Pause, decide_on
from bot.model.errors import Refusal
from bot.model.figures import Verdict
from bot.model.rollout import Approval, Phase, Question, QuestionKind, Rollout, Shown, StageOutcome, Walked
from bot.model.service import ApprovalRule
from bot.model.story import EntryKind
from bot.rollout import questions
from bot.rollout.plans import make_retreat
from bot.slack.replies import why_blocks
from bot.words.rendering import plain
from tests.builders import LENA, MAYA, OMAR, a_rollout, a_service, a_target, changed, routes, verdict
from tests.fakes.mesh import reviews
from tests.unit.controller.test_controller import Rig


class Asking(Rig):
    """It asks whether 20 % of users may go to v2, and a card shows that."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(a_service(**changes))
        self.start()
        self.card = ButtonToken.of(self.until(lambda rollout: rollout.asked_at is not None, approve=False))

    def click(self, by: Any = OMAR) -> Rollout:
        return self.controller.decide("reviews", Approve(), By(id=by), self.card)

    def retimed(self) -> None:
        self.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0].update(timeout="1s"))


def _weights(world: Asking) -> None:
    world.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0]["route"][0].update(weight=50))
    world.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=50))


def _image(world: Asking) -> None:
    world.workloads.deployments["reviews-v2"].images = {"reviews": "reviews:3"}


CHANGES: dict[str, tuple[Callable[[Asking], None], str]] = {
    "its time-out": (Asking.retimed, "kubectl-edit has changed VirtualService reviews since you were asked."),
    "its weights": (_weights, "reviews"),
    "the canary's image": (_image, "Deployment reviews-v2"),
}


@pytest.mark.parametrize("reconciles", [0, 1], ids=["a moment ago", "seen by a reconcile"])
@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_a_click_on_what_somebody_has_changed_since_says_what(
    change: Callable[[Asking], None], what: str, reconciles: int
) -> None:
    world = Asking()
    change(world)
    for _ in range(reconciles):
        world.tick()

    with pytest.raises(OutOfDate) as refused:
        world.click()

    assert what in plain(refused.value.sentence)
    assert "look at the card again" in plain(refused.value.sentence)
    assert (world.live().approvals, world.live().stage) == ((), 0)


def test_an_approval_that_was_given_does_not_outlive_the_change() -> None:
    world = Asking(approvals=ApprovalRule(count=2))
    world.click()
    world.retimed()
    world.tick()

    live = world.live()
    assert (live.approvals, live.asked_at is not None) == ((), True)
    assert "earlier approvals do not count" in world.said(EntryKind.RESUMED)[-1]
    world.card = ButtonToken.of(live)
    assert [one.by for one in world.click(LENA).approvals] == [LENA]


def test_a_typed_approval_in_the_moment_of_the_change_is_refused_as_well() -> None:
    world = Asking()
    world.retimed()
    with pytest.raises(OutOfDate, match="kubectl-edit has changed"):
        world.decide(Approve())


def test_what_we_write_ourselves_changes_nothing_of_it() -> None:
    world = Asking()
    world.mesh.edit("canary-bot", lambda vs: vs["metadata"]["annotations"].update({"canary-bot/heartbeat": "9"}))
    world.tick()
    assert world.click().current.name == "shift 20"

    claimed = with_routes(reviews(), a_target(), routes(20))
    prints = {
        fingerprint(with_routes(claimed, a_target(), one), a_target())
        for one in (routes(0), routes(0, mirror=True), routes(40), routes(100))
    }
    assert len(prints) == 1


def test_a_step_that_was_taken_says_by_whom() -> None:
    world = Asking()
    world.decide(Pause(), by=MAYA)
    world.card = ButtonToken.of(world.live())
    world.click()

    with pytest.raises(Refusal, match="Already approved by"):
        world.click(LENA)


NOW_ELSEWHERE: dict[str, tuple[dict[str, Any], str]] = {
    "at another weight": ({"stage": 1, "phase": Phase.SHIFTING}, "20 % of users"),
    "paused": ({"stage": 1, "phase": Phase.SHIFTING, "paused_by": MAYA}, "paused"),
    "halted": ({"stage": 6, "phase": Phase.HALTED}, "upgrade, halted"),
    "going back": (
        {"stage": 0, "phase": Phase.ABORTING, "retreat": make_retreat(primary_touched=False), "reason": "v2 failed."},
        "going back: return to the primary",
    ),
    "not asked any more": ({}, "mirror"),
    "promoted": ({"phase": Phase.PROMOTED, "stage": 9, "ended_at": 9.0}, "promoted"),
}


@pytest.mark.parametrize("event", [Approve(), Pause()], ids=["approve", "pause"])
@pytest.mark.parametrize(("changes", "where"), NOW_ELSEWHERE.values(), ids=NOW_ELSEWHERE)
def test_a_click_on_a_card_of_some_time_ago_is_told_where_the_rollout_is(
    event: Event, changes: dict[str, Any], where: str
) -> None:
    asked = changed(a_rollout(), phase=Phase.MIRRORING, asked_at=1.0)
    elsewhere = changed(asked, **{"asked_at": None, "evidence": 7, **changes})

    with pytest.raises(Refusal) as refused:
        decide_on(elsewhere, event, OMAR, ButtonToken.of(asked), 3.0)

    assert where in plain(refused.value.sentence)


def test_what_was_shown_is_kept_with_the_approval_and_in_the_story() -> None:
    world = Asking(approvals=ApprovalRule(count=2))
    seen = Shown(
        channel="C0RELEASES", ts="1700000000.000100", permalink="https://acme.slack.com/archives/C0RELEASES/p17"
    )
    by = By(id=OMAR, shown=lambda _rollout: seen)

    approved = world.controller.decide("reviews", Approve(), by, world.card)

    (approval,) = load_rollout(dump_rollout(approved)).approvals
    (entry,) = [one for one in world.controller.story(approved) if one.kind is EntryKind.APPROVED]
    assert approval.shown is not None
    assert (approval.shown.channel, approval.shown.ts, approval.shown.permalink) == (
        seen.channel,
        seen.ts,
        seen.permalink,
    )
    assert plain(approval.shown.text).startswith("Shift 20 % of users to v2? ")
    assert load_entry(dump_entry(entry)).shown == approval.shown
    details = str(why_blocks(approved, world.controller.story(approved)))
    assert "What was shown: Shift 20 % of users to v2?" in details
    assert seen.permalink in details
    shell = "\n".join(map(plain, status.story([entry])))
    assert "shown: Shift 20 % of users to v2?" in shell
    assert f"at {seen.permalink}" in shell


def test_the_history_names_who_let_a_stage_be_left_and_what_they_had_before_them() -> None:
    shown = Shown(permalink="https://acme.slack.com/archives/C0RELEASES/p17", text="Shift 20 % of users to v2?")
    left = Walked(
        name="mirror",
        outcome=StageOutcome.PASSED,
        began=0.0,
        ended=60.0,
        approvals=(Approval(by=OMAR, at=60.0, shown=shown),),
    )

    _, *lines = map(plain, status.history([changed(a_rollout(), walked=(left,))]))

    assert lines == [
        f"  {OMAR} approved mirror at 1970-01-01 00:01 UTC",
        "                shown: Shift 20 % of users to v2?",
        "                at https://acme.slack.com/archives/C0RELEASES/p17",
    ]


def test_a_click_on_a_doubt_that_is_over_is_a_click_on_another_verdict() -> None:
    asked = changed(
        a_rollout(), phase=Phase.MIRRORING, asked_at=1.0, evidence=4, question=Question(kind=QuestionKind.DOUBT)
    )
    card = ButtonToken.of(asked)
    better, _ = questions.follow(asked, verdict(Verdict.PASS), 2.0, needed=True)

    with pytest.raises(OutOfDate, match="Something has changed since you looked"):
        decide_on(better, Approve(), OMAR, card, 3.0)
