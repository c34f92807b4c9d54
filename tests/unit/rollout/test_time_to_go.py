"""How long it will still take: the plan's least times, what the judge expects, and never what people or pods take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.figures import Judgement, Verdict
from bot.model.rollout import Approval, Hold, HoldCause, Phase, Rollout
from bot.model.service import GateLimits, Unproven
from bot.rollout.time_to_go import time_to_go
from tests.builders import OMAR, a_rollout, a_service, changed

WATCHING = Judgement(at=1000.0, verdict=Verdict.INCONCLUSIVE, to_pass=300.0)
SURE = Judgement(at=1000.0, verdict=Verdict.PASS, proven=True)


def at(name: str, settled_at: float | None = 940.0, judgement: Judgement | None = WATCHING, **gates: object) -> Rollout:
    rollout = a_rollout(a_service(gates=GateLimits(**gates)))  # type: ignore[arg-type]  # fields of the dataclass
    plan = tuple(replace(one, seconds=120.0) for one in rollout.spec.plan)
    place = next(number for number, one in enumerate(plan) if one.name == name)
    return changed(rollout, plan=plan, phase=plan[place].phase, stage=place, settled_at=settled_at, judgement=judgement)


@pytest.mark.parametrize(
    ("rollout", "seconds"),
    [
        (at("shift 20"), 60.0),
        (at("shift 20", settled_at=None), 120.0),
        (at("shift 20", settled_at=100.0), 0.0),
        (at("shift 20", early=True), 60.0),
        (at("shift 20", early=True, judgement=replace(WATCHING, to_pass=20.0)), 20.0),
        (at("shift 20", early=True, judgement=SURE), 0.0),
        (at("shift 20", judgement=SURE), 60.0),
        (at("shift 20", unproven=Unproven.HOLD), 300.0),
        (at("shift 20", unproven=Unproven.HOLD, judgement=replace(WATCHING, to_pass=None)), None),
        (at("shift 20", unproven=Unproven.HOLD, judgement=SURE), 60.0),
        (at("shift 100", unproven=Unproven.HOLD), 60.0),
    ],
)
def test_a_stage_takes_its_least_time_or_as_long_as_it_takes_to_be_sure(
    rollout: Rollout, seconds: float | None
) -> None:
    expected = time_to_go(rollout, 1000.0)

    assert expected is not None
    assert expected.stage == seconds


def test_the_rollout_takes_what_its_later_stages_take_as_well_and_needs_so_many_decisions() -> None:
    rollout = at("shift 20")
    later = rollout.spec.plan[rollout.stage + 1 :]

    expected = time_to_go(rollout, 1000.0)

    assert expected is not None
    assert expected.rollout == 60.0 + 120.0 * len(later)
    assert expected.decisions == sum(one.approval for one in later)


def test_a_decision_that_was_made_is_not_counted_again() -> None:
    rollout = at("mirror")
    approved = replace(rollout, approvals=(Approval(by=OMAR, at=1.0),))

    before, after = time_to_go(rollout, 1000.0), time_to_go(approved, 1000.0)

    assert before is not None
    assert after is not None
    assert before.decisions == after.decisions + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": Phase.PREFLIGHT},
        {"phase": Phase.HALTED},
        {"phase": Phase.PROMOTED},
        {"paused_by": OMAR},
        {"hold": Hold(cause=HoldCause.METRICS, sentence="It holds.", since=1.0)},
    ],
)
def test_what_does_not_go_forward_has_no_time_to_go(changes: dict[str, object]) -> None:
    assert time_to_go(changed(at("shift 20"), **changes), 1000.0) is None


def test_waiting_for_people_is_no_standstill() -> None:
    waiting = Hold(cause=HoldCause.APPROVAL, sentence="Nobody approved.", since=1.0)

    assert time_to_go(changed(at("mirror"), hold=waiting), 1000.0) == time_to_go(at("mirror"), 1000.0)


@given(st.floats(0, 2000), st.floats(0, 2000))
def test_as_time_passes_it_never_gets_longer(one: float, two: float) -> None:
    earlier, later = (time_to_go(at("shift 20"), 1000.0 + now) for now in sorted((one, two)))

    assert earlier is not None
    assert later is not None
    assert earlier.rollout is not None
    assert later.rollout is not None
    assert 0 <= later.rollout <= earlier.rollout


@pytest.mark.parametrize(("to_pass", "left"), [(300.0, 300.0), (None, None)])
def test_on_copies_the_longest_time_is_no_least_one(to_pass: float | None, left: float | None) -> None:
    rollout = at("mirror", judgement=replace(WATCHING, to_pass=to_pass))
    copies = replace(rollout.spec.plan[0], seconds=900.0, home_from=40)
    rollout = changed(rollout, plan=(copies, *rollout.spec.plan[1:]))

    expected = time_to_go(rollout, 1000.0)

    assert expected is not None
    assert expected.stage == left
