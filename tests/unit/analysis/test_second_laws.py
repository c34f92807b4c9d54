"""What must hold of the second edition for any counts, and its promises on exact grids and by simulation."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.analysis.judge.evidence import relative
from bot.analysis.judge.second import noninferiority, row_evidence, sequential, stretch
from bot.analysis.judge.second.baseline import dispersion, usual
from bot.analysis.judge.second.compact import load, save
from bot.analysis.judge.second.constants import LADDER, LOWER
from bot.analysis.judge.second.mixture import fresh
from bot.analysis.judge.second.sequential import Outcome
from bot.analysis.judge.second.single import start, step
from bot.analysis.judge.second.stretch import Typical
from bot.analysis.judge.settings import Floats
from bot.model.figures import SideFigures
from tests.unit.analysis.second_rows import (
    DEFAULTS,
    HISTORY,
    SLOW,
    Counts,
    errors_only,
    interval,
    judged,
    outcomes,
    row_of,
    shared,
)

BURSTY = [shared(150, 15 if i % 16 == 0 else 0, SLOW if i % 20 == 3 else (0.7, 0.3, 0.02, 0.001)) for i in range(240)]
PASTS = st.sampled_from([HISTORY, BURSTY, []])
COUNT = st.integers(min_value=0, max_value=400)
COUNTS = st.tuples(COUNT, COUNT, COUNT, COUNT).map(lambda n: (n[0], min(n[1], n[0]), n[2], min(n[3], n[2])))
RUNS = st.lists(COUNTS, min_size=1, max_size=24)
RUNS_OF_TESTS = 400


# For any counts


@settings(max_examples=40, deadline=None)
@given(run=RUNS, past=PASTS, alone=st.booleans(), slow=st.integers(min_value=0, max_value=24))
def test_a_trace_that_went_through_json_between_any_two_rows_rules_alike(
    run: list[Counts],
    past: list[SideFigures],
    alone: bool,  # noqa: FBT001  # drawn
    slow: int,
) -> None:
    rows = [
        interval(n, counts, shares=SLOW if n > slow else (0.7, 0.3, 0.02, 0.001)) for n, counts in enumerate(run, 1)
    ]

    kept, one = judged(rows, past, alone=alone)
    stored, two = judged(rows, past, alone=alone, stored=True)

    for first, second in zip(one, two, strict=True):
        assert (first.outcome, first.by, first.log_e) == (second.outcome, second.by, second.log_e)
        assert (first.evidence, first.shield, first.shown) == (second.evidence, second.shield, second.shown)
    assert save(stored) == save(load(save(kept), DEFAULTS))


@settings(max_examples=40, deadline=None)
@given(run=RUNS, past=PASTS)
def test_evidence_never_rises_above_the_level_that_was_known_before(run: list[Counts], past: list[SideFigures]) -> None:
    trace = start(DEFAULTS, past)
    for number, counts in enumerate(run, 1):
        before = trace.state.evidence
        trace, ruling = step(trace, interval(number, counts), DEFAULTS, users=True)
        after = trace.state.evidence
        assert math.isfinite(ruling.log_e)
        assert (after.log_e <= after.most + 1e-6).all()
        joined = [math.log1p(-h) for h in (1 / 400, 0.25, 0.5)]
        spent = np.abs(after.reserve[..., None] - before.reserve[..., None] - joined).min(axis=-1)
        assert (spent <= 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(run=RUNS, past=PASTS)
def test_one_more_canary_error_never_lowers_evidence_or_shield_and_never_helps_a_pass(
    run: list[Counts], past: list[SideFigures]
) -> None:
    trace, _ = judged([interval(n, counts) for n, counts in enumerate(run[:-1], 1)], past)
    if trace.aborted_by:
        return
    n_c, b_c, n_p, b_p = run[-1]
    users = not trace.state.probation

    _, one = step(trace, interval(len(run), (n_c, b_c, n_p, b_p)), DEFAULTS, users=users)
    _, two = step(trace, interval(len(run), (n_c, min(b_c + 1, n_c), n_p, b_p)), DEFAULTS, users=users)

    alike = trace.base.bursty[0]  # where rows vote, one more event makes each count for less
    assert two.log_e >= one.log_e - 1e-6 or alike
    assert two.shield["errors"] >= one.shield["errors"] - 1e-6 or alike
    assert two.shown <= one.shown


@settings(max_examples=25, deadline=None)
@given(run=RUNS, past=PASTS)
def test_nobody_is_sent_home_who_is_alone_or_on_copies_and_nobody_twice_at_once(
    run: list[Counts], past: list[SideFigures]
) -> None:
    rows = [interval(n, counts) for n, counts in enumerate(run, 1)]

    assert Outcome.STEP_BACK not in outcomes(judged(rows, past, alone=True)[1])
    assert Outcome.STEP_BACK not in outcomes(judged(rows, past, users=False)[1])
    _, rulings = judged(rows, past)
    homes = [n for n, ruling in enumerate(rulings) if ruling.outcome is Outcome.STEP_BACK]
    for one, two in pairwise(homes):
        assert Outcome.GO_BACK in outcomes(rulings[one:two])


@settings(max_examples=40, deadline=None)
@given(run=st.lists(st.sampled_from([(0, 0, 900, 1), (300, 0, 0, 0), (0, 0, 0, 0)]), min_size=1, max_size=20))
def test_a_row_with_one_side_alone_moves_nothing_towards_an_abort_or_a_pass(run: list[Counts]) -> None:
    before, _ = judged([interval(n, (300, 1, 1200, 4)) for n in range(1, 6)])
    trace = before
    for number, counts in enumerate(run, 6):
        trace, ruling = step(trace, interval(number, counts), DEFAULTS, users=True)
        assert ruling.outcome is Outcome.WATCH
        assert ruling.log_e <= 0


def test_a_thousand_capped_rows_leave_finite_evidence_and_a_reserve_untouched_but_for_what_joined() -> None:
    fixed = errors_only(np.full(240, 150.0), np.tile([1.0, 2.0], 120))
    state = sequential.begin(fixed, DEFAULTS)
    for _ in range(1000):
        state, _ = sequential.step(state, row_of(np.array([300, 300, 1200, 0])), fixed, DEFAULTS)

    parts = (state.evidence, state.ceiling)
    assert all(np.isfinite(one).all() for part in parts for one in (part.active, part.reserve, part.log_e, part.most))
    expected = math.log(0.3) + math.log1p(-0.5) + 999 * math.log1p(-1 / 400)  # the second row entered a probation
    assert state.evidence.reserve == pytest.approx(expected, abs=1e-3)


def test_two_kinds_of_cap_in_one_rollout() -> None:
    """Alone or not may change: the cap rises by what holds now, and never more than by half of what is needed."""
    failing = [interval(n, (300, 90, 1200, 12)) for n in range(1, 9)]
    trace, levels = start(DEFAULTS, HISTORY), []
    for number, one in enumerate(failing):
        trace, _ = step(trace, one, DEFAULTS, users=False, alone=number == 1)
        levels.append(float(trace.state.evidence.log_e[0, 0]))

    needed = math.log(1 / 0.03)
    assert np.diff([0.0, *levels[:3]]) / needed == pytest.approx([0.5, 0.25, 0.1], abs=1e-3)


def test_a_million_errors_are_still_a_trace_that_can_be_stored() -> None:
    rows = [interval(n, (10**7, 10**6, 10**7, 0), shares=SLOW) for n in range(1, 9)]

    kept, one = judged(rows, alone=True)
    stored, two = judged(rows, alone=True, stored=True)

    assert outcomes(one) == outcomes(two)
    assert kept.aborted_by == stored.aborted_by == "errors"
    assert save(kept) == save(stored)


@pytest.mark.parametrize("past", [HISTORY, BURSTY, []], ids=["plain", "bursty", "none"])
def test_a_trace_stays_below_four_kilobytes(past: list[SideFigures]) -> None:
    rows = [interval(n, (1000 + n, n % 7, 4000 + n, n % 11), str(n // 30)) for n in range(1, 120)]

    assert len(save(judged(rows, past)[0])) < 4096


# What history fixes


def test_an_incident_within_the_history_leaves_what_is_usual_alone() -> None:
    requests, bad = np.full(240, 150.0), np.tile([1.0, 2.0], 120)
    incident = bad.copy()
    incident[100:140] = 60

    assert usual(requests, incident) == pytest.approx(max(usual(requests, bad), 0.0), rel=6)
    assert usual(requests, incident) <= (incident.sum() + 0.5) / (requests.sum() + 1) / 2 + 1e-12


def test_a_straight_tide_is_no_burst_and_bursts_are_not_taken_for_one() -> None:
    requests = np.full(240, 1000.0)
    rising = np.round(np.linspace(5, 25, 240))

    assert dispersion(requests, rising, (1, 2, 4, 8)) == 1
    assert dispersion(requests, np.where(np.arange(240) % 20 == 0, 100.0, 5.0), (1, 2, 4, 8)) > 10


def test_dispersion_of_many_rollouts_is_that_of_each() -> None:
    rng = np.random.default_rng(3)
    requests, bad = np.full((4, 240), 150.0), rng.poisson(rng.gamma(0.5, 4, (4, 240))).astype(float)

    together = dispersion(requests, bad, (1, 2, 4))

    assert together.tolist() == [float(dispersion(requests[n], bad[n], (1, 2, 4))) for n in range(4)]


# One row, exactly


def binomial(n: int, p: float) -> Floats:
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def every_row(n_c: int, n_p: int) -> Floats:
    """All counts of so many requests: (canary's bad, primary's bad, column)."""
    return np.array([[(n_c, one, n_p, two) for two in range(n_p + 1)] for one in range(n_c + 1)], float)


SPLITS = [(12, 30), (20, 20), (30, 8)]


@pytest.mark.parametrize(("n_c", "n_p"), SPLITS)
@pytest.mark.parametrize("p_p", [0.0, 0.01, 0.1, 0.4])
def test_no_row_wins_on_average_against_a_canary_exactly_at_the_limit(n_c: int, n_p: int, p_p: float) -> None:
    """Worse, its votes, and against the usual share where that is the true one: for every alternative."""
    fixed = errors_only(np.full(240, 1e6), np.full(240, p_p * 1e6 + 1e-9))
    rows, p_c = every_row(n_c, n_p)[..., None, :], 1.25 * p_p + 0.0002
    chance = np.outer(binomial(n_c, p_c), binomial(n_p, p_p))
    lately = np.full_like(rows, 1e9)

    worse, _ = row_evidence.both_ways(rows, fixed.limits, np.zeros(rows.shape[:2], bool))
    gains = row_evidence.gains(rows, worse, lately, fixed.base, fixed.limits, votes=True)

    won = (chance[..., None, None, None] * np.exp(gains)).sum(axis=(0, 1))
    assert (won <= 1 + 1e-6).all()


@pytest.mark.parametrize(("copied", "others"), [*product([8, 20], [0.0, 0.3])])
def test_copies_of_some_requests_win_nothing_on_average_whatever_the_others_do(copied: int, others: float) -> None:
    """T8: all the primary's bad requests count, among no more of its requests than were copied."""
    fixed, p_p, more = errors_only(), 0.1, 10
    p_c = 1.25 * p_p + 0.0002
    rows = every_row(copied, copied + more)[..., None, :]
    primary = np.convolve(binomial(copied, p_p), binomial(more, others))
    chance = np.outer(binomial(copied, p_c), primary)

    worse, _ = row_evidence.both_ways(rows, fixed.limits, np.ones(rows.shape[:2], bool))
    gains = row_evidence.gains(rows, worse, rows, fixed.base, fixed.limits, votes=False)

    assert ((chance[..., None, None] * np.exp(gains[..., 0, :, :])).sum(axis=(0, 1)) <= 1 + 1e-9).all()


@pytest.mark.parametrize(("n_c", "n_p"), SPLITS)
@pytest.mark.parametrize("p_p", [0.001, 0.05, 0.3])
def test_no_row_wins_on_average_for_a_canary_exactly_at_the_margin(n_c: int, n_p: int, p_p: float) -> None:
    """T6: every component of a pass, those against the usual share where that is the true one."""
    fixed = errors_only(np.full(240, 1e6), np.full(240, p_p * 1e6))
    rows, p_c = every_row(n_c, n_p)[..., None, :], min(1.5 * p_p + 0.005 + 1e-6, 1.0)
    chance = np.outer(binomial(n_c, p_c), binomial(n_p, p_p))

    _, better = row_evidence.both_ways(rows, fixed.limits, np.zeros(rows.shape[:2], bool))
    so_far = np.array([[5e5, 1e3]])
    gains = noninferiority.gains(rows, better, so_far, fixed.base, fixed.limits, fixed.absolute, 1.0)

    assert ((chance[..., None, None] * np.exp(gains)).sum(axis=(0, 1)) <= 1 + 1e-9).all()


def test_typical_latency_wins_nothing_on_average_at_what_is_allowed() -> None:
    """T1: scores of three buckets, the canary's mean exactly the primary's and what is allowed."""
    scores, allowed = np.array([0.0, 0.4, 1.0]), 0.05
    theirs = np.array([0.5, 0.3, 0.2])
    ours = theirs + allowed * np.array([-1.0, 0.0, 1.0])
    base = Typical(
        scores=scores,
        allowed=np.asarray(allowed),
        shifts=np.array([0.02, 0.05, 0.1, 0.2]),
        mean=scores @ theirs,
        variance=np.asarray(0.15),
        phi=np.asarray(1.0),
        used=np.asarray(True),
    )
    n_c, n_p = 5, 7
    counts_c, counts_p = (
        np.array([(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)], float) for n in (n_c, n_p)
    )

    def chance(counts: Floats, shares: Floats) -> Floats:
        ways = [math.factorial(int(row.sum())) / math.prod(math.factorial(int(k)) for k in row) for row in counts]
        return np.asarray(np.array(ways) * (shares**counts).prod(axis=-1))

    expected = np.zeros(4)
    for one, here in zip(counts_c, chance(counts_c, ours), strict=True):
        gains = stretch.gains(np.broadcast_to(one, counts_p.shape), counts_p, np.asarray(0.3), base)
        expected += here * (chance(counts_p, theirs)[:, None] * np.exp(gains)).sum(axis=0)

    assert (expected <= 1 + 1e-12).all()


def test_the_level_cap_only_ever_lowers_capital() -> None:
    rng = np.random.default_rng(5)
    free = capped = fresh((200, 5), 0.7, np.asarray(1.7))
    for _ in range(60):
        gains = rng.normal(0, 2, (200, 5))
        free = free.step(gains, np.asarray(1 / 400), np.asarray(1e9), np.asarray(1e9))
        capped = capped.step(gains, np.asarray(1 / 400), np.asarray(1.7), np.asarray(0.35))
        assert (capped.log_e <= free.log_e + 1e-5).all()
        assert (capped.reserve == free.reserve).all()


# The promises, by simulation with fixed seeds


def simulated(p_c: float, p_p: float, rows: int, seed: int) -> Floats:
    """Counts of many rollouts at 10 requests a second, 20 % of them the canary's: (row, rollout, column)."""
    rng = np.random.default_rng(seed)
    n_c, n_p = rng.poisson(30, (rows, RUNS_OF_TESTS)), rng.poisson(120, (rows, RUNS_OF_TESTS))
    return np.stack([n_c, rng.binomial(n_c, p_c), n_p, rng.binomial(n_p, p_p)], axis=-1).astype(float)


def ever(counts: Floats, outcome: Outcome, p_p: float) -> float:
    """The share of rollouts in which this ever followed."""
    rng = np.random.default_rng(99)
    past = np.full((RUNS_OF_TESTS, 240), 150.0)
    fixed = errors_only(past, rng.binomial(150, p_p, past.shape).astype(float), (RUNS_OF_TESTS,))
    state, found = sequential.begin(fixed, DEFAULTS), np.zeros(RUNS_OF_TESTS, bool)
    for row in counts:
        state, answer = sequential.step(state, row_of(row), fixed, DEFAULTS)
        found |= answer.outcome == outcome
    return float(found.mean())


@pytest.mark.parametrize("p_p", [0.001, 0.02])
def test_a_canary_exactly_at_the_limit_is_hardly_ever_aborted(p_p: float) -> None:
    """T3, with step backs and returns as they come."""
    counts = simulated(1.25 * p_p + 0.0002, p_p, 160, seed=11)

    assert ever(counts, Outcome.ABORT, p_p) <= DEFAULTS.alpha


@pytest.mark.parametrize("p_p", [0.001, 0.02])
def test_a_canary_exactly_at_the_margin_hardly_ever_passes(p_p: float) -> None:
    """T6."""
    counts = simulated(1.5 * p_p + 0.005, p_p, 160, seed=12)

    assert ever(counts, Outcome.PASS, p_p) <= DEFAULTS.alpha_pass + 2 * math.sqrt(0.05 * 0.95 / RUNS_OF_TESTS)


def test_every_alternative_is_on_the_right_side_of_what_is_allowed() -> None:
    assert (LADDER > 1).all()
    assert (LOWER < 1).all()
    assert (relative(np.array([30.0, 0, 120, 3]), np.array(1.25), np.array(0.0002), LADDER) < 0).all()
