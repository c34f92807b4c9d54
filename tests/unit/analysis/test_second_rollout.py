"""Rollouts under the second edition, told row by row: users go home, copies are judged, users go back or are asked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bot.analysis.judge.judge import Interval
from bot.analysis.judge.second.compact import load, save
from bot.analysis.judge.second.constants import LEAST_ROWS, MOST_ROWS
from bot.analysis.judge.second.sequential import Outcome
from bot.analysis.judge.second.single import Ruling, Trace, returned, start, step
from bot.model.figures import SideFigures
from tests.unit.analysis.second_rows import DEFAULTS, HISTORY, SLOW, Counts, interval, judged, outcomes, shared

WELL, BAD = (60, 0, 240, 2), (60, 20, 240, 2)
COPIES, BAD_COPIES = (300, 2, 300, 3), (300, 90, 300, 3)
WATCH, HOME = Outcome.WATCH, Outcome.STEP_BACK


def rule(
    trace: Trace, number: int, counts: Counts, *, users: bool = True, limited: bool = False
) -> tuple[Trace, Ruling]:
    """One row more, through JSON."""
    one = replace(interval(number, counts), limited=limited)
    trace, ruling = step(load(save(trace), DEFAULTS), one, DEFAULTS, users=users)
    return trace, ruling


def sent_home(*, returns: int = 0) -> tuple[Trace, int]:
    """A rollout whose users have just been sent home, for the first time or after so many returns; and its last row."""
    trace, number, times = start(DEFAULTS, HISTORY), 0, 0
    while times <= returns:
        trace, ruling = rule(trace, number := number + 1, BAD)
        if ruling.outcome is HOME:
            times += 1
            while times <= returns and ruling.outcome is not Outcome.GO_BACK:
                trace, ruling = rule(trace, number := number + 1, COPIES, users=False)
    return trace, number


def on_copies(trace: Trace, number: int, counts: Counts, rows: int, *, limited: bool = False) -> list[Outcome]:
    """What follows on copies, up to the end of the probation."""
    found = []
    for _ in range(rows):
        trace, ruling = rule(trace, number := number + 1, counts, users=False, limited=limited)
        found.append(ruling.outcome)
        if ruling.outcome is not WATCH:
            break
    return found


def test_a_total_failure_sends_users_home_after_two_rows_and_is_aborted_on_copies() -> None:
    trace, rulings = judged([interval(n, BAD if n < 3 else BAD_COPIES) for n in range(1, 9)])

    assert outcomes(rulings)[:2] == [WATCH, HOME]
    assert outcomes(rulings).index(Outcome.ABORT) in {4, 5}
    assert trace.aborted_by == "errors"


def test_a_blip_costs_users_two_rows_and_the_canary_nothing() -> None:
    trace, number = sent_home()
    ended = on_copies(trace, number, COPIES, MOST_ROWS)

    assert ended[-1] is Outcome.GO_BACK
    assert LEAST_ROWS < len(ended) <= 20


def test_nobody_goes_back_before_the_least_time_however_good_the_copies_are() -> None:
    trace, number = sent_home()
    ended = on_copies(trace, number, (20_000, 0, 20_000, 200), MOST_ROWS)

    assert ended == [WATCH] * LEAST_ROWS + [Outcome.GO_BACK]  # rows of a probation count from nought


def test_a_blip_that_lasts_into_the_probation_is_held_against_nobody_twice() -> None:
    trace, number = sent_home()
    trace, _ = rule(trace, number + 1, (300, 60, 300, 3), users=False)
    ended = on_copies(trace, number + 1, COPIES, MOST_ROWS)

    assert ended[-1] is Outcome.GO_BACK
    assert len(ended) <= 40


def test_the_second_time_people_are_asked_and_may_send_users_back() -> None:
    trace, number = sent_home(returns=1)
    ended = on_copies(trace, number, COPIES, MOST_ROWS)

    assert ended[-1] is Outcome.ASK
    back = returned(trace, DEFAULTS)
    assert not back.state.probation
    assert not back.state.shield.sums.any()
    assert back.state.totals.sum() == 0


def test_a_mirror_of_some_methods_never_sends_anybody_back_by_itself() -> None:
    trace, number = sent_home()

    assert on_copies(trace, number, COPIES, MOST_ROWS, limited=True)[-1] is Outcome.ASK


def test_after_long_enough_people_are_asked_though_nothing_is_shown() -> None:
    trace, number = sent_home()
    ended = on_copies(trace, number, (2, 0, 2, 0), MOST_ROWS + 1)

    assert ended == [WATCH] * MOST_ROWS + [Outcome.ASK]


def test_two_bad_requests_send_nobody_home() -> None:
    _, two = judged([interval(n, (3, 1, 3000, 0)) for n in (1, 2)])
    _, three = judged([interval(n, (3, 2, 3000, 0)) for n in (1, 2)])

    assert two[-1].shield["errors"] >= math.log(20) - 1e-6
    assert (two[-1].outcome, three[-1].outcome) == (WATCH, HOME)


def test_an_abort_wins_over_a_step_back_in_the_same_row() -> None:
    trace, _ = judged([interval(n, BAD_COPIES) for n in range(1, 5)], users=False)

    _, ruling = step(trace, interval(5, BAD), DEFAULTS, users=True)

    assert ruling.shield["errors"] >= math.log(20)
    assert ruling.outcome is Outcome.ABORT


def test_an_abort_is_final() -> None:
    trace, _ = judged([interval(n, BAD_COPIES) for n in range(1, 8)], users=False)

    after, ruling = step(trace, interval(9, WELL), DEFAULTS, users=True)

    assert (ruling.outcome, ruling.by) == (Outcome.ABORT, "errors")
    assert after is trace


def test_a_row_that_was_counted_counts_once() -> None:
    trace, _ = judged([interval(n, WELL) for n in range(1, 4)])

    assert step(trace, interval(3, BAD), DEFAULTS, users=True)[0] is trace


def test_a_stage_that_begins_with_the_row_that_sends_users_home_counts_anew() -> None:
    rows = [interval(n, WELL) for n in range(1, 30)]
    trace, _ = judged(rows)
    for n in (30, 31):
        trace, ruling = step(trace, interval(n, BAD, "40" if n == 31 else "20"), DEFAULTS, users=True)

    assert ruling.outcome is HOME
    assert trace.stage == "40"
    assert trace.state.totals.sum() == 0
    assert float(trace.state.stage_clock) == 0


def test_a_scrape_that_one_side_missed_waits_for_the_other() -> None:
    whole = [interval(1, (120, 40, 480, 4))]
    first = replace(interval(1, (60, 20, 240, 2)), primary=None)
    second = replace(interval(2, (60, 20, 480, 4)), since=15.0)

    trace, rulings = judged([first, second])
    one, _ = judged(whole)

    assert rulings[0].outcome is WATCH
    assert trace.state.totals[0].tolist() == one.state.totals[0].tolist() == [120, 40, 480, 4]
    assert float(trace.state.clock) == 30


def test_without_a_history_there_is_no_second_condition_and_no_claim_about_the_past() -> None:
    trace, rulings = judged([interval(n, (300, 2, 1200, 9)) for n in range(1, 80)], ())

    assert [metric.name for metric in trace.metrics] == ["errors"]
    assert (trace.state.evidence.log_e[0] == trace.state.evidence.log_e[1]).all()
    assert (trace.state.proof.all[..., 4:] < -1e5).all()
    assert Outcome.PASS in outcomes(rulings)


def test_a_canary_without_a_bound_is_blind_there_and_judged_by_the_rest() -> None:
    fast = SideFigures(requests=300, errors=0, buckets={math.inf: 300})
    rows = [replace(interval(n, (300, 0, 1200, 9)), canary=fast) for n in range(1, 20)]

    trace, rulings = judged(rows)

    assert rulings[-1].outcome is Outcome.PASS
    assert trace.state.totals[1:].sum() == 0
    assert float(trace.state.slower.log_e) == 0


def test_a_histogram_in_one_bucket_says_nothing_of_typical_latency() -> None:
    past = [SideFigures(requests=150, errors=1, buckets={100.0: 150, 250.0: 150, math.inf: 150})] * 240

    trace = start(DEFAULTS, past)

    assert trace.typical is None
    assert trace.buckets == ()


def test_a_slower_canary_is_said_to_be_so_never_aborted_and_never_passed() -> None:
    slower = (0.86, 0.45, 0.033, 0.001)
    trace, rulings = judged([interval(n, (300, 2, 1200, 12), shares=slower) for n in range(1, 60)])

    assert rulings[-1].slower
    assert Outcome.ABORT not in outcomes(rulings)
    assert Outcome.PASS not in outcomes(rulings[20:])
    assert float(trace.state.slower.log_e) > 0


def test_no_copies_at_all_say_nothing() -> None:
    _, rulings = judged([replace(interval(n, (0, 0, 1200, 90)), limited=True) for n in range(1, 30)], users=False)

    assert {*outcomes(rulings)} == {WATCH}


def test_while_the_primary_fails_nobody_passes_and_nobody_goes_back() -> None:
    trace, number = sent_home()
    ended = on_copies(trace, number, (300, 60, 300, 60), LEAST_ROWS + 12)

    assert Outcome.GO_BACK not in ended


@pytest.mark.parametrize("ceiling", [0.05, 0.9])
def test_above_the_ceiling_a_canary_is_aborted_though_it_is_within_what_the_primary_allows(ceiling: float) -> None:
    settings = replace(DEFAULTS, ceiling=ceiling)
    rows = [interval(n, (300, 30, 10, 1)) for n in range(1, 40)]

    trace, _ = judged(rows, (), settings=settings)

    assert trace.aborted_by == ("ceiling" if ceiling < 0.1 else "")


def test_a_limited_mirror_counts_no_more_requests_of_the_primary_than_were_copied() -> None:
    """30 % of the requests are not copied and never fail: a healthy canary must not look worse for them."""
    rows = [replace(interval(n, (1050, 11, 1500, 11)), limited=True) for n in range(1, 121)]

    _, limited = judged(rows, users=False)
    _, whole = judged([replace(one, limited=False) for one in rows], users=False)

    assert limited[-1].log_e < whole[-1].log_e
    assert np.isfinite(limited[-1].log_e)


def test_slow_requests_of_the_first_minute_are_cold_caches() -> None:
    rows = [Interval(t=15.0 * n, stage="20", canary=shared(300, 0, SLOW), primary=shared(1200, 9)) for n in range(1, 5)]

    trace, _ = judged(rows)

    assert trace.state.totals[1:].sum() == 0
    assert trace.state.totals[0].sum() > 0


@pytest.mark.parametrize("requests", [100.0, 3e7, 99_999_999.0, 1e8, 3.7e11, 1e14])
def test_counts_of_any_size_are_stored_as_they_are(requests: float) -> None:
    rows = [interval(number, (requests, 1, 4 * requests, 7)) for number in range(1, 9)]

    kept, rulings = judged(rows)
    stored, again = judged(rows, stored=True)

    assert save(stored) == save(kept)
    assert stored.state.so_far[0, 0] == 32 * requests
    assert [one.log_e for one in again] == [one.log_e for one in rulings]
