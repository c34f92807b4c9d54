"""The judge's sentences: figures with their counts, no false confidence, never "passed" without proof."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bot.analysis.judge.forecast import Forecast
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.wording import forecast_text, sentences, text
from tests.unit.analysis.rows import DEFAULTS, HISTORY, Counts, judged, rows


def said(pairs: list[tuple[Counts, Counts]], settings: JudgeSettings = DEFAULTS) -> str:
    """The sentence after the last of these rows of (requests, errors) every 15 s."""
    state, answers = judged(rows(pairs), HISTORY, settings)
    return text(state, answers[-1], settings)


PASSING: list[tuple[Counts, Counts]] = [((500, 1), (2000, 4))] * 40


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (
            [((120, 36), (480, 3))] * 3,
            (
                "Aborted after 45 s: canary errors 30 % (108 of 360) against 0.62 % (9 of 1,440) on primary: "
                "at least 15x, most likely 48x. Allowed: 1.25x. More than 99.9 % sure it is worse than allowed."
            ),
        ),
        ([((120, 36), (480, 1))] * 3, "x as many. Allowed: 1.25x. More than 99.9 % sure it is worse than allowed."),
        (
            [*PASSING, *[((500, 24), (2000, 2))] * 9],
            (
                "canary errors 4.8 % (96 of 2,000) against 0.1 % (8 of 8,000) on primary in the last minute; over the "
                "whole rollout 0.71 % (160 of 22,500) against 0.19 % (170 of 90,000). Allowed: 1.25x."
            ),
        ),
        (PASSING, "Shown to be below the limit of 1.5x + 0.5 points (95 % sure, 20,000 canary requests)."),
        ([((120, 1), (480, 2))] * 2, "Too early to say: 2 canary errors in 240 requests (primary 4 in 960)."),
        (
            [*PASSING, *[((500, 60), (2000, 2))] * 2],
            "Looks worse, not surely yet: 160 canary errors in 21,000 requests",
        ),
        (
            [((300, 60), (1200, 240))] * 8,
            (
                "Both versions are failing: canary errors 20 % (240 of 1,200) against 20 % (960 of 4,800) on primary "
                "in the last minute. Not blaming the canary: going back would not help. Promotion waits."
            ),
        ),
        ([((300, 0), (1200, 240))] * 8, "The primary alone is failing: going back moves users to the worse side."),
        ([*PASSING, *[(None, None)] * 8], "No fresh metrics for 2 min. Promotion waits; nothing was judged."),
    ],
    ids=["abort", "few", "good before", "pass", "watch", "worse", "hold", "primary alone", "no data"],
)
def test_a_verdict_in_words(pairs: list[tuple[Counts, Counts]], sentence: str) -> None:
    assert sentence in said(pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        [((120, 36), (480, 3))] * 3,
        [*PASSING, *[((500, 24), (2000, 2))] * 9],
        PASSING,
        [((120, 1), (480, 2))] * 2,
        [((300, 60), (1200, 240))] * 8,
        [((300, 0), (1200, 240))] * 8,
        [*PASSING, *[(None, None)] * 8],
    ],
    ids=["abort", "good before", "pass", "watch", "hold", "primary alone", "no data"],
)
@pytest.mark.parametrize("deadline", [math.inf, -math.inf], ids=["in time", "overdue"])
def test_the_first_part_is_the_first_sentence(pairs: list[tuple[Counts, Counts]], deadline: float) -> None:
    state, answers = judged(rows(pairs), HISTORY, DEFAULTS, deadline)
    first, *more = sentences(state, answers[-1], DEFAULTS)

    assert first == text(state, answers[-1], DEFAULTS).partition(". ")[0].rstrip(".") + "."
    assert more


def test_no_data_names_the_time_it_waited() -> None:
    patient = replace(JudgeSettings(), no_data_after=300.0)

    assert "for 5 min" in said([*PASSING, *[(None, None)] * 20], patient)


@pytest.mark.parametrize(
    ("notified", "sentence"),
    [
        (Forecast(notice=1200, passing=None), "would take about 20 min to notice; a pass is out of reach."),
        (Forecast(notice=45, passing=150), "would take about 45 s to notice, a healthy one about 2 min to pass."),
        (Forecast(notice=None, passing=None), "would not be noticed."),
    ],
)
def test_a_forecast_in_words(notified: Forecast, sentence: str) -> None:
    assert sentence in forecast_text(notified)
