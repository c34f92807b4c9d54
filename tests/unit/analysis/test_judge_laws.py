"""What must hold for any counts: traffic's size, the order of metrics, missing sides, extreme rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.analysis.judge.evidence import absolute, relative
from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.processes import lse
from bot.analysis.judge.saved import load, save
from bot.analysis.judge.settings import CEILING_TIMES, LADDER, LOWER, NEEDED_AGAIN, MetricLimits
from bot.analysis.judge.verdict import Decision
from bot.model.figures import SideFigures
from tests.unit.analysis.rows import BURSTY, DEFAULTS, HISTORY, Counts, judged, rows, side, verdicts

COUNT = st.integers(min_value=0, max_value=400)
PAIR = st.tuples(COUNT, COUNT, COUNT, COUNT).map(lambda n: ((n[0], min(n[1], n[0])), (n[2], min(n[3], n[2]))))
RUNS = st.lists(PAIR, min_size=1, max_size=20)
PASTS = st.sampled_from([HISTORY, BURSTY, []])


@settings(max_examples=60, deadline=None)
@given(run=RUNS, past=PASTS)
def test_evidence_never_grows_by_more_than_its_cap_and_is_always_a_number(
    run: list[tuple[Counts, Counts]], past: list[SideFigures]
) -> None:
    state = start(DEFAULTS, past)
    for interval in rows(run):
        before = state
        state, assessment = step(state, interval, DEFAULTS)
        assert math.isfinite(assessment.log_e)
        weights = np.array([metric.weight for metric in before.metrics]) / state.weight
        if len(before.metrics) == len(state.metrics):
            cap = np.log(1 / (DEFAULTS.alpha * weights)) / DEFAULTS.patience
            assert (state.evidence.worse.log_e - before.evidence.worse.log_e <= cap + 1e-8).all()
        assert state.relapse.log_e - before.relapse.log_e <= NEEDED_AGAIN / DEFAULTS.patience + 1e-8
        assert state.relapse.reserve >= before.relapse.reserve + math.log1p(-DEFAULTS.stage_injection)
        assert np.isfinite(state.relapse.active).all()


@settings(max_examples=60, deadline=None)
@given(run=RUNS, past=PASTS)
def test_one_more_canary_error_in_a_row_never_lowers_the_evidence(
    run: list[tuple[Counts, Counts]], past: list[SideFigures]
) -> None:
    state, _ = judged(rows(run[:-1]), past)
    last = rows(run)[-1]
    assert last.canary is not None
    worse = replace(last.canary, errors=min(last.canary.errors + 1, last.canary.requests))

    one = step(state, last, DEFAULTS)[1]
    two = step(state, replace(last, canary=worse), DEFAULTS)[1]

    assert two.log_e >= one.log_e - 1e-8
    assert two.metrics["errors"].not_worse <= one.metrics["errors"].not_worse + 1e-8


UNCAPPED = replace(DEFAULTS, alpha=1e-300, patience=1, vote_patience=1)


@settings(max_examples=60, deadline=None)
@given(run=RUNS, past=PASTS, at=st.integers(min_value=0))
def test_one_more_canary_error_lowers_the_evidence_of_no_later_row_while_no_row_is_capped(
    run: list[tuple[Counts, Counts]], past: list[SideFigures], at: int
) -> None:
    intervals = rows(run)
    spoilt = [*intervals]
    hit = spoilt[at % len(run)]
    assert hit.canary is not None
    worse = replace(hit.canary, errors=min(hit.canary.errors + 1, hit.canary.requests))
    spoilt[at % len(run)] = replace(hit, canary=worse)

    _, one = judged(intervals, past, UNCAPPED)
    _, two = judged(spoilt, past, UNCAPPED)

    assert all(after.log_e >= before.log_e - 1e-7 for before, after in zip(one, two, strict=True))


def test_once_a_row_is_capped_one_more_error_can_cost_evidence_later_because_the_bet_moves_to_greater_faults() -> None:
    """The precise limit of the law above: the second row's growth is capped, and the errors after it are few."""
    capped, few = (60, 30), (300, 3)
    quiet, more = ([((60, bad), (240, 1)), *[(few, (1200, 6))] * 6] for bad in (capped[1], capped[1] + 20))

    one, two = (judged(rows(run), HISTORY)[1] for run in (quiet, more))

    assert two[0].log_e == pytest.approx(one[0].log_e)
    assert two[-1].log_e < one[-1].log_e


@settings(max_examples=60, deadline=None)
@given(
    run=RUNS, quiet=st.lists(st.sampled_from([(None, None), (None, (900, 1)), ((0, 0), (900, 1)), ((300, 0), None)]))
)
def test_no_data_never_moves_towards_a_pass(
    run: list[tuple[Counts, Counts]], quiet: list[tuple[Counts, Counts]]
) -> None:
    _, answers = judged(rows([*run, *quiet]), HISTORY)

    assert Decision.PASS not in verdicts(answers[len(run) :])


def counted(requests: int, errors: int, slow: int) -> SideFigures:
    buckets = {100.0: float(requests - slow), 250.0: float(requests), math.inf: float(requests)}
    return SideFigures(requests=requests, errors=errors, buckets=buckets)


@st.composite
def tolerable(draw: st.DrawFn) -> tuple[SideFigures, SideFigures]:
    """A row whose canary is within what is tolerated of every metric, and below the ceiling."""
    n_c, n_p = (draw(st.integers(min_value=1, max_value=2000)) for _ in range(2))
    b_p, slow_p = (draw(st.integers(min_value=0, max_value=n_p // 25)) for _ in range(2))
    most = min(allowed(b_p / n_p, DEFAULTS.errors), DEFAULTS.ceiling)
    b_c = draw(st.integers(min_value=0, max_value=int(n_c * most)))
    slow_c = draw(st.integers(min_value=0, max_value=int(n_c * allowed(slow_p / n_p, DEFAULTS.slow))))
    return counted(n_c, b_c, slow_c), counted(n_p, b_p, slow_p)


def allowed(share: float, limits: MetricLimits) -> float:
    return limits.tolerance * share + limits.slack


TOLERABLE = st.lists(tolerable(), min_size=1, max_size=20)


def times(figures: SideFigures, factor: float) -> SideFigures:
    return SideFigures(
        requests=figures.requests * factor,
        errors=figures.errors * factor,
        buckets={bound: count * factor for bound, count in figures.buckets.items()},
    )


@settings(max_examples=60, deadline=None)
@given(run=TOLERABLE, factor=st.sampled_from([0.5, 1, 3, 100, 10_000]), past=PASTS)
def test_no_amount_of_traffic_condemns_a_canary_that_is_within_tolerance_in_every_row(
    run: list[tuple[SideFigures, SideFigures]], factor: float, past: list[SideFigures]
) -> None:
    state = start(DEFAULTS, past)
    for number, (canary, primary) in enumerate(run, 1):
        interval = Interval(t=15.0 * number, stage="20", canary=times(canary, factor), primary=times(primary, factor))
        state, assessment = step(state, interval, DEFAULTS)
        assert assessment.verdict is not Decision.ABORT
        assert assessment.log_e <= 1e-6


def test_more_traffic_can_turn_a_pass_into_a_rightful_abort() -> None:
    """The precise limit of the law above: the same shares are luck in ten requests and a fault in ten thousand."""

    def run(factor: int) -> list[tuple[Counts, Counts]]:
        bad, good = ((30 * factor, factor), (120 * factor, 0)), ((500 * factor, 0), (2000 * factor, 4 * factor))
        return [*[bad] * 3, *[good] * 40]

    assert Decision.PASS in verdicts(judged(rows(run(1)), HISTORY)[1])
    assert verdicts(judged(rows(run(100)), HISTORY)[1]).index(Decision.ABORT) == 2


@settings(max_examples=40, deadline=None)
@given(run=TOLERABLE, bad=st.integers(min_value=0, max_value=60))
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
        assert first.log_e == pytest.approx(second.log_e, abs=1e-6)


@pytest.mark.parametrize("missing", ["canary", "primary"])
def test_a_side_that_is_not_heard_of_moves_nothing_towards_a_pass(missing: str) -> None:
    state, answers = judged(rows([((500, 0), (2000, 2))] * 40))
    assert answers[-1].verdict is Decision.PASS
    before = lse(state.evidence.not_worse.all)

    for number in range(41, 49):
        interval = rows([((500, 0), (2000, 2))], since=15.0 * (number - 1))[0]
        lost = replace(interval, canary=None) if missing == "canary" else replace(interval, primary=None)
        state, assessment = step(state, lost, DEFAULTS)
        assert assessment.verdict is (Decision.NO_DATA if number == 48 else Decision.WATCH)

    assert lse(state.evidence.not_worse.all) == pytest.approx(before)


def test_a_row_as_long_as_an_outage_adds_no_more_than_any_other() -> None:
    state, _ = judged(rows([((500, 0), (2000, 2))] * 20))
    before = lse(state.evidence.not_worse.all)[0]

    interval = Interval(t=900.0, stage="20", canary=side(20_000), primary=side(80_000, 80))
    state, assessment = step(state, interval, DEFAULTS)

    assert assessment.verdict is Decision.PASS
    assert 0 < lse(state.evidence.not_worse.all)[0] - before <= math.log(20) / 4 + 1e-6


def test_a_week_of_silence_leaves_a_state_that_can_be_stored_and_judges_on() -> None:
    state, _ = judged(rows([((500, 0), (2000, 2))] * 20))
    week = rows([((500, 0), (2000, 2))], since=7 * 86400.0) + rows([((500, 90), (2000, 2))] * 6, since=7 * 86400.0 + 15)

    for interval in week:
        state, assessment = step(load(save(state)), interval, DEFAULTS)

    assert assessment.verdict is Decision.ABORT


@pytest.mark.parametrize(
    "row",
    [
        (0, 0, 0, 0),
        (0, 0, 5, 5),
        (5, 5, 0, 0),
        (1e9, 1e6, 1, 0),
        (1, 1, 1e9, 0),
        (1e6, 1e6, 1e6, 1e6),
    ],
    ids=["nothing", "primary alone", "canary alone", "all canary", "all primary", "all bad"],
)
def test_no_row_gives_anything_but_numbers(row: tuple[float, ...]) -> None:
    shares = np.array(CEILING_TIMES) * 0.05
    counts = np.array(row, float)
    worse = relative(counts, np.array(1.25), np.array(0.0002), LADDER)
    better = relative(counts, np.array(1.5), np.array(0.005), LOWER)

    assert all(np.isfinite(values).all() for values in (worse, better, absolute(row[0], row[1], 0.05, shares)))
    if row[0] == 0 or row[2] == 0:
        assert not worse.any()
        assert not better.any()
