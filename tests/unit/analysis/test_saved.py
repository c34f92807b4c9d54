"""The golden figures through the whole judge: interval by interval, saved and read between rows, rows twice."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.saved import load, save
from bot.model.figures import SideFigures
from tests.unit.analysis.rows import BURSTY, DEFAULTS, HISTORY, judged, rows
from tests.unit.analysis.test_golden import CEILING, NOT_WORSE, RATIOS, ROWS, WORSE

LARGEST = 4096  # bytes


def side(requests: float, errors: float, buckets: dict[float, float] | None = None) -> SideFigures:
    return SideFigures(requests=requests, errors=errors, buckets=buckets or {})


@pytest.mark.parametrize("times", [1, 2], ids=["once", "each row twice"])
@pytest.mark.parametrize("saved", [False, True], ids=["streaming", "saved and read between rows"])
def test_the_golden_rows_through_the_whole_judge(times: int, saved: bool) -> None:  # noqa: FBT001  # of the table
    # Two latency metrics that never get a row keep the weights of errors (0.6) and ceiling (0.1) what they are, and
    # the golden figures inject a quarter of the reserve at row 5, where the next stage begins.
    state = start(DEFAULTS, [side(1000, 0, {10.0: 950, 20.0: 1000, math.inf: 1000})])
    worse, stage_one, ceiling = [], [], []
    for number, (n_c, b_c, n_p, b_p) in enumerate(ROWS):
        stage = "20" if number < 4 else "50"
        interval = Interval(t=15.0 * number, stage=stage, canary=side(n_c, b_c), primary=side(n_p, b_p))
        for _ in range(times):
            state, assessment = step(state, interval, DEFAULTS)
            state = load(save(state)) if saved else state
        worse.append(assessment.metrics["errors"].worse)
        stage_one.append(assessment.metrics["errors"].not_worse)
        ceiling.append(assessment.ceiling)
        ratio = assessment.metrics["errors"].ratio
        assert (ratio.low, ratio.best, ratio.high) == pytest.approx(RATIOS[number][:3], abs=6e-4)
        assert ratio.log_sure == pytest.approx(RATIOS[number][3], abs=1e-6)

    assert worse == pytest.approx(WORSE, abs=1e-6)
    assert stage_one[:4] == pytest.approx(NOT_WORSE[:4], abs=1e-6)
    assert ceiling == pytest.approx(CEILING, abs=1e-6)


@pytest.mark.parametrize("history", [HISTORY, BURSTY, []], ids=["calm", "bursty", "unknown"])
def test_the_state_of_a_long_rollout_is_small(history: list[SideFigures]) -> None:
    since = 1_767_225_600.25
    run = rows([((300, 3), (1203, 4)), (None, (1200, 1)), ((0, 0), (1210, 2))] * 6, "mirror", since)
    run += rows([((310 + number, number % 4), (1200, 4)) for number in range(20)], "20", since + 270)
    state = start(DEFAULTS, history)
    for interval in run:
        state, _ = step(state, interval, DEFAULTS)
        assert len(save(state)) <= LARGEST


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
    kept = again = start(DEFAULTS, history if bursty else ())
    for number, (canary, primary, stage) in enumerate(run, 1):
        interval = Interval(t=15.0 * number, stage=stage, canary=canary, primary=primary)
        kept, one = step(kept, interval, DEFAULTS)
        again, two = step(load(save(again)), interval, DEFAULTS)
        assert one == two
        assert save(again) == save(kept)
        assert len(save(again)) <= LARGEST


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 0, not 5"):
        load('{"version":0}')


def test_a_state_that_the_last_version_saved_is_read_and_means_the_same() -> None:
    kept, _ = judged([*rows([((300, 3), (1200, 12))] * 5), *rows([(None, (1200, 12))], since=75.0)], HISTORY)
    text = json.loads(save(kept))
    *course, limited, recent = text["course"]

    assert limited is False
    assert save(load(json.dumps(text | {"version": 4, "course": [*course, recent]}))) == save(kept)


def test_what_is_read_of_a_text_is_shared_and_nobody_can_write_to_it() -> None:
    text = save(start(DEFAULTS, HISTORY))
    state = load(text)

    arrays = [state.evidence.totals, state.evidence.pending, state.evidence.worse.active, state.ceiling.log_e]
    assert load(text) is state
    assert not any(array.flags.writeable for array in arrays)
