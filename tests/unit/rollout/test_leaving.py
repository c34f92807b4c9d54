"""What follows from how a stage stands: every combination of what is found, against laws."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest

from bot.model.figures import Judgement, Verdict
from bot.model.rollout import Approval, Rollout
from bot.model.service import GateLimits
from bot.rollout.leaving import StageStanding, Step, follows, standing_of, time_is_served
from tests.builders import OMAR, a_rollout, a_service

NAMES = [one.name for one in fields(StageStanding)]
STANDINGS = [
    StageStanding(**dict(zip(NAMES, answers, strict=True))) for answers in product([False, True], repeat=len(NAMES))
]


def those(*steps: Step) -> list[StageStanding]:
    return [standing for standing in STANDINGS if follows(standing) in steps]


def test_every_step_is_one_that_some_stage_takes() -> None:
    assert {follows(standing) for standing in STANDINGS} == set(Step)


def test_nothing_is_left_before_its_time_or_while_somebody_has_paused_it() -> None:
    leaving = those(Step.LEAVE, Step.LEAVE_IN_DOUBT, Step.ASK, Step.HOLD_AND_ASK)

    assert all(standing.served and not standing.paused for standing in leaving)


def test_what_is_good_is_left_once_everybody_who_must_has_said_yes() -> None:
    assert all(standing.passed and (standing.approved or not standing.asks) for standing in those(Step.LEAVE))
    assert all(standing.passed and standing.asks and not standing.approved for standing in those(Step.ASK))


def test_a_doubt_is_overruled_by_people_alone_and_only_where_they_may() -> None:
    in_doubt = those(Step.LEAVE_IN_DOUBT)

    assert all(not one.passed and one.overrulable and one.approved for one in in_doubt)
    assert all(one.overrulable and not one.approved for one in those(Step.HOLD_AND_ASK))


def test_a_doubt_holds_exactly_when_it_presses_and_nobody_has_overruled_it() -> None:
    held = those(Step.HOLD, Step.HOLD_AND_ASK)
    pressing = [one for one in STANDINGS if not one.passed and one.pressing and one not in those(Step.LEAVE_IN_DOUBT)]

    assert held == pressing


def test_figures_that_come_and_go_are_left_by_people_alone() -> None:
    assert all(standing.approved for standing in those(Step.LEAVE, Step.ASK) if standing.flapping)


# What is found


def at(stage: int, **gates: bool) -> Rollout:
    """Settled at 0 in this stage of a plan."""
    rollout = a_rollout(a_service(gates=GateLimits(**gates)))  # type: ignore[arg-type]  # fields of the dataclass
    return replace(rollout, phase=rollout.spec.plan[stage].phase, stage=stage, settled_at=0.0)


GOOD = Judgement(at=1e9, verdict=Verdict.PASS, proven=True)
MIRROR, SHIFT, UPGRADE, BAKE, FINISH = 0, 1, 6, 9, 10


@pytest.mark.parametrize(
    ("stage", "judgement", "now", "served"),
    [
        (SHIFT, GOOD, 119.0, False),
        (SHIFT, GOOD, 120.0, True),
        (SHIFT, replace(GOOD, at=119.0), 500.0, False),  # figures that end before the stage does
        (UPGRADE, replace(GOOD, at=-1.0), 0.0, True),  # left on the cluster's word alone
        (FINISH, replace(GOOD, at=-1.0), 0.0, True),
    ],
)
def test_a_stage_is_served_by_the_time_of_what_it_is_left_on(
    stage: int, judgement: Judgement, now: float, *, served: bool
) -> None:
    assert time_is_served(at(stage), judgement, now) == served


@pytest.mark.parametrize(("stage", "early"), [(MIRROR, True), (SHIFT, True), (BAKE, False)])
def test_what_is_shown_to_be_good_may_be_left_early_but_for_a_bake(stage: int, *, early: bool) -> None:
    assert time_is_served(at(stage, early=True), GOOD, 1.0) == early
    assert not time_is_served(at(stage, early=True), replace(GOOD, proven=False), 1.0)


def test_no_doubt_presses_in_the_reconcile_that_settled_the_stage() -> None:
    doubt = Judgement(at=1e9, verdict=Verdict.INCONCLUSIVE)
    short = replace(at(MIRROR), asked=("good",))

    assert not standing_of(short, doubt, 0.0, flapping=False).pressing
    assert standing_of(short, doubt, 1.0, flapping=False).pressing
    assert standing_of(short, replace(doubt, hold=True), 0.0, flapping=False).pressing


def test_people_have_approved_once_as_many_have_as_the_rule_says() -> None:
    rollout = at(MIRROR)
    approved = replace(rollout, approvals=(Approval(by=OMAR, at=1.0),))

    assert [standing_of(one, GOOD, 400.0, flapping=False).approved for one in (rollout, approved)] == [False, True]
