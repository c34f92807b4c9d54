"""The benchmark of the judge, on a handful of runs: that it runs, and that its peers behave as their documents say."""

from __future__ import annotations

import numpy as np
import pytest

from bench.judge.at_once import judge as all_at_once
from bench.judge.checks import Check, check
from bench.judge.cost import cost
from bench.judge.ours import judge as row_by_row
from bench.judge.outcomes import work_out
from bench.judge.scenarios import HEALTHY, STAGES, TEN, THIRTY, Noise, Scenario, Split, bad, healthy
from bench.judge.traffic import ERRORS, REQUESTS, simulate
from bot.analysis.judge.settings import JudgeSettings

RUNS = 6


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in (*healthy(), *bad())]

    assert len(names) == len(set(names))


def test_the_same_seed_gives_the_same_traffic() -> None:
    scenario = Scenario(group=HEALTHY, rps=10, base=0.01, split=Split.STAGED, noise=Noise.BURSTS)

    one, two, other = (simulate(scenario, RUNS, seed).canary.scraped for seed in (1, 1, 2))

    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_traffic_is_split_as_the_stages_say() -> None:
    traffic = simulate(Scenario(group=HEALTHY, rps=100, base=0.01, split=Split.STAGED), RUNS, 1)
    began = 0
    for name, end, share in STAGES:
        # A scrape's margin on both ends: the versions are not scraped at the same moment.
        whole = slice(began // 15 + 1, end // 15 - 1)
        canary, primary = (
            np.diff(side.scraped[:, whole, REQUESTS], axis=1).sum() for side in (traffic.canary, traffic.primary)
        )
        found = canary / (canary + primary)
        assert found == pytest.approx(0.5 if share is None else share, rel=0.05), name
        began = end
    assert traffic.history[..., ERRORS].sum() / traffic.history[..., REQUESTS].sum() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(group=HEALTHY, rps=100, base=0.001, split=Split.STAGED),
        Scenario(group=TEN, rps=100, base=0.001, split=Split.STAGED, times=10, onset=900),
        *(
            Scenario(group=noise, rps=10, base=0.01, split=Split.TWENTY, noise=noise, times=4)
            for noise in (Noise.LOST, Noise.BURSTS, Noise.INCIDENT)
        ),
    ],
    ids=lambda scenario: scenario.name,
)
def test_all_runs_at_once_are_judged_as_the_product_judges_them_row_by_row(scenario: Scenario) -> None:
    traffic = simulate(scenario, RUNS, 1)

    at_once, by_row = (judge(scenario, traffic, JudgeSettings()) for judge in (all_at_once, row_by_row))

    assert at_once == by_row
    assert any(run.passed or run.by for run in by_row)


def test_a_total_failure_is_found_by_everybody_at_their_own_pace() -> None:
    outcome = work_out(Scenario(group=THIRTY, rps=100, base=0.001, split=Split.TWENTY, share=0.3), RUNS, 1)

    medians = {name: outcome.detection(0.5, name) for name in outcome.aborted}

    assert medians == {"ours": 45, "flagger": 360, "flagger15": 45, "argo": 240, "kayenta": 300, "oracle": 45}


def test_a_common_incident_is_not_held_against_the_canary() -> None:
    noise = Noise.INCIDENT
    outcome = work_out(Scenario(group=noise, rps=100, base=0.001, split=Split.TWENTY, noise=noise), RUNS, 1)

    assert outcome.aborts() == 0
    assert outcome.aborts("flagger15") == 1


def test_a_reconcile_at_its_dearest_stores_little_and_storing_changes_no_answer() -> None:
    measured = cost(passes=1)

    assert 2000 < measured.largest <= 4096
    assert measured.differing == 0
    assert measured.total > 0


def test_only_what_was_simulated_is_checked_and_a_figure_that_is_missing_holds_nothing() -> None:
    late = Scenario(group=TEN, rps=100, base=0.001, split=Split.STAGED, times=10, onset=900)

    checks = [one for one in check([work_out(late, RUNS, 1)]) if "minute 15" in one.what]

    assert [one.what.split(",")[0] for one in checks] == ["median seconds", "passed while bad"]
    assert not Check("seconds", float("nan"), 60).holds
