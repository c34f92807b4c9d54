"""People ask for another share of users than the plan's next: back at once, up only as the figures allow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.errors import Refusal
from bot.model.figures import Finding, Judgement, Verdict
from bot.model.rollout import Phase, Rollout, Routes
from bot.rollout import decide, weights
from bot.rollout.actions import SetRoutes, next_action
from bot.words.rendering import plain
from tests.builders import MAYA, OMAR, a_drift, a_rollout, a_service, an_observation, keys, verdict

GOOD = replace(verdict(Verdict.PASS), proven=True)
WORSE = Judgement(
    at=1e9,
    verdict=Verdict.INCONCLUSIVE,
    findings=(Finding(gate="evidence", verdict=Verdict.INCONCLUSIVE, sentence="v2 may be worse."),),
)


def at_stage(name: str, judgement: Judgement | None = GOOD, **changes: object) -> Rollout:
    rollout = a_rollout(a_service(**changes))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    phase = rollout.spec.plan[index].phase
    return replace(rollout, phase=phase, stage=index, since=0.0, settled_at=0.0, judgement=judgement)


def names(rollout: Rollout) -> list[str]:
    return [stage.name for stage in rollout.spec.plan if stage.phase is Phase.SHIFTING]


def test_back_is_the_step_before_and_goes_on_when_people_say_so() -> None:
    went, notified = weights.back(at_stage("shift 60", WORSE), MAYA, 10.0)

    assert (went.current.name, went.current.approval, went.settled_at) == ("shift 40", True, None)
    assert plain(notified[0].text) == "U0MAYA went back to 40 % of users. It goes on when people say so."
    settled, _ = decide.decide(went, an_observation(went), GOOD, 20.0)
    asked, _ = decide.decide(settled, an_observation(settled), GOOD, 1000.0)
    assert (asked.current.name, asked.asked_at) == ("shift 40", 1000.0)


def test_back_from_the_first_users_is_the_mirror() -> None:
    went, _ = weights.back(at_stage("shift 20"), MAYA, 10.0)

    assert (went.phase, went.current.routes) == (Phase.MIRRORING, Routes(canary=0, mirror=True))


@pytest.mark.parametrize("live", [60, 40], ids=["settled", "still to be written"])
def test_the_routes_it_came_from_are_nobody_elses_change(live: int) -> None:
    went, _ = weights.set_share(at_stage("shift 60"), 10, OMAR, 10.0)
    observed = an_observation(went, routes=Routes(canary=live))

    assert next_action(went, observed) == SetRoutes(routes=Routes(canary=10))
    assert decide.decide(went, observed, GOOD, 20.0)[0].drift is None


def test_a_share_below_is_a_step_of_its_own_and_needs_no_figures() -> None:
    went, _ = weights.set_share(at_stage("shift 60", None), 30, OMAR, 10.0)

    assert (went.current.name, went.current.approval) == ("shift 30", True)
    assert names(went) == ["shift 20", "shift 30", "shift 40", "shift 60", "shift 80", "shift 100"]


def test_a_share_of_the_plan_is_that_step() -> None:
    went, _ = weights.set_share(at_stage("shift 60"), 20, OMAR, 10.0)

    assert (went.current.name, names(went)) == ("shift 20", names(at_stage("shift 60")))


def test_a_share_above_is_a_smaller_step_that_is_judged_and_goes_on_like_any() -> None:
    went, notified = weights.set_share(at_stage("shift 20"), 30, OMAR, 10.0)
    settled, _ = decide.decide(went, an_observation(went), GOOD, 20.0)
    on, _ = decide.decide(settled, an_observation(settled), GOOD, 1000.0)

    assert (went.current.name, went.current.approval, keys(notified[0].text)[0]) == (
        "shift 30",
        False,
        "rollout.set_share",
    )
    assert on.current.name == "shift 40"


REFUSED = {
    "beyond the plan": (at_stage("shift 20"), 50, "The plan goes to 40 % next"),
    "figures in doubt": (at_stage("shift 20", WORSE), 30, "More users only while the figures are good. v2 may be"),
    "no figures": (at_stage("shift 20", None), 30, "only once the figures of this step are known"),
    "to be approved": (at_stage("shift 100"), 101, "from 1 to 100 percent"),
    "paused": (replace(at_stage("shift 20"), paused_by=MAYA), 30, "needs an approval, or the end of a pause"),
    "the same": (at_stage("shift 20"), 20, "not the 20 % there is"),
    "none": (at_stage("shift 20"), 0, "`/canary abort reviews` takes everyone back"),
    "mirroring": (at_stage("mirror"), 10, "does not have its users on both versions now (mirror)"),
    "returning": (at_stage("switchback 50"), 10, "does not have its users on both versions now"),
    "edited": (replace(at_stage("shift 20"), drift=a_drift()), 10, "does not have its users on both versions now"),
}


@pytest.mark.parametrize(("rollout", "percent", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_possible_says_why(rollout: Rollout, percent: int, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        weights.set_share(rollout, percent, OMAR, 10.0)

    assert why in plain(refused.value.sentence)


def test_back_is_refused_where_nothing_is_split() -> None:
    with pytest.raises(Refusal, match="does not have its users on both versions"):
        weights.back(at_stage("upgrade"), OMAR, 10.0)
