"""The verdict over whole runs of intervals, as stories."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import count

import pytest

from bot.analysis.judge.judge import Interval
from bot.analysis.judge.saved import save
from bot.analysis.judge.verdict import Decision, Failing, Overdue
from bot.analysis.judge.wording import text
from bot.model.figures import SideFigures
from bot.words.rendering import plain
from tests.unit.analysis.rows import BURSTY, DEFAULTS, HISTORY, Counts, judged, rows, side, verdicts


def test_total_failure_aborts_after_exactly_three_rows() -> None:
    state, answers = judged(rows([((300, 90), (1200, 2))] * 4), HISTORY)

    assert verdicts(answers) == [Decision.WATCH, Decision.WATCH, Decision.ABORT, Decision.ABORT]
    assert state.aborted_by == "errors"


def test_patience_is_how_many_rows_must_agree() -> None:
    _, answers = judged(rows([((300, 90), (1200, 2))] * 6), HISTORY, replace(DEFAULTS, patience=6))

    assert verdicts(answers).index(Decision.ABORT) == 5


def test_an_abort_is_final() -> None:
    _, answers = judged(rows([((300, 90), (1200, 2))] * 3 + [((300, 0), (1200, 2))] * 40), HISTORY)

    assert set(verdicts(answers[2:])) == {Decision.ABORT}


def test_a_canary_like_its_primary_passes_on_evidence() -> None:
    _, answers = judged(rows([((500, 0), (2000, 2))] * 40), HISTORY)

    assert Decision.ABORT not in verdicts(answers)
    assert verdicts(answers).index(Decision.PASS) >= 3


def test_a_fault_of_the_last_stage_is_found_in_spite_of_long_good_stages() -> None:
    good = rows([((1200, 1), (1200, 1))] * 40, "mirror") + rows([((300, 0), (1200, 2))] * 40, "20", 600)

    _, answers = judged(good + rows([((750, 75), (750, 1))] * 6, "50", 1200), HISTORY)

    assert verdicts(answers[80:]).index(Decision.ABORT) <= 4


@pytest.mark.parametrize("blip", [(300, 90), (300, 300)], ids=["30 %", "all"])
@pytest.mark.parametrize("good", [6, 40])
def test_a_canary_that_fails_again_after_a_forgiven_blip_is_aborted(blip: tuple[float, float], good: int) -> None:
    usual = ((300, 3), (300, 3))  # errors in every row: each of them is a bet that the blip was no fault
    before = rows([usual] * 2 + [(blip, (300, 3))] + [usual] * good, "mirror")

    state, answers = judged([*before, *rows([((300, 150), (300, 3))] * 6, "40", before[-1].t)])

    assert verdicts(answers[: len(before)]).count(Decision.ABORT) == 0
    assert verdicts(answers[len(before) :]).index(Decision.ABORT) <= 4
    assert state.aborted_by == "ceiling"
    assert "More than 5 % are never allowed" in plain(text(state, answers[-1], DEFAULTS))


def test_both_failing_is_held_and_nobody_is_blamed() -> None:
    state, answers = judged(rows([((300, 1), (1200, 3))] * 8 + [((300, 60), (1200, 240))] * 20), HISTORY)

    assert Decision.ABORT not in verdicts(answers)
    assert (answers[-1].verdict, answers[-1].failing) == (Decision.HOLD, Failing.SHARED)
    assert plain(text(state, answers[-1], DEFAULTS)).startswith("Both versions are failing")


def test_a_primary_that_fails_alone_is_said_and_nobody_is_promoted() -> None:
    state, answers = judged(rows([((500, 0), (2000, 2))] * 30 + [((500, 0), (2000, 400))] * 6), HISTORY)

    assert verdicts(answers[-6:]) == [Decision.WATCH] * 6
    assert answers[-1].failing is Failing.PRIMARY
    assert "going back moves users to the worse side" in plain(text(state, answers[-1], DEFAULTS))


def test_no_fresh_figures_for_two_minutes_is_said() -> None:
    state, answers = judged(rows([((500, 0), (2000, 2))] * 40 + [(None, None)] * 9), HISTORY)

    assert answers[-1].verdict is Decision.NO_DATA
    assert plain(text(state, answers[-1], DEFAULTS)).startswith("No fresh metrics for 2 minutes.")


def test_the_same_evidence_goes_on_after_an_outage_of_ten_minutes() -> None:
    before, after = rows([((300, 90), (1200, 2))] * 2), rows([((300, 90), (1200, 2))], since=630)

    _, answers = judged(before + rows([(None, None)] * 38, since=30) + after, HISTORY)

    assert verdicts(answers)[-2:] == [Decision.NO_DATA, Decision.ABORT]


def test_a_missing_scrape_is_no_zero_and_a_row_covers_the_same_time_on_both_sides() -> None:
    lost = [((300, 3), (1200, 12)), (None, (1200, 12)), ((600, 6), (1200, 12))] * 8
    whole = [((300, 3), (1200, 12)), ((600, 6), (2400, 24))] * 8
    state, answers = judged(rows(lost), HISTORY)
    other, _ = judged(rows(whole), HISTORY)

    assert Decision.ABORT not in verdicts(answers)
    assert (state.evidence.totals[0] == other.evidence.totals[0]).all()


def test_a_canary_that_was_scaled_to_nothing_does_not_pass() -> None:
    _, answers = judged(rows([((500, 0), (2000, 2))] * 3 + [((0, 0), (2500, 2))] * 20), HISTORY)

    assert set(verdicts(answers)) == {Decision.WATCH}


def test_a_slow_canary_is_aborted_by_latency_after_the_first_minute() -> None:
    slow = [Interval(t=15.0 * n, stage="20", canary=side(300, 0, 150), primary=side(1200, 0, 2)) for n in range(1, 12)]

    for history in (HISTORY, []):  # bounds from the primary's past, and from its first minute
        state, answers = judged(slow, history)
        assert state.aborted_by.startswith("slow")
        assert verdicts(answers).index(Decision.ABORT) == 6


def test_without_latency_its_weight_goes_to_the_other_metrics() -> None:
    def plain(requests: float, errors: float) -> SideFigures:
        return SideFigures(requests=requests, errors=errors)

    state, answer = judged(
        [Interval(t=15.0, stage="20", canary=plain(300, 90), primary=plain(1200, 2))], [plain(1200, 2)] * 64
    )

    assert [metric.name for metric in state.metrics] == ["errors"]
    assert answer[-1].metrics["errors"].worse == pytest.approx(math.log(1 / (0.05 * 0.6 / 0.7)) / 3)


def test_other_buckets_on_the_canary_are_said_and_do_not_keep_it_from_passing() -> None:
    def other(requests: float) -> SideFigures:
        return SideFigures(requests=requests, errors=0, buckets={300.0: requests, math.inf: requests})

    run = [Interval(t=15.0 * n, stage="20", canary=other(500), primary=side(2000, 2)) for n in range(1, 41)]
    state, answers = judged(run, HISTORY)

    assert Decision.PASS in verdicts(answers)
    assert "Answers over 250 ms and 500 ms are not judged" in plain(text(state, answers[-1], DEFAULTS))


def test_bursts_in_the_primarys_past_make_the_judge_more_patient() -> None:
    burst = rows([((300, 25), (1200, 2))] * 3)

    assert judged(burst, HISTORY)[1][-1].verdict is Decision.ABORT
    assert judged(burst, BURSTY)[1][-1].verdict is not Decision.ABORT


def test_a_steady_fault_is_found_even_where_bursts_are_usual() -> None:
    state, answers = judged(rows([((300, 6), (1200, 1))] * 20), BURSTY)

    assert state.metrics[0].bursty
    assert Decision.ABORT in verdicts(answers)


@pytest.mark.parametrize(
    ("row", "overdue", "verdict"),
    [
        (((20, 0), (80, 0)), Overdue.NOT_PROVEN, Decision.WATCH),
        (((20, 1), (80, 2)), Overdue.SUSPECT, Decision.HOLD),
    ],
    ids=["little traffic", "looks worse"],
)
def test_a_timeout_is_never_called_a_pass(row: tuple[Counts, Counts], overdue: Overdue, verdict: Decision) -> None:
    state, answers = judged(rows([row] * 8), HISTORY, deadline=120)

    assert answers[-2].overdue is None
    assert (answers[-1].overdue, answers[-1].verdict) == (overdue, verdict)
    assert "passed" not in plain(text(state, answers[-1], DEFAULTS)).lower()


def test_an_interval_that_arrives_twice_counts_once() -> None:
    once = rows([((300, 3), (1200, 4))] * 10)
    twice = [interval for interval in once for _ in range(2)]

    assert save(judged(once)[0]) == save(judged(twice)[0])


def test_a_step_is_cheap_and_the_thousandth_costs_what_the_hundredth_does() -> None:
    def calls(intervals: int) -> int:
        run, made = rows([((300, number % 3), (1200, 4)) for number in range(intervals)]), count()
        sys.setprofile(lambda _frame, event, _argument: next(made) if event in {"call", "c_call"} else None)
        try:
            judged(run, BURSTY)
        finally:
            sys.setprofile(None)
        return next(made)

    hundred, later = calls(100) / 100, (calls(1000) - calls(900)) / 100
    assert hundred < 1000
    assert later < 1.2 * hundred
