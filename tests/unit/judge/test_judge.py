"""The verdict over whole runs of intervals: tables of stories, and what must hold for any counts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.rollout.errors import Refusal
from bot.rollout.judge.judge import Interval, JudgeState, Verdict, log_e, start, step
from bot.rollout.judge.replay import DEFAULTS, replay
from bot.rollout.judge.settings import JudgeSettings
from bot.rollout.model import SideFigures

Counts = tuple[float, float] | None


def side(requests: float, errors: float = 0, slow: float = 0) -> SideFigures:
    fast = requests - slow
    buckets = {100.0: fast * 0.97, 250.0: fast, 500.0: fast, math.inf: requests}
    return SideFigures(requests=requests, errors=errors, buckets=buckets)


def rows(pairs: Iterable[tuple[Counts, Counts]], stage: str = "20", since: float = 0.0) -> list[Interval]:
    """One interval every 15 s: (canary, primary) as (requests, errors)."""
    return [
        Interval(t=since + 15.0 * number, stage=stage, canary=side(*c) if c else None, primary=side(*p) if p else None)
        for number, (c, p) in enumerate(pairs, 1)
    ]


def judged(
    intervals: Iterable[Interval], history: Sequence[SideFigures] = (), chosen: JudgeSettings = DEFAULTS
) -> tuple[JudgeState, list[Verdict]]:
    state, verdicts = start(chosen, history), []
    for interval in intervals:
        state, assessment = step(state, interval, chosen)
        verdicts.append(assessment.verdict)
    return state, verdicts


def test_total_failure_aborts_after_exactly_three_rows() -> None:
    state, verdicts = judged(rows([((300, 90), (1200, 2))] * 4))

    assert verdicts == [Verdict.WATCH, Verdict.WATCH, Verdict.ABORT, Verdict.ABORT]
    assert state.aborted_by == "errors"


def test_patience_is_how_many_rows_must_agree() -> None:
    _, verdicts = judged(rows([((300, 90), (1200, 2))] * 6), chosen=replace(DEFAULTS, patience=6))

    assert verdicts.index(Verdict.ABORT) == 5


def test_a_canary_like_its_primary_passes_on_evidence() -> None:
    _, verdicts = judged(rows([((500, 0), (2000, 2))] * 40))

    assert Verdict.ABORT not in verdicts
    assert verdicts.index(Verdict.PASS) >= 3


def test_both_failing_is_held_and_nobody_is_blamed() -> None:
    _, verdicts = judged(rows([((300, 1), (1200, 3))] * 8 + [((300, 60), (1200, 240))] * 20))

    assert Verdict.ABORT not in verdicts
    assert verdicts[-1] is Verdict.HOLD


def test_no_fresh_figures_for_two_minutes_is_said_and_never_a_pass() -> None:
    _, verdicts = judged(rows([((500, 0), (2000, 2))] * 40 + [(None, None)] * 9))

    assert verdicts[-1] is Verdict.NO_DATA
    assert Verdict.PASS not in verdicts[40:]


def test_a_missing_scrape_is_no_zero_and_the_next_row_carries_the_longer_increment() -> None:
    _, verdicts = judged(rows([((500, 0), (2000, 2)), (None, (2000, 2)), ((1000, 0), (2000, 2))] * 12))

    assert Verdict.ABORT not in verdicts
    assert Verdict.PASS in verdicts


def test_a_slow_canary_is_aborted_by_latency_after_the_first_minute() -> None:
    slow = [Interval(t=15.0 * n, stage="20", canary=side(300, 0, 150), primary=side(1200, 0, 2)) for n in range(1, 12)]

    state, verdicts = judged(slow)

    assert state.aborted_by.startswith("slow")
    assert verdicts.index(Verdict.ABORT) > 4


def test_an_interval_that_arrives_twice_counts_once() -> None:
    once = rows([((300, 3), (1200, 4))] * 10)
    twice = [interval for interval in once for _ in range(2)]

    assert judged(once)[0] == judged(twice)[0]


def test_bursts_in_the_primarys_past_make_the_judge_more_patient() -> None:
    calm = [side(1200, 2)] * 64
    bursty = [side(1200, 60 if n % 16 == 0 else 0) for n in range(64)]
    burst = rows([((300, 25), (1200, 2))] * 3)

    assert judged(burst, calm)[1][-1] is Verdict.ABORT
    assert judged(burst, bursty)[1][-1] is not Verdict.ABORT


COUNT = st.integers(min_value=0, max_value=400)
PAIR = st.tuples(COUNT, COUNT, COUNT, COUNT).map(lambda n: ((n[0], min(n[1], n[0])), (n[2], min(n[3], n[2]))))
RUNS = st.lists(PAIR, min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(run=RUNS)
def test_evidence_never_grows_by_more_than_its_cap_and_is_never_no_number(run: list[tuple[Counts, Counts]]) -> None:
    state, before = start(DEFAULTS), 0.0
    for interval in rows(run):
        state, assessment = step(state, interval, DEFAULTS)
        assert math.isfinite(assessment.log_e)
        grown = state.metrics[0].bets.log_e - before
        assert grown <= math.log(1 / (0.05 * 0.6)) / 3 + 1e-6
        before = state.metrics[0].bets.log_e


@settings(max_examples=60, deadline=None)
@given(run=RUNS)
def test_one_more_canary_error_never_lowers_the_evidence(run: list[tuple[Counts, Counts]]) -> None:
    """At the row it is in. Later rows may weigh a capped row's bets differently, which the cap makes no law of."""
    (requests, errors), primary = run[-1]  # type: ignore[misc]  # drawn with both sides
    worse = [*run[:-1], ((requests, min(errors + 1, requests)), primary)]
    one, two = (judged(rows(some))[0] for some in (run, worse))

    if not one.aborted_by:
        assert two.aborted_by or log_e(two) >= log_e(one) - 1e-6


@settings(max_examples=40, deadline=None)
@given(run=RUNS, quiet=st.integers(min_value=1, max_value=12))
def test_no_data_never_moves_towards_a_pass(run: list[tuple[Counts, Counts]], quiet: int) -> None:
    _, verdicts = judged(rows([*run, *[(None, None)] * quiet]))

    assert Verdict.PASS not in verdicts[len(run) :]


def line(t: float, stage: str | int, canary: Counts, primary: Counts) -> str:
    def one(counts: Counts) -> dict[str, Any] | None:
        if counts is None:
            return None
        fast = counts[0]
        return {"requests": counts[0], "errors": counts[1], "buckets": {"100": fast, "250": fast, "+Inf": fast}}

    return json.dumps({"t": t, "stage": stage, "canary": one(canary), "primary": one(primary)})


def test_a_replay_answers_each_interval_and_sums_up() -> None:
    lines = [line(15.0 * n, "mirror", (600, 0), (600, 1)) for n in range(1, 20)]
    lines += [line(15.0 * n, 20, (300, 90), (1200, 1)) for n in range(20, 24)]

    *answers, last = replay(lines)

    assert set(answers[0]) == {"t", "verdict", "log_e", "metrics", "ceiling", "text"}
    assert set(answers[0]["metrics"]["errors"]) == {"worse", "not_worse", "ratio"}
    assert (last["summary"]["aborted_at"], last["summary"]["aborted_by"]) == (345.0, "ceiling")
    assert [stage["stage"] for stage in last["summary"]["stages"]] == ["mirror", 20]
    assert last["summary"]["stages"][0]["passed_at"] is not None
    assert answers[22]["text"].startswith("Aborted after 345 s: canary errors 2.9 % (360 of 12,600)")


def test_a_replays_first_line_sets_the_judge() -> None:
    first = json.dumps({"history": [{"requests": 1200, "errors": 2}] * 60, "settings": {"patience": 6}})
    lines = [first, *(line(15.0 * n, 20, (300, 90), (1200, 2)) for n in range(1, 9))]

    assert list(replay(lines))[-1]["summary"]["aborted_at"] == 90.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: an object"),
        ('{"t": 15}', 'line 1: "t" is seconds'),
        ('{"settings": {"patients": 3}}', "line 1: no such setting: patients"),
        ('{"t": 15, "stage": 20, "canary": {"requests": 1, "errors": 2}}', "line 1: errors lie between"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(text: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        list(replay([text]))


def test_a_high_ceiling_is_judged_and_an_impossible_one_refused() -> None:
    interval = line(15.0, 20, (300, 290), (1200, 2))

    *answers, _ = replay([json.dumps({"settings": {"ceiling": 0.7}}), interval])
    assert math.isfinite(answers[0]["ceiling"])
    with pytest.raises(Refusal, match="between 0 and 1, not 1"):
        list(replay([json.dumps({"settings": {"ceiling": 1}}), interval]))
