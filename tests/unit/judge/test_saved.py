"""The golden figures through the whole judge: interval by interval, saved and read between rows, rows twice."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.rollout.judge.judge import Interval, JudgeState, start, step
from bot.rollout.judge.saved import load, save
from bot.rollout.judge.settings import JudgeSettings
from bot.rollout.model import SideFigures
from tests.unit.judge.test_golden import CEILING, NOT_WORSE, RATIOS, ROWS, WORSE

LARGEST = 4000  # bytes
GOLDEN = JudgeSettings()


def golden_start() -> JudgeState:
    """Every weight in place: two latency metrics that never get a row, so 0.6 and 0.1 stay what they are."""
    history = [side(1000, 0, buckets={10.0: 950, 20.0: 1000, math.inf: 1000})]
    return start(GOLDEN, history)


def side(requests: float, errors: float, buckets: dict[float, float] | None = None) -> SideFigures:
    return SideFigures(requests=requests, errors=errors, buckets=buckets or {})


def golden_intervals() -> list[Interval]:
    return [
        Interval(t=15.0 * number, stage="20", canary=side(row.n_c, row.b_c), primary=side(row.n_p, row.b_p))
        for number, row in enumerate(ROWS, 1)
    ]


@pytest.mark.parametrize("times", [1, 2], ids=["once", "each row twice"])
@pytest.mark.parametrize("saved", [False, True], ids=["streaming", "saved and read between rows"])
def test_the_golden_rows_through_the_whole_judge(times: int, saved: bool) -> None:  # noqa: FBT001  # of the table
    state = replace(golden_start(), stage="20", stage_began=0.0)
    worse, not_worse, ceiling = [], [], []
    for number, interval in enumerate(golden_intervals()):
        state = replace(state, injected=number != 4)  # the golden figures inject a quarter of the reserve at row 5
        for _ in range(times):
            state, assessment = step(state, interval, GOLDEN)
            state = load(save(state)) if saved else state
        errors = state.metrics[0]
        worse.append(errors.log_e)
        not_worse.append(errors.proof.log_e)
        ceiling.append(state.ceiling.log_e)
        ratio = assessment.ratios["errors"]
        assert (ratio.low, ratio.best, ratio.high) == pytest.approx(RATIOS[number][:3], abs=6e-4)
        assert ratio.log_sure == pytest.approx(RATIOS[number][3], abs=1e-6)

    assert worse == pytest.approx(WORSE, abs=1e-6)
    assert not_worse == pytest.approx(NOT_WORSE, abs=1e-6)
    assert ceiling == pytest.approx(CEILING, abs=1e-6)


COUNT = st.integers(min_value=0, max_value=100_000)
SIDE = st.none() | st.tuples(COUNT, COUNT, COUNT).map(
    lambda n: side(n[0], min(n[1], n[0]), {100.0: min(n[2], n[0]), 500.0: n[0], math.inf: n[0]})
)
RUN = st.lists(st.tuples(SIDE, SIDE, st.sampled_from(["mirror", "20"])), min_size=1, max_size=15)


@settings(max_examples=40, deadline=None)
@given(run=RUN, bursty=st.booleans())
def test_a_saved_state_is_the_same_state_and_small(
    run: list[tuple[SideFigures | None, SideFigures | None, str]], *, bursty: bool
) -> None:
    history = [side(1000, 90 if n % 8 == 0 else 0, {100.0: 980, 500.0: 1000, math.inf: 1000}) for n in range(64)]
    kept = again = start(JudgeSettings(), history if bursty else ())
    for number, (canary, primary, stage) in enumerate(run, 1):
        interval = Interval(t=15.0 * number, stage=stage, canary=canary, primary=primary)
        kept, one = step(kept, interval, JudgeSettings())
        again, two = step(load(save(again)), interval, JudgeSettings())
        assert one == two
        assert len(save(again)) <= LARGEST

    assert load(save(kept)) == kept == again


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 0, not 1"):
        load('{"version":0}')
