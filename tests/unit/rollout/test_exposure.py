"""What users had of the canary, and which share of an error budget that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.figures import AnalysisState, Exposure, Judgement, Verdict
from bot.model.rollout import BOT, Phase, Rollout, StageOutcome, Stopped, Walked
from bot.model.service import ErrorBudget
from bot.model.story import EntryKind
from bot.rollout import exposure, phrases, questions
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, a_side_of, an_observation, figures

WEEK = 7 * 86400.0
MONTH = ErrorBudget(objective=0.999, window=30 * 86400.0)


def met(requests: float, errors: float, budget: ErrorBudget | None = MONTH, **changes: Any) -> Rollout:
    """A rollout at its first weight whose users met the canary so often; ten requests a second in all."""
    state = AnalysisState(exposure=Exposure(requests=requests, errors=errors))
    rate: dict[str, Any] = {"user_rate": 10.0, "phase": Phase.SHIFTING, "stage": 1, "analysis_state": state}
    return a_rollout(a_service(budget=budget), **(rate | changes))


def test_the_share_is_that_of_the_workbooks_own_example() -> None:
    """99.9 % of 3 million requests in four weeks allows 3,000 failures; 1,500 of them are half of the budget."""
    budget = ErrorBudget(objective=0.999, window=4 * WEEK)
    rollout = met(50_000, 1500, budget, user_rate=3_000_000 / budget.window)

    assert exposure.allowed(rollout) == pytest.approx(3000)
    assert exposure.spent(rollout) == pytest.approx(0.5)


def test_what_it_has_cost_is_told_with_the_objective_and_its_window() -> None:
    assert plain(exposure.cost(met(353, 42))) == "v2 has cost about 0.162 % of the error budget (99.9 % over 30 days)."


def test_a_trace_of_the_budget_is_told_as_that() -> None:
    shown = plain(exposure.cost(met(353, 2, ErrorBudget(objective=0.9999, window=90 * 86400.0))))

    assert shown == "v2 has cost less than 0.1 % of the error budget (99.99 % over 90 days)."


@pytest.mark.parametrize(
    "rollout",
    [met(353, 42, None), met(353, 0), met(353, 42, user_rate=None), met(353, 42, user_rate=0.0)],
    ids=["no budget", "nothing failed", "traffic not known", "no traffic"],
)
def test_nothing_is_told_of_a_budget_that_is_not_set_or_of_which_nothing_is_known(rollout: Rollout) -> None:
    assert exposure.cost(rollout) == ""
    assert "budget" not in plain(exposure.summary(rollout))


def test_what_the_next_step_costs_if_as_many_fail_is_told_with_what_it_sends() -> None:
    shown = plain(exposure.summary(met(353, 42)))

    assert shown.startswith("v2 has answered 353 user requests, 42 failed. v2 has cost about 0.162 %")
    assert shown.endswith(
        "The next step sends it about 480 requests in 2 minutes. If as many fail, that costs about 0.22 % more."
    )


def test_while_it_mirrors_the_primary_alone_tells_how_busy_the_service_is() -> None:
    judgement = Judgement(
        at=60.0, verdict=Verdict.PASS, figures=figures(a_side_of(600), a_side_of(600), start=0.0, end=60.0)
    )
    mirroring = met(0, 0, user_rate=None, phase=Phase.MIRRORING, stage=0, judgement=judgement)

    assert exposure.allowed(mirroring) == pytest.approx(0.001 * 10 * MONTH.window)
    assert plain(exposure.summary(mirroring)).startswith(
        "No user has met v2 yet. The next step sends it about 240 requests"
    )


@given(
    st.floats(0.5, 0.9999),
    st.floats(3600, 366 * 86400),
    st.floats(0.01, 1e5),
    st.floats(0, 1e7),
    st.floats(1.01, 10),
)
def test_more_traffic_or_a_longer_window_makes_the_same_failures_a_smaller_share(
    objective: float, window: float, rate: float, errors: float, more: float
) -> None:
    rollout = met(1e8, errors, ErrorBudget(objective=objective, window=window), user_rate=rate)
    busier = replace(rollout, user_rate=rate * more)
    longer = met(1e8, errors, ErrorBudget(objective=objective, window=window * more), user_rate=rate)

    share = exposure.spent(rollout)

    assert share is not None
    assert share * (exposure.allowed(rollout) or 0.0) == pytest.approx(errors)
    assert exposure.spent(busier) == pytest.approx(share / more)
    assert exposure.spent(longer) == pytest.approx(share / more)


def test_the_end_of_an_abort_tells_what_it_has_cost() -> None:
    weight = a_rollout().spec.plan[1]
    left = Walked(name=weight.name, outcome=StageOutcome.ABORTED, began=50.0, ended=100.0)
    stopped = Stopped(at=100.0, by=BOT, stage=phrases.called(weight))
    aborted = met(353, 42, phase=Phase.ABORTING, stopped=stopped, walked=(left,))

    shown = plain(phrases.abort_ended(aborted, an_observation(aborted), 101.0))

    assert "42 failed. v2 has cost about 0.162 % of the error budget" in shown


def test_people_who_are_asked_are_told_what_it_has_cost_so_far() -> None:
    judgement = Judgement(at=60.0, verdict=Verdict.PASS, proven=True)

    _, (asked,) = questions.ask(met(353, 42), judgement, 60.0)

    assert asked.kind is EntryKind.ASK
    assert "v2 has cost about 0.162 % of the error budget" in plain(asked.text)
