"""What people are asked: only what the figures allow, once for each thing, and a doubt only once it has lasted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.figures import HARM, Finding, Judgement, Verdict
from bot.model.rollout import Question, QuestionKind, Rollout
from bot.model.service import ApprovalRule, ApproveAt, OnTimeout
from bot.model.story import Entry, EntryKind
from bot.rollout import approvals, decide
from bot.rollout.phrases import question
from bot.words.rendering import plain
from tests.builders import LENA, OMAR, a_rollout, a_service, an_observation, keys, verdict

GOOD = replace(verdict(Verdict.PASS), proven=True)
TOO_LITTLE = verdict(Verdict.PASS)
ERROR, EARLY = verdict(Verdict.ERROR), verdict(Verdict.INCONCLUSIVE)


def doubt(gate: str = "evidence", sentence: str = "Slow answers 9.1 % (15 of 165), v1 4 % (3 of 75).") -> Judgement:
    finding = Finding(gate=gate, verdict=Verdict.INCONCLUSIVE, sentence=sentence)
    return Judgement(at=1e9, verdict=Verdict.INCONCLUSIVE, ask=True, findings=(finding,))


WORSE, HARMED = doubt(), doubt(HARM, "reviews-v1 itself is worse.")


def settled(name: str = "mirror", **changes: object) -> Rollout:
    """Settled at a stage, whose time is up at 400."""
    rollout = a_rollout(a_service(**changes))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    return replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0)


def reconciled(rollout: Rollout, *judgements: Judgement, now: float = 400.0) -> tuple[Rollout, list[Entry]]:
    """Reconciles of five seconds each."""
    notified: list[Entry] = []
    for judgement in judgements:
        now += 5.0
        rollout, entries = decide.decide(rollout, an_observation(rollout), judgement, now)
        notified += entries
    return rollout, notified


def calls(notified: list[Entry]) -> list[str]:
    return [plain(entry.text) for entry in notified if entry.kind is EntryKind.ASK]


def test_a_doubt_is_another_question_than_good_figures_and_says_what_is_doubted() -> None:
    rollout, notified = reconciled(settled(), *[WORSE] * 10)

    assert rollout.question == Question(kind=QuestionKind.DOUBT, gate="evidence", why=WORSE.sentence)
    assert calls(notified) == [
        f"v2 may be worse: go on anyway? {plain(WORSE.sentence)} Next would be 20 % of users. 1 approval is needed."
    ]


@pytest.mark.parametrize(
    ("judgement", "asked"),
    [
        (GOOD, "Shift 20 % of users to v2?"),
        (TOO_LITTLE, "Not enough traffic to be sure: go on anyway?"),
        (WORSE, "v2 may be worse: go on anyway?"),
        (HARMED, "Mirroring may be harming version 1: go on anyway?"),
        (replace(WORSE, lacking=True), "Not enough traffic to be sure: go on anyway?"),
    ],
)
def test_what_is_asked_is_what_the_figures_allow(judgement: Judgement, asked: str) -> None:
    rollout, _ = reconciled(settled(), *[judgement] * 10)

    assert rollout.asked_at is not None
    assert plain(question(rollout)) == asked


def test_while_users_return_it_is_the_upgraded_primary_that_may_be_worse() -> None:
    rollout, _ = reconciled(settled("switchback 50"), *[WORSE] * 10)

    assert plain(question(rollout)) == "reviews-v1 may be worse: go on anyway?"


@pytest.mark.parametrize(("every", "lasts"), [(1.0, 15.0), (15.0, 30.0)], ids=["15 s", "two scrapes"])
def test_a_doubt_is_asked_about_once_it_has_lasted(every: float, lasts: float) -> None:
    rollout = settled()
    rollout = replace(rollout, spec=replace(rollout.spec, metrics=replace(rollout.spec.metrics, scrape_interval=every)))
    short, notified = reconciled(rollout, *[WORSE] * int(lasts / 5))
    asked, more = reconciled(short, WORSE, now=400.0 + lasts)

    assert (short.asked_at, calls(notified)) == (None, [])
    assert (asked.asked_at, len(calls(more))) == (405.0 + lasts, 1)


def test_another_doubt_has_to_last_by_itself() -> None:
    rollout, notified = reconciled(settled(), *[WORSE] * 5, *[HARMED] * 5)

    assert (rollout.asked_at, calls(notified)) == (None, [])


def test_figures_that_stand_still_make_no_doubt_last() -> None:
    rollout, notified = reconciled(settled(), *[replace(WORSE, at=401.0)] * 30)

    assert (rollout.asked_at, calls(notified)) == (None, [])


def test_a_doubt_that_comes_and_goes_is_asked_about_once_people_have_been_told_that_it_stays() -> None:
    patience = int(settled().spec.hold_patience / 5)
    rollout, notified = reconciled(settled(approve=()), *[WORSE, ERROR] * (patience // 2 + 2))

    assert [entry.kind for entry in notified].count(EntryKind.ALERT) == 1
    assert (len(calls(notified)), rollout.asked) == (1, ("doubt evidence",))


def test_that_a_doubt_is_over_is_said_once_with_what_is_asked_now() -> None:
    asked, _ = reconciled(settled(), *[WORSE] * 10)
    over, notified = reconciled(asked, *[GOOD] * 5, now=450.0)

    assert [plain(entry.text) for entry in notified] == ["That doubt is over. Shift 20 % of users to v2?"]
    assert (over.question, over.asked_at) == (Question(), asked.asked_at)


def test_where_nobody_has_to_approve_a_doubt_that_is_over_needs_no_decision_any_more() -> None:
    asked, _ = reconciled(settled("shift 20"), *[WORSE] * 10)
    on, notified = reconciled(asked, GOOD, now=450.0)

    assert plain(notified[0].text) == "No decision needed any more: the doubt is over."
    assert on.current.name == "shift 40"


def test_who_lets_it_go_on_in_spite_of_a_doubt_lets_it_go_on_without_it() -> None:
    rule = ApprovalRule(count=2)
    asked, _ = reconciled(replace(settled(), spec=replace(settled().spec, approvals_rule=rule)), *[WORSE] * 10)
    once, notified = approvals.approve(asked, OMAR, 450.0)
    over, _ = reconciled(once, GOOD, now=450.0)
    twice, _ = approvals.approve(over, LENA, 456.0)

    assert keys(notified[0].text)[0] == "rollout.approved_anyway"
    assert reconciled(twice, GOOD, now=456.0)[0].current.name == "shift 20"


def test_after_ten_minutes_the_same_question_calls_people_again() -> None:
    asked, _ = reconciled(settled(), GOOD)
    away, _ = reconciled(asked, EARLY, now=410.0)

    _, soon = reconciled(away, *[GOOD] * 20, now=420.0)
    _, later = reconciled(away, *[GOOD] * 20, now=1010.0)

    assert (len(calls(soon)), len(calls(later))) == (0, 1)


def test_a_stage_that_is_left_without_figures_asks_no_plain_question_while_they_are_not_good() -> None:
    upgraded, notified = reconciled(settled("upgrade"), *[ERROR] * 10)

    assert plain(question(upgraded)) == "How v2 does is not known now: go on anyway?"
    assert len(calls(notified)) == 1


@pytest.mark.parametrize(
    ("then", "ends"),
    [(OnTimeout.HOLD, "then it stays as it is."), (OnTimeout.ABORT, "then the rollout aborts.")],
)
def test_after_two_thirds_of_their_time_people_are_reminded_once(then: OnTimeout, ends: str) -> None:
    rule = ApprovalRule(timeout=1800.0, on_timeout=then)
    rollout = replace(settled(), spec=replace(settled().spec, approvals_rule=rule))
    asked, first = reconciled(rollout, *[GOOD] * 240)
    reminded, more = reconciled(asked, *[GOOD] * 30, now=1600.0)

    assert (len(calls(first)), asked.reminded) == (1, False)
    assert (len(calls(more)), reminded.reminded) == (1, True)
    assert calls(more)[0].startswith("Still waiting for a decision: Shift 20 % of users to v2? 10 minutes are left")
    assert calls(more)[0].endswith(ends)


def test_nobody_is_reminded_within_ten_minutes_of_being_called() -> None:
    rollout = replace(settled(), spec=replace(settled().spec, approvals_rule=ApprovalRule(timeout=600.0)))
    _, notified = reconciled(rollout, *[GOOD] * 119)

    assert len(calls(notified)) == 1


def test_an_approval_keeps_what_it_was_given_for() -> None:
    doubtful, _ = reconciled(settled(), *[WORSE] * 10)

    assert approvals.approve(doubtful, OMAR, 450.0)[0].approvals[0].about == "doubt evidence"


JUDGEMENTS = st.sampled_from([GOOD, GOOD, TOO_LITTLE, EARLY, ERROR, WORSE, HARMED, replace(WORSE, lacking=True)])


@settings(max_examples=150, deadline=None)
@given(
    judgements=st.lists(st.tuples(JUDGEMENTS, st.integers(1, 12)), max_size=25),
    stage=st.sampled_from(["mirror", "shift 20", "shift 100", "upgrade", "switchback 50"]),
    count=st.sampled_from([1, 2]),
)
def test_no_question_is_plain_while_the_figures_are_not_good_and_nobody_is_called_twice_for_one_thing(
    judgements: list[tuple[Judgement, int]], stage: str, count: int
) -> None:
    rollout, now = settled(stage), 400.0
    rollout = replace(rollout, spec=replace(rollout.spec, approvals_rule=ApprovalRule(count=count)))
    called: dict[tuple[int, str], float] = {}
    for judgement in (judgement for judgement, times in judgements for _ in range(times)):
        now += 5.0
        rollout, notified = decide.decide(rollout, an_observation(rollout), judgement, now)
        standing = rollout.question
        if rollout.asked_at is not None and standing is not None and standing.kind is QuestionKind.PLAIN:
            assert judgement.verdict is Verdict.PASS
        for entry in notified:
            if entry.kind is EntryKind.ASK:
                assert standing is not None
                thing = rollout.stage, standing.about
                assert now - called.get(thing, -1e9) >= 600.0
                called[thing] = now


def test_the_rule_of_a_question_holds_for_it_alone() -> None:
    two = ApprovalRule(count=2)
    changes = {"approve": tuple(ApproveAt), "approvals_at": {ApproveAt.UPGRADE: two}}
    first, _ = reconciled(settled("shift 80", **changes), GOOD)
    one, _ = approvals.approve(first, OMAR, 410.0)
    last, notified = reconciled(settled("shift 100", **changes), GOOD)
    once, _ = approvals.approve(last, OMAR, 410.0)
    twice, _ = approvals.approve(once, LENA, 411.0)

    assert reconciled(one, GOOD, now=410.0)[0].current.name == "shift 100"
    assert calls(notified) == ["Upgrade reviews-v1 to v2? 2 approvals are needed."]
    assert reconciled(once, GOOD, now=410.0)[0].current.name == "shift 100"
    assert reconciled(twice, GOOD, now=411.0)[0].current.name == "upgrade"
