"""What must hold for any counts: traffic's size, the order of metrics, missing sides, extreme rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.rollout.judge.evidence import Row, absolute, relative
from bot.rollout.judge.judge import Interval, Verdict, log_e, start, step
from bot.rollout.judge.replay import DEFAULTS
from bot.rollout.judge.settings import CEILING_TIMES, LADDER, LOWER
from bot.rollout.model import SideFigures


def side(requests: float, errors: float, slow: float = 0) -> SideFigures:
    buckets = {100.0: requests - slow, 250.0: requests, math.inf: requests}
    return SideFigures(requests=requests, errors=errors, buckets=buckets)


@st.composite
def alike(draw: st.DrawFn) -> tuple[SideFigures, SideFigures]:
    """A row whose canary is within what is tolerated of its primary, and below the ceiling."""
    n_c, n_p = (draw(st.integers(min_value=1, max_value=2000)) for _ in range(2))
    b_p, slow_p = (draw(st.integers(min_value=0, max_value=n_p // 25)) for _ in range(2))
    b_c = draw(st.integers(min_value=0, max_value=int(n_c * b_p / n_p)))
    slow_c = draw(st.integers(min_value=0, max_value=int(n_c * slow_p / n_p)))
    return side(n_c, b_c, slow_c), side(n_p, b_p, slow_p)


def times(figures: SideFigures, factor: float) -> SideFigures:
    return SideFigures(
        requests=figures.requests * factor,
        errors=figures.errors * factor,
        buckets={bound: count * factor for bound, count in figures.buckets.items()},
    )


@settings(max_examples=60, deadline=None)
@given(run=st.lists(alike(), min_size=1, max_size=25), factor=st.sampled_from([0.5, 1, 3, 100, 10_000]))
def test_no_amount_of_traffic_turns_a_canary_like_its_primary_into_a_bad_one(
    run: list[tuple[SideFigures, SideFigures]], factor: float
) -> None:
    state = start(DEFAULTS)
    for number, (canary, primary) in enumerate(run, 1):
        interval = Interval(t=15.0 * number, stage="20", canary=times(canary, factor), primary=times(primary, factor))
        state, assessment = step(state, interval, DEFAULTS)
        assert assessment.verdict is not Verdict.ABORT
        assert assessment.log_e <= 1e-6


@settings(max_examples=40, deadline=None)
@given(run=st.lists(alike(), min_size=5, max_size=20), bad=st.integers(min_value=0, max_value=60))
def test_the_order_of_metrics_does_not_matter(run: list[tuple[SideFigures, SideFigures]], bad: int) -> None:
    one = start(replace(DEFAULTS, bounds=(100.0, 250.0)))
    errors, *slow = one.metrics
    two = replace(one, metrics=(errors, *reversed(slow)))
    for number, (canary, primary) in enumerate(run, 1):
        worse = replace(canary, errors=min(canary.requests, canary.errors + bad))
        interval = Interval(t=15.0 * number, stage="20", canary=worse, primary=primary)
        one, first = step(one, interval, DEFAULTS)
        two, second = step(two, interval, DEFAULTS)
        assert first.verdict is second.verdict
        assert log_e(one) == pytest.approx(log_e(two), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(missing=st.sampled_from(["canary", "primary"]), quiet=st.integers(min_value=1, max_value=8))
def test_a_side_that_is_not_heard_of_moves_nothing_towards_a_pass(missing: str, quiet: int) -> None:
    state = start(DEFAULTS)
    for number in range(1, 41):
        state, assessment = step(
            state, Interval(t=15.0 * number, stage="20", canary=side(500, 0), primary=side(2000, 2)), DEFAULTS
        )
    assert assessment.verdict is Verdict.PASS
    before = [metric.proof.log_e for metric in state.metrics]

    for number in range(41, 41 + quiet):
        sides = {"canary": side(500, 0), "primary": side(2000, 2)} | {missing: None}
        state, assessment = step(state, Interval(t=15.0 * number, stage="20", **sides), DEFAULTS)
        assert assessment.verdict is (Verdict.NO_DATA if number - 40 >= 8 else Verdict.WATCH)

    assert [metric.proof.log_e for metric in state.metrics] == before


def test_after_ten_minutes_of_silence_the_same_evidence_goes_on() -> None:
    state = start(DEFAULTS)
    for number in range(1, 21):
        state, _ = step(
            state, Interval(t=15.0 * number, stage="20", canary=side(500, 0), primary=side(2000, 2)), DEFAULTS
        )
    before = state.metrics[0].proof.log_e

    state, assessment = step(
        state, Interval(t=900.0, stage="20", canary=side(20_000, 0), primary=side(80_000, 80)), DEFAULTS
    )

    assert assessment.verdict is Verdict.PASS
    assert 0 < state.metrics[0].proof.log_e - before <= math.log(20) / 4 + 1e-6


def test_a_canary_scaled_to_nothing_says_nothing() -> None:
    state = start(DEFAULTS)
    for number in range(1, 41):
        state, assessment = step(
            state, Interval(t=15.0 * number, stage="20", canary=side(0, 0), primary=side(2000, 2)), DEFAULTS
        )

    assert assessment.verdict is Verdict.WATCH
    assert assessment.log_e == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "row",
    [
        Row(0, 0, 0, 0),
        Row(0, 0, 5, 5),
        Row(5, 5, 0, 0),
        Row(1e9, 1e6, 1, 0),
        Row(1, 1, 1e9, 0),
        Row(1e6, 1e6, 1e6, 1e6),
    ],
    ids=["nothing", "primary alone", "canary alone", "all canary", "all primary", "all bad"],
)
def test_no_row_gives_anything_but_numbers(row: Row) -> None:
    shares = np.array([times * 0.05 for times in CEILING_TIMES])
    for values in (
        relative(row, 1.25, 0.0002, LADDER, 1.0),
        relative(row, 1.5, 0.005, LOWER, 1.0),
        absolute(row, 0.05, shares, 1.0),
    ):
        assert np.isfinite(values).all()
    if row.n_c == 0 or row.n_p == 0:
        assert not relative(row, 1.25, 0.0002, LADDER, 1.0).any()
