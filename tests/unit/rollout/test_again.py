"""Where an aborted rollout may begin again: only behind what passed on evidence, and never further than it had got."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.rollout import Phase, Rollout, StageOutcome, Walked
from bot.model.service import ApprovalRule, ApproveAt
from bot.rollout import again
from bot.rollout.plans import make_plan
from tests.builders import a_rollout, a_service

LEFT = (StageOutcome.PASSED, StageOutcome.TIME_UP, StageOutcome.IN_DOUBT, StageOutcome.DONE)


def walked(name: str, outcome: StageOutcome) -> Walked:
    return Walked(name=name, outcome=outcome, began=0.0, ended=1.0)


def aborted(*outcomes: StageOutcome, rollout: Rollout | None = None) -> Rollout:
    """It left its first stages like this, and was aborted in the next one."""
    rollout = rollout or a_rollout()
    names = [stage.name for stage in rollout.spec.plan]
    path = [walked(name, outcome) for name, outcome in zip(names, (*outcomes, StageOutcome.ABORTED), strict=False)]
    return replace(rollout, phase=Phase.ABORTED, walked=tuple(path), ended_at=1.0)


def names(rollout: Rollout) -> list[str]:
    return [stage.name for stage in again.choices(rollout)]


P = StageOutcome.PASSED


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((), []),
        ((P,), ["shift 20"]),
        ((P, P), ["shift 20", "shift 40"]),
        ((StageOutcome.TIME_UP, P), []),
        ((P, StageOutcome.IN_DOUBT, P), ["shift 20"]),
        ((P, P, P, P, P), ["shift 20", "shift 40", "shift 60", "shift 80", "shift 100"]),
        (
            (P, P, P, P, P, StageOutcome.DONE, StageOutcome.DONE),
            ["shift 20", "shift 40", "shift 60", "shift 80", "shift 100"],
        ),
    ],
    ids=["mirror", "first", "second", "mirror unproven", "doubt between", "all users", "upgrade"],
)
def test_it_begins_behind_what_passed(outcomes: tuple[StageOutcome, ...], expected: list[str]) -> None:
    assert names(aborted(*outcomes)) == expected


def test_a_stage_that_was_left_backwards_and_not_passed_the_next_time_is_walked_again() -> None:
    there_and_back = aborted(P, P)
    gone_back = [walked("shift 40", P), walked("shift 20", StageOutcome.ABORTED)]
    assert names(replace(there_and_back, walked=(*there_and_back.walked[:2], *gone_back))) == ["shift 20"]


@given(st.lists(st.sampled_from(LEFT), max_size=9), st.data())
def test_nothing_is_left_out_but_what_passed_and_nothing_ahead_is(
    outcomes: list[StageOutcome], data: st.DataObject
) -> None:
    rollout = aborted(*outcomes)
    if not (choices := again.choices(rollout)):
        return
    chosen = data.draw(st.sampled_from(choices))
    whole = rollout.spec.plan
    plan = again.plan_from(whole, chosen.name, rollout.spec.approvals_rule)
    left_out = [stage.name for stage in whole if stage.name not in {one.name for one in plan}]

    assert plan[0].routes == whole[0].routes
    assert list(plan[1:]) == list(whole[whole.index(chosen) :])
    assert all(one.outcome is P for one in rollout.walked if one.name in left_out)
    assert whole.index(chosen) <= len(outcomes)
    assert plan[0].approval == any(stage.approval for stage in whole[: whole.index(chosen)])


def test_whoever_would_have_been_asked_on_the_way_is_asked_before_the_first_user() -> None:
    many = ApprovalRule(count=3)
    service = a_service(approve=(ApproveAt.STEP,), approvals_at={ApproveAt.STEP: many})
    plan = make_plan(service, a_rollout().spec.target.topology)

    assert not again.plan_from(plan, "shift 20", service.approvals)[0].approval
    mirror = again.plan_from(plan, "shift 40", service.approvals)[0]
    assert (mirror.approval, mirror.rule) == (True, many)


def test_a_retry_that_was_aborted_remembers_what_it_left_out_itself() -> None:
    first = aborted(P, P, P)
    chosen = again.choices(first)[-1]
    plan = again.plan_from(first.spec.plan, chosen.name, first.spec.approvals_rule)
    spec = replace(first.spec, plan=plan, again=again.taken_up(first, chosen))

    second = aborted(P, P, rollout=replace(a_rollout(), spec=spec))

    assert names(second) == ["shift 20", "shift 40", "shift 60", "shift 80"]
    assert again.same_steps(second).weights == (20, 40, 60, 80, 100)
    assert names(aborted(rollout=replace(a_rollout(), spec=spec))) == []
