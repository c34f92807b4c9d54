"""Recorded intervals judged offline, and the forecast."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from bot.analysis.judge.forecast import forecast
from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.replay import DEFAULTS, replay
from bot.model.errors import Refusal
from bot.model.figures import SideFigures

HISTORY = [{"requests": 1200, "errors": 2, "buckets": {"100": 800, "250": 1180, "500": 1199, "+Inf": 1200}}] * 60


def line(t: float, stage: str | int, canary: tuple[int, int] | None, primary: tuple[int, int] | None) -> str:
    def one(counts: tuple[int, int] | None) -> dict[str, Any] | None:
        if counts is None:
            return None
        fast = counts[0]
        buckets = {"100": fast, "250": fast, "500": fast, "+Inf": fast}
        return {"requests": counts[0], "errors": counts[1], "buckets": buckets}

    return json.dumps({"t": t, "stage": stage, "canary": one(canary), "primary": one(primary)})


def test_a_replay_answers_each_interval_and_sums_up() -> None:
    lines = [json.dumps({"history": HISTORY})]
    lines += [line(15.0 * n, "mirror", (600, 0), (600, 1)) for n in range(1, 20)]
    lines += [line(15.0 * n, 20, (300, 90), (1200, 1)) for n in range(20, 24)]

    *answers, last = replay(lines)

    assert set(answers[0]) == {"t", "verdict", "log_e", "metrics", "ceiling", "text"}
    assert set(answers[0]["metrics"]["errors"]) == {"worse", "not_worse", "ratio"}
    assert set(answers[0]["metrics"]["errors"]["ratio"]) == {"low", "best", "high"}
    assert last["summary"]["aborted_at"] == 345.0
    assert [stage["stage"] for stage in last["summary"]["stages"]] == ["mirror", 20]
    assert last["summary"]["stages"][0]["passed_at"] is not None
    assert "30 % (360 of 1,200)" in answers[22]["text"]


@pytest.mark.parametrize("stage", ["²", "٣", "9" * 5000])
def test_a_stage_called_by_no_plain_number_keeps_its_name(stage: str) -> None:
    *_, last = replay([line(15.0 * n, stage, (600, 0), (600, 1)) for n in range(1, 4)])

    assert [one["stage"] for one in last["summary"]["stages"]] == [stage]


def test_a_repeated_line_is_answered_again_and_counts_once() -> None:
    lines = [line(15.0 * n, 20, (300, 9), (1200, 2)) for n in range(1, 9)]

    once, twice = list(replay(lines)), list(replay([one for one in lines for _ in range(2)]))

    assert twice[:-1:2] == twice[1:-1:2] == once[:-1]
    assert twice[-1] == once[-1]


def test_a_replays_first_line_sets_the_judge() -> None:
    first = json.dumps({"history": HISTORY, "settings": {"patience": 6, "weights": {"errors": 0.7}}})
    lines = [first, *(line(15.0 * n, 20, (300, 90), (1200, 2)) for n in range(1, 9))]

    assert list(replay(lines))[-1]["summary"]["aborted_at"] == 75.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: an object"),
        ('{"stage": 20}', "line 1: `t` is missing"),
        ('{"t": true, "stage": 20}', "line 1: `t` is seconds"),
        ('{"t": 15}', "line 1: `stage` is"),
        ('{"settings": {"patients": 3}}', "line 1: no such setting: patients"),
        ('{"settings": {"errors": {"tolerance": "high"}}}', "line 1: a number is needed for errors.tolerance"),
        ('{"settings": {"patience": 0}}', "line 1: patience, pass_patience and vote_patience are at least 1"),
        ('{"settings": {"weights": 1}}', "line 1: weights"),
        ('{"settings": {"ceiling": 5}}', "line 1: alpha, alpha_pass"),
        ('{"history": {"requests": 1}}', "line 1: `history` is a list"),
        ('{"t": 15, "stage": 20, "canary": {"requests": 1, "errors": 2}}', "line 1: errors lie between"),
        ('{"t": 15, "stage": 20, "canary": {"requests": NaN}}', "line 1: errors lie between"),
        ('{"t": 15, "stage": 20, "canary": {}}', "line 1: a side has"),
        ('{"t": 15, "stage": 20, "canary": {"requests": 3, "buckets": {"1": 2, "2": 1}}}', "line 1: buckets are cum"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(text: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        list(replay([text]))


def side(requests: float, errors: float) -> SideFigures:
    buckets = {100.0: requests * 0.65, 250.0: requests * 0.971, 500.0: requests * 0.9989, math.inf: requests}
    return SideFigures(requests=requests, errors=errors, buckets=buckets)


def test_a_forecast_needs_figures_and_shortens_with_traffic() -> None:
    state = start(DEFAULTS, [side(1200, 1.2)] * 64)
    assert forecast(state, DEFAULTS, 20, 80).passing is None
    state, _ = step(state, Interval(t=15, stage="20", canary=side(300, 0), primary=side(1200, 1)), DEFAULTS)
    state, _ = step(state, Interval(t=90, stage="20", canary=side(1500, 1), primary=side(6000, 6)), DEFAULTS)

    slow, fast = (forecast(state, DEFAULTS, rate, 4 * rate) for rate in (2.0, 20.0))

    assert slow.notice is not None
    assert fast.notice is not None
    assert 45 <= fast.notice < slow.notice
    assert fast.passing is not None
    assert 60 <= fast.passing <= 300
