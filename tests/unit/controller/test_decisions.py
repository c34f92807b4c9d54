"""One door for every decision: bound to what the person saw, to the rollout's own rule, and served once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.controller.decisions import (
    OF_APPROVERS,
    Abort,
    Accept,
    Approve,
    ButtonToken,
    By,
    Event,
    KeepTheirs,
    OutOfDate,
    Pause,
    Restore,
    Resume,
    Retry,
)
from bot.model.errors import Refusal
from bot.model.rollout import Phase, Rollout, RolloutId, UserId
from bot.model.service import ApprovalRule, ApproveAt
from bot.model.story import Entry
from bot.words.rendering import plain
from tests.builders import LENA, MAYA, OMAR, a_service
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import Rig

Bring = Callable[[Rig], Rollout]


def asked(rig: Rig) -> Rollout:
    return rig.until(lambda rollout: rollout.asked_at is not None, approve=False)


def shifting(rig: Rig) -> Rollout:
    return rig.at("shift 20")


def paused(rig: Rig) -> Rollout:
    rig.at("shift 20")
    return rig.decide(Pause(), by=LENA)


def halted(rig: Rig) -> Rollout:
    rig.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    rig.workloads.fail("reviews-v1", "Its image cannot be pulled.")
    rig.tick()
    assert rig.live().phase is Phase.HALTED
    return rig.live()


def drifted(rig: Rig) -> Rollout:
    rig.at("shift 20")
    rig.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0]["route"][0].update(weight=50))
    rig.mesh.edit("kubectl-edit", lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=50))
    rig.tick()
    assert rig.live().drift is not None
    return rig.live()


# Every verb, and what brings a rollout to where it is possible.
VERBS: dict[str, tuple[Event, Bring]] = {
    "approve": (Approve(), asked),
    "abort": (Abort("it smells"), shifting),
    "abort while asked": (Abort("it smells"), asked),
    "pause": (Pause(), shifting),
    "resume": (Resume(), paused),
    "retry": (Retry(), halted),
    "accept": (Accept(), halted),
    "restore": (Restore(), drifted),
    "leave": (KeepTheirs(), drifted),
}
every_verb = pytest.mark.parametrize(("event", "bring"), VERBS.values(), ids=VERBS)


def stale(rollout: Rollout) -> Iterator[ButtonToken]:
    """What people may have seen that is not the rollout as it is now."""
    now = ButtonToken.of(rollout)
    yield replace(now, stage=now.stage + 1)
    yield replace(now, stage=max(0, now.stage - 1), evidence=now.evidence - 1)
    yield replace(now, evidence=now.evidence + 1)
    yield replace(now, evidence=now.evidence - 1)
    yield replace(now, evidence=0)
    yield replace(now, rollout_id=RolloutId("r-1"))  # the one before
    yield replace(now, rollout_id=RolloutId("r-99"))  # nobody's
    yield replace(now, key="default/ratings")
    yield replace(now, key="shop/reviews")


def second_rollout(bring: Bring) -> Rig:
    """The rollout before it was aborted."""
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.decide(Abort("the first one"))
    rig.until(lambda rollout: rollout.ended)
    rig.start()
    bring(rig)
    return rig


def world(rig: Rig) -> tuple[Any, ...]:
    """All that a decision may change."""
    newest = rig.newest()
    return newest, rig.controller.story(newest), list(rig.mesh.written), list(rig.workloads.applied)


@every_verb
def test_no_verb_does_anything_on_what_is_not_so_any_more(event: Event, bring: Bring) -> None:
    rig = second_rollout(bring)
    before = world(rig)

    for button_token in stale(rig.live()):
        with pytest.raises(Refusal) as refused:
            rig.controller.decide(button_token.key, event, By(id=OMAR), button_token)

        assert plain(refused.value.sentence)[-1] in ".?"
        assert world(rig) == before


MADE_UP = [
    "",
    "|||",
    "a/b|r|1|2|3",
    "{x}/y|r-2|1|2",
    "reviews|r-2|1|2",
    "default/reviews||1|2",
    "default/reviews|r-2|0",
    "default/reviews|r-2|-1|2",
    "default/reviews|r-2|1|²",
    f"default/reviews|r-2|{'9' * 5000}|2",
]


@pytest.mark.parametrize("token", MADE_UP)
def test_a_value_that_somebody_made_up_is_refused_before_anything_is_asked(token: str) -> None:
    with pytest.raises(Refusal, match="does not work any more"):
        ButtonToken.read(token)


@every_verb
def test_one_click_that_reaches_two_replicas_is_one_click(event: Event, bring: Bring) -> None:
    rig = Rig()
    rig.start()
    button_token = ButtonToken.of(bring(rig))
    other = rig.restarted()

    first = rig.controller.decide(button_token.key, event, By(id=OMAR), button_token)
    before = world(rig)
    second = other.decide(button_token.key, event, By(id=OMAR), button_token)
    rig.controller.decide(button_token.key, event, By(id=OMAR), button_token)

    assert first.spec.id == second.spec.id
    assert world(rig) == before


@every_verb
def test_one_click_that_reaches_two_replicas_at_once_is_one_click(event: Event, bring: Bring) -> None:
    rig = Rig()
    rig.store = store = Crossing()
    rig.controller = rig.restarted()
    rig.start()
    button_token = ButtonToken.of(bring(rig))
    other = rig.restarted()
    store.first = lambda: other.decide(button_token.key, event, By(id=OMAR), button_token)

    rig.controller.decide(button_token.key, event, By(id=OMAR), button_token)

    kinds = [entry.kind for entry in rig.controller.story(rig.newest()) if entry.by == OMAR]
    alone = Rig()
    alone.start()
    bring(alone)
    alone.decide(event)
    assert kinds == [entry.kind for entry in alone.controller.story(alone.newest()) if entry.by == OMAR]


class Crossing(InMemoryStore):
    """Just before the next save another replica gets its turn: ``first`` is what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        first, self.first = self.first, None
        if first is not None:
            first()
        return super().save(rollout, entries, fence=fence)


def test_the_same_button_of_two_people_counts_twice_where_two_must_approve() -> None:
    rig = Rig(a_service(approvals=ApprovalRule(count=2)))
    rig.start()
    button_token = ButtonToken.of(asked(rig))

    for by in (OMAR, OMAR, LENA):
        rig.controller.decide(button_token.key, Approve(), By(id=by), button_token)

    assert rig.until(lambda r: r.current.name == "shift 20", approve=False).phase is Phase.SHIFTING


def test_a_pause_after_a_resume_is_a_new_pause_although_nothing_else_has_changed() -> None:
    rig = Rig()
    rig.start()
    shifting(rig)

    for event in (Pause(), Resume(), Pause()):
        button_token = ButtonToken.of(rig.live())
        rig.controller.decide(button_token.key, event, By(id=OMAR), button_token)

    assert rig.live().paused_by == OMAR


def test_what_two_people_click_at_once_is_refused_with_what_is_so() -> None:
    rig = Rig()
    rig.start()
    button_token = ButtonToken.of(shifting(rig))
    rig.controller.decide(button_token.key, Pause(), By(id=MAYA), button_token)

    with pytest.raises(Refusal, match="reviews is paused already"):
        rig.controller.decide(button_token.key, Pause(), By(id=OMAR), button_token)
    with pytest.raises(OutOfDate):
        rig.controller.decide(button_token.key, Abort("late"), By(id=OMAR), button_token)


def test_a_button_that_was_served_long_ago_is_told_to_be_old() -> None:
    rig = Rig()
    rig.start()
    button_token = ButtonToken.of(asked(rig))
    rig.controller.decide(button_token.key, Approve(), By(id=OMAR), button_token)
    rig.at("shift 20")
    rig.clock.advance(61.0)

    with pytest.raises(Refusal, match="Already approved by U0OMAR at "):
        rig.controller.decide(button_token.key, Approve(), By(id=OMAR), button_token)


# Who decides


def slack_user(person: UserId) -> By:
    """Somebody whom Slack knows by their id alone."""

    def check(rule: ApprovalRule) -> None:
        if person not in rule.approvers:
            raise Refusal(f"You are not one of the approvers ({', '.join(rule.approvers)}).")

    return By(id=person, check=check)


def whose(approver: UserId) -> ApprovalRule:
    return ApprovalRule(approvers=(approver,), own=True)


@every_verb
def test_the_rule_of_the_live_rollout_counts_whatever_the_file_says_now(event: Event, bring: Bring) -> None:
    rig = Rig(a_service(approvals=whose(OMAR)))
    rig.start()
    bring(rig)
    rig.service = replace(rig.service, approvals=whose(LENA))
    rig.controller = rig.restarted()
    before = world(rig)

    if isinstance(event, OF_APPROVERS):
        with pytest.raises(Refusal, match="not one of the approvers"):
            rig.controller.decide("reviews", event, slack_user(LENA))
        assert world(rig) == before

    rig.controller.decide("reviews", event, slack_user(OMAR))
    assert world(rig) != before


def test_who_approved_an_earlier_rollout_may_not_decide_about_a_later_one_of_another_rule() -> None:
    rig = Rig(a_service(approvals=whose(LENA)))
    rig.start()
    old = ButtonToken.of(rig.at("shift 20"))
    rig.decide(Abort("again"))
    rig.service = replace(rig.service, approvals=whose(OMAR))
    rig.controller = rig.restarted()
    rig.start()
    before = world(rig)
    asked(rig)

    with pytest.raises(Refusal, match="earlier rollout"):
        rig.controller.decide(old.key, Approve(), slack_user(LENA), old)
    with pytest.raises(Refusal, match="not one of the approvers"):
        rig.controller.decide("reviews", Approve(), slack_user(LENA))
    assert rig.live().approvals == before[0].approvals


def test_a_rollout_that_ends_while_somebody_is_looked_up_is_not_confused_with_the_next() -> None:
    """Slack takes its time to say who is in a group; what is decided then is about the rollout that was asked about."""
    rig = Rig(a_service(approvals=whose(LENA)))
    rig.start()
    asked(rig)
    checked: list[ApprovalRule] = []

    def check(rule: ApprovalRule) -> None:
        checked.append(rule)
        if len(checked) == 1:
            rig.controller.abort("reviews", by=MAYA, reason="again")
            rig.service = replace(rig.service, approvals=whose(OMAR))
            rig.controller = rig.restarted()
            rig.start()

    with pytest.raises(Refusal, match="reviews needs no approval now"):
        rig.controller.decide("reviews", Approve(), By(id=LENA, check=check))

    assert checked == [whose(LENA), whose(OMAR)]


def test_who_may_approve_is_asked_by_the_rule_of_the_question_that_stands() -> None:
    leads = ApprovalRule(approvers=("S0LEADS",))
    rig = Rig(a_service(approvals_at={ApproveAt.UPGRADE: leads}))
    rig.start()
    asked_for: list[ApprovalRule] = []
    rig.until(lambda rollout: rollout.asked_at is not None, approve=False)
    rig.controller.decide("reviews", Approve(), By(id=OMAR, check=asked_for.append))
    rig.until(lambda rollout: rollout.current.name == "shift 100" and rollout.asked_at is not None, approve=False)
    rig.controller.decide("reviews", Approve(), By(id=OMAR, check=asked_for.append))

    assert asked_for == [ApprovalRule(), leads]
