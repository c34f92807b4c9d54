"""A mirror of some methods: copies of GET against all requests of the primary, of which nobody knows the others.

Against the canary no more of the primary's requests count than can be the copies' originals; all that is bad of any of
them counts for it (JUDGE2, T8). What must hold holds whatever the others are like.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.analysis.gates.all_gates import check_gates
from bot.analysis.judge.evidence import originals, relative
from bot.analysis.judge.forecast import forecast
from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.processes import Worse
from bot.analysis.judge.settings import LADDER
from bot.analysis.judge.verdict import Assessment, Decision, Overdue
from bot.model.figures import SideFigures, Verdict
from bot.model.rollout import Target
from bot.model.service import GateAction, HardLimit, Measure
from tests.builders import a_side_of, a_target, changed, figures
from tests.unit.analysis import test_analysis
from tests.unit.analysis.rows import DEFAULTS, judged, side, verdicts

RUNS, ROWS = 400, 480


def copied(n: int, copies: SideFigures | None, primary: SideFigures | None, *, limited: bool = True) -> Interval:
    """The ``n``-th row, counted from 1."""
    return Interval(t=15.0 * n, stage="mirror", canary=copies, primary=primary, limited=limited)


def mirrored(copies: SideFigures, primary: SideFigures, rows: int, *, limited: bool = True) -> list[Assessment]:
    intervals = [copied(n, copies, primary, limited=limited) for n in range(1, rows + 1)]
    return judged(intervals, [side(1500, 10)] * 240)[1]


@pytest.mark.parametrize("share_copied", [0.7, 0.1], ids=["30 % others", "90 % others"])
@pytest.mark.parametrize("others", [0.0, 0.02, 0.5], ids=["never fail", "fail as often", "fail often"])
def test_a_canary_at_its_tolerance_of_the_copied_ones_is_rarely_called_worse_whatever_the_others_do(
    share_copied: float, others: float
) -> None:
    rng, theta, slack, share = np.random.default_rng([8, round(100 * others)]), 1.25, 0.0002, 0.02
    worse, highest = Worse.fresh((RUNS, len(LADDER)), 0.8), np.zeros(RUNS)
    for _ in range(ROWS):
        n, more = rng.poisson(200, RUNS), rng.poisson(200 * (1 / share_copied - 1), RUNS)
        b_p = rng.binomial(n, share) + rng.binomial(more, others)
        row = np.stack([n, rng.binomial(n, theta * share + slack), n + more, b_p], axis=-1).astype(float)
        worse = worse.step(relative(originals(row), np.array(theta), np.array(slack), LADDER), 1 / 200, np.array(1e9))
        highest = np.maximum(highest, worse.log_e)

    for alpha in (0.5, 0.2, 0.05):
        above = float((highest >= math.log(1 / alpha)).mean())
        assert above <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / RUNS)


def test_a_healthy_canary_beside_posts_that_never_fail_is_not_aborted_and_looks_no_worse() -> None:
    # 100 requests a second, 30 % of them POST; 1 % of the others fail, on both sides alike.
    answers = mirrored(side(1050, 10.5), side(1500, 10.5), rows=120)
    as_before = mirrored(side(1050, 10.5), side(1500, 10.5), rows=120, limited=False)

    assert Decision.ABORT not in verdicts(answers)
    assert answers[-1].log_e < 0
    assert answers[-1].metrics["errors"].ratio.best == pytest.approx(1.0, rel=0.1)
    assert as_before[-1].metrics["errors"].ratio.best > 1.25


def test_five_times_the_errors_of_the_copied_ones_are_still_found() -> None:
    assert verdicts(mirrored(side(1050, 52), side(1500, 10), rows=7))[-1] is Decision.ABORT


def test_when_its_time_is_up_it_is_not_suspected_for_methods_that_it_does_not_get() -> None:
    def last(*, limited: bool) -> Assessment:
        rows = [copied(n, side(210, 3), side(300, 3), limited=limited) for n in range(1, 11)]
        return judged(rows, [side(300, 3)] * 240, deadline=-math.inf)[1][-1]

    assert last(limited=True).overdue is Overdue.NOT_PROVEN
    assert last(limited=False).overdue is Overdue.SUSPECT


def test_an_incident_of_both_is_no_fault_of_the_canarys_however_many_others_there_are() -> None:
    # A tenth is copied, and 15 % of that fails on both sides: of all the primary's requests 1.5 %.
    rows = [copied(n, side(150, 23), side(1500, 23)) for n in range(1, 21)]

    assert Decision.ABORT not in verdicts(judged(rows, [side(1500, 2)] * 240)[1])


def test_a_pass_takes_the_others_for_alike() -> None:
    limited = mirrored(side(1050, 1), side(1500, 1), rows=20)
    whole = mirrored(side(1050, 1), side(1500, 1), rows=20, limited=False)

    assert [one.metrics["errors"].not_worse for one in limited] == [one.metrics["errors"].not_worse for one in whole]


def test_what_waits_for_the_others_scrape_when_the_mirror_ends_is_still_of_the_mirror() -> None:
    history = [side(1500, 10)] * 240
    begun = judged([copied(n, side(1050, 10), side(1500, 10)) for n in range(1, 5)], history)[0]
    waiting, _ = step(begun, copied(5, side(1050, 10), None), DEFAULTS)

    mixed, _ = step(waiting, Interval(t=90.0, stage="20", canary=None, primary=side(1500, 10)), DEFAULTS)
    row = Interval(t=105.0, stage="20", canary=side(300, 3), primary=side(1200, 12))
    both, _ = step(mixed, row, DEFAULTS)
    after, _ = step(both, replace(row, t=120.0), DEFAULTS)

    assert [one.course.limited for one in (waiting, mixed, both, after)] == [True, True, True, False]


COUNT = st.integers(0, 5000)


@settings(max_examples=60, deadline=None)
@given(n_c=COUNT, b_c=COUNT, n_p=COUNT, b_p=COUNT)
def test_requests_that_cannot_have_been_copied_never_speak_against_the_canary(
    n_c: int, b_c: int, n_p: int, b_p: int
) -> None:
    row = np.array([[n_c, min(b_c, n_c), n_p, min(b_p, n_p)]], float)
    theta, slack = np.array(1.25), np.array(0.0002)

    fair, plain = (relative(one, theta, slack, LADDER) for one in (originals(row), row))

    assert np.isfinite(fair).all()
    assert (fair <= np.maximum(plain, 0.0) + 1e-9).all() or n_c >= n_p  # fewer of them prove less of either
    if n_c >= n_p:
        assert (fair == plain).all()


def test_the_forecast_reckons_with_what_can_be_compared() -> None:
    def notice(*, limited: bool) -> float:
        begun = start(DEFAULTS, [side(1500, 10)] * 240)
        for n in range(1, 8):  # beyond the minute in which latency does not count
            begun, _ = step(begun, copied(n, side(105, 0.7), side(150, 1), limited=limited), DEFAULTS)
        found = forecast(begun, DEFAULTS, 7.0, 10.0).notice
        assert found is not None
        return found

    assert notice(limited=True) > notice(limited=False)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (a_target(mirror_methods=("GET", "HEAD")), False),
        (a_target(route_names=("by name",)), False),
        (a_target(mirror_methods=None), True),
    ],
    ids=["some methods", "some routes", "everything"],
)
def test_a_live_rollout_is_judged_by_what_its_mirror_copies(target: Target, wanted: bool) -> None:  # noqa: FBT001
    """1 % of the copied requests fail on both sides; the primary answers others besides, which never do."""
    rollout = changed(test_analysis.at("mirror"), target=target)

    found, _ = test_analysis.judged(rollout, a_side_of(1050, 15), a_side_of(4000, 15), rows=120)

    assert found.judgement is not None
    assert (found.judgement.verdict is Verdict.FAIL) is wanted


@pytest.mark.parametrize(("methods", "verdict"), [(("GET", "HEAD"), Verdict.PASS), (None, Verdict.FAIL)])
def test_a_limit_beside_the_other_side_is_about_the_requests_that_can_have_been_copied(
    methods: tuple[str, ...] | None, verdict: Verdict
) -> None:
    limit = HardLimit(name="x", of=Measure.ERRORS, relative=1.2, action=GateAction.ABORT)
    rollout = test_analysis.at("mirror", limits=(limit,))
    rollout = changed(rollout, target=a_target(mirror_methods=methods))
    seen = figures(a_side_of(4000, 20, first=0.0, last=60.0), a_side_of(1000, 20, first=0.0, last=60.0))

    found, _ = check_gates(rollout, seen, [seen], {})

    assert next(one.verdict for one in found if one.gate == "x") is verdict
