"""The second edition's benchmark on a handful of runs: traffic that goes where it is sent, and what is noted of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.judge.acceptance import SEEDS, bad, checks, healthy
from bench.judge.closed_loop import fixed_of, run
from bench.judge.cost import cost_second
from bench.judge.scenarios import HEALTHY, STAGES, THIRTY, Noise, Scenario, Split
from bench.judge.second import ALONE, FIRST, besides, loops
from bench.judge.traffic import SCRAPE, Floats
from bench.judge.world import BOUNDS, ERRORS, LIKE_THE_PRIMARY, REQUESTS, SLOWER, Served, World, last_step, world
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.second.sequential import Outcome
from bot.analysis.judge.second.single import start, step
from bot.model.figures import SideFigures
from bot.model.judge_settings import SECOND

RUNS = 4
TWENTY = Scenario(group=THIRTY, rps=100, base=0.001, split=Split.TWENTY, share=0.3)


def test_every_scenario_has_a_name_of_its_own_and_the_seeds_are_three() -> None:
    names = [scenario.name for scenario in (*healthy(), *bad())]

    assert len(names) == len(set(names))
    assert len(set(SEEDS)) == 3


def test_the_same_seeds_give_the_same_world_and_each_seed_its_own() -> None:
    one, two = (world(TWENTY, RUNS, (3, 4)) for _ in range(2))

    assert np.array_equal(one.requests, two.requests)
    assert np.array_equal(one.history, two.history)
    assert np.array_equal(one.requests[RUNS:], world(TWENTY, RUNS, (4,)).requests)
    assert not np.array_equal(one.requests[:RUNS], one.requests[RUNS:])


def served(there: World, share: float, steps: int) -> Served:
    found = Served.nothing(there.runs, latency=True)
    for at in range(steps):
        found.step(there, at, np.full(there.runs, share))
    return found


@pytest.mark.parametrize("share", [np.nan, 0.0, 0.2], ids=["copies", "nobody", "20 %"])
def test_requests_go_where_they_are_sent(share: float) -> None:
    there = world(replace(TWENTY, share=None), RUNS, (3,))

    found, steps = served(there, share, 60), 60

    asked = there.requests[:, :steps].sum(axis=1)
    canary, primary = (one[:, steps, REQUESTS] for one in (found.canary, found.primary))
    if np.isnan(share):
        assert canary.tolist() == primary.tolist() == asked.tolist()
        assert not found.failed.any()
    else:
        assert (canary + primary).tolist() == asked.tolist()
        assert canary.sum() / asked.sum() == pytest.approx(share, abs=0.01)


def test_only_so_many_are_copied_and_the_others_never_fail() -> None:
    there = world(replace(TWENTY, base=0.1, share=0.1, copied=0.5), RUNS, (3,))

    found = served(there, np.nan, 60)

    assert found.canary[:, 60, REQUESTS].sum() / found.primary[:, 60, REQUESTS].sum() == pytest.approx(0.5, abs=0.02)
    assert found.primary[:, 60, ERRORS].sum() / found.primary[:, 60, REQUESTS].sum() == pytest.approx(0.05, abs=0.01)


def test_what_users_alone_meet_copies_do_not() -> None:
    there = world(replace(TWENTY, users_only=True), RUNS, (3,))

    copies, users = (served(there, share, 30).canary[:, 30] for share in (np.nan, 0.2))

    assert copies[:, ERRORS].sum() / copies[:, REQUESTS].sum() < 0.01
    assert users[:, ERRORS].sum() / users[:, REQUESTS].sum() > 0.25


def test_latencies_are_as_the_other_simulation_has_them() -> None:
    beyond = LIKE_THE_PRIMARY[::-1].cumsum()[::-1][1:]

    assert LIKE_THE_PRIMARY.sum() == pytest.approx(1)
    assert dict(zip(BOUNDS, beyond, strict=True))[250.0] == pytest.approx(0.0289, abs=0.0005)


def figures(row: Floats) -> SideFigures:
    buckets = {bound: row[REQUESTS] - row[SLOWER + place] for place, bound in enumerate(BOUNDS)}
    return SideFigures(requests=row[REQUESTS], errors=row[ERRORS], buckets={**buckets, np.inf: row[REQUESTS]})


@pytest.mark.parametrize(
    "scenario",
    [
        TWENTY,
        Scenario(group=Noise.BLIP45, rps=100, base=0.01, split=Split.TWENTY, noise=Noise.BLIP45),
        Scenario(group=HEALTHY, rps=100, base=0.01, split=Split.TWENTY),
    ],
    ids=lambda scenario: scenario.name,
)
def test_all_runs_at_once_are_judged_as_the_product_judges_each(scenario: Scenario) -> None:
    """The same counts, streamed through the product: the same step backs, returns, passes and aborts."""
    there, settings = world(scenario, RUNS, (5,)), SECOND
    course, found = run(there, settings, alone=False)

    for number in range(RUNS):
        trace = start(settings, [figures(row) for row in there.history[number]])
        first: dict[Outcome, float] = {}
        before = [np.zeros(found.canary.shape[-1])] * 2
        for scrape in range(1, 121):
            t = float(scrape * SCRAPE)
            now = [
                totals[number, scrape * 3 - phase]
                for totals, phase in zip((found.canary, found.primary), there.phases[:, number], strict=True)
            ]
            sides = [figures(one - two) for one, two in zip(now, before, strict=True)]
            interval = Interval(t=t, stage="20", canary=sides[0], primary=sides[1])
            trace, ruling = step(trace, interval, settings, users=not trace.state.probation)
            first.setdefault(ruling.outcome, t)
            before = now
        noted = {
            Outcome.ABORT: course.aborted[number],
            Outcome.STEP_BACK: course.home[number],
            Outcome.GO_BACK: course.back[number],
        }
        assert {outcome: first.get(outcome, np.inf) for outcome in noted} == noted


def test_a_total_failure_takes_users_home_after_two_scrapes_and_others_later() -> None:
    (one,), (other,) = loops(TWENTY, RUNS, (6,)), besides(TWENTY, RUNS, (6,))

    assert (one.home(0.5), one.abort(0.5)) == (30, 75)
    assert (other.median(FIRST), other.median(ALONE), other.median("flagger")) == (45, 45, 360)
    assert one.failed < other.failed
    assert other.homes == 0


def test_a_return_begins_the_stage_before_anew() -> None:
    blip = Scenario(group=Noise.BLIP45, rps=100, base=0.01, split=Split.STAGED, noise=Noise.BLIP45)
    (one,) = loops(blip, 8, (7,))

    home = np.isfinite(one.course.home)
    assert home.any()
    assert np.isfinite(one.course.back[home]).all()
    assert (one.course.at_home[home] >= 120).all()
    assert len(STAGES) == one.course.passed.shape[1]


def test_what_was_said_moves_traffic_one_step_later() -> None:
    assert [last_step(seconds) for seconds in (45.0, 1800.0, np.inf)] == [10, 360, 360]


def test_only_what_was_simulated_is_checked() -> None:
    (one,), (other,) = loops(TWENTY, RUNS, (6,)), besides(TWENTY, RUNS, (6,))

    found = [*checks([one], [other])]

    assert {line.what.split(".")[0] for line in found} == {"4", "5", "6", "7", "11"}
    assert all(line.holds for line in found if line.what[0] in "45")


def test_metrics_are_those_that_the_history_chooses() -> None:
    fixed, columns = fixed_of(world(TWENTY, RUNS, (5,)), SECOND)

    assert columns == [ERRORS, SLOWER + BOUNDS.index(250), SLOWER + BOUNDS.index(500)]
    assert fixed.base.phi.shape == (RUNS, 3)


def test_a_row_stores_little_and_storing_changes_no_ruling() -> None:
    measured = cost_second(passes=1)

    assert 2000 < measured.largest <= 4096
    assert measured.differing == 0
    assert measured.row > 0
    assert measured.row < 4 * measured.first
    assert measured.row < 2 * measured.alone
