"""The judge's sentences: figures with their counts, no false confidence, never "passed" without proof."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bot.analysis.judge.forecast import Forecast
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.ratio import Ratio
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.verdict import Overdue
from bot.analysis.judge.wording import forecast_text, likely, sentences, text
from bot.words.rendering import plain
from tests.unit.analysis.rows import DEFAULTS, HISTORY, Counts, judged, rows, side


def said(pairs: list[tuple[Counts, Counts]], settings: JudgeSettings = DEFAULTS) -> str:
    """The sentence after the last of these rows of (requests, errors) every 15 s."""
    state, answers = judged(rows(pairs), HISTORY, settings)
    return plain(text(state, answers[-1], settings))


PASSING: list[tuple[Counts, Counts]] = [((500, 1), (2000, 4))] * 40


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (
            [((120, 36), (480, 3))] * 3,
            (
                "canary is worse: errors 30 % (108 of 360), primary 0.625 % (9 of 1,440). "
                "Allowed: 1.25x primary, at most 5 %. More than 99.9 % sure that it is worse than allowed."
            ),
        ),
        ([((120, 36), (480, 1))] * 3, "primary 0.208 % (3 of 1,440). Allowed: 1.25x primary, at most 5 %."),
        (
            [*PASSING, *[((500, 24), (2000, 2))] * 9],
            (
                "canary is worse: errors 4.8 % (96 of 2,000), primary 0.1 % (8 of 8,000) in the last minute. "
                "Allowed: 1.25x primary, at most 5 %."
            ),
        ),
        (
            PASSING,
            "canary is good enough: errors 0.2 % (40 of 20,000), primary 0.2 % (160 of 80,000). 95 % sure that it",
        ),
        ([((120, 1), (480, 2))] * 2, "Too early to say: errors 0.833 % (2 of 240), primary 0.417 % (4 of 960)."),
        (
            [*PASSING, *[((500, 60), (2000, 2))] * 2],
            "canary looks worse, not surely yet: errors 0.762 % (160 of 21,000), primary",
        ),
        (
            [((300, 60), (1200, 240))] * 8,
            (
                "Both versions are failing: errors 20 % (240 of 1,200), primary 20 % (960 of 4,800) in the last minute."
                " This is not canary: going back would not help."
            ),
        ),
        ([((300, 0), (1200, 240))] * 8, "primary alone is failing: going back moves users to the worse side."),
        ([*PASSING, *[(None, None)] * 8], "No fresh metrics for 2 minutes. Nothing was judged, and the rollout waits."),
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

    assert plain(first) == plain(text(state, answers[-1], DEFAULTS)).partition(". ")[0].rstrip(".") + "."
    assert more or not plain(text(state, answers[-1], DEFAULTS)).partition(". ")[2]


def test_no_data_names_the_time_it_waited() -> None:
    patient = replace(JudgeSettings(), no_data_after=300.0)

    assert "for 5 minutes" in said([*PASSING, *[(None, None)] * 20], patient)


@pytest.mark.parametrize(
    ("notified", "sentence"),
    [
        (
            Forecast(notice=1200, passing=None),
            "would be noticed after about 20 minutes. A healthy one would never be sure.",
        ),
        (
            Forecast(notice=45, passing=150),
            "would be noticed after about 45 seconds. A healthy one would be sure after about 2.5 minutes.",
        ),
        (Forecast(notice=None, passing=None), "would not be noticed."),
    ],
)
def test_a_forecast_in_words(notified: Forecast, sentence: str) -> None:
    assert sentence in plain(forecast_text(notified))


def test_a_doubt_about_slow_answers_names_slow_answers_and_its_figures() -> None:
    # As many errors as the primary, and more slow answers than are tolerated, though not surely.
    settings = replace(DEFAULTS, bounds=(500.0,), latency_after=0.0)
    intervals = [
        Interval(t=15.0 * number, stage="20", canary=side(60, 0, slow=6), primary=side(240, 1, slow=9))
        for number in (1, 2)
    ]

    state, answers = judged(intervals, HISTORY, settings, -math.inf)

    assert answers[-1].overdue is Overdue.SUSPECT
    assert plain(text(state, answers[-1], settings)) == (
        "canary may be worse: answers over 500 ms 10 % (12 of 120), primary 3.75 % (18 of 480). "
        "Not enough to be sure. Allowed: 1.5x primary."
    )


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (Ratio(1 / 64, 1.0, 1024.0, 0.0), "too few to compare"),
        (Ratio(0.02, 1.0, 700.0, 0.0), "too few to compare"),
        (Ratio(0.4, 1.2, 3.94, 0.0), "0.4x to 3.9x as many are likely"),
        (Ratio(5.2, 20.0, 1024.0, 3.0), "over 5.2x as many"),
    ],
)
def test_how_many_times_as_many_is_said_only_where_it_says_something(ratio: Ratio, words: str) -> None:
    assert plain(likely(ratio)) == words


@pytest.mark.parametrize("every", [1.0, 5.0, 10.0])
def test_what_is_told_before_latency_is_judged_was_counted(every: float) -> None:
    # What never counted is at zero but for a rounding, which may be above it.
    settings = replace(DEFAULTS, bounds=(250.0, 500.0))
    row = [
        Interval(
            t=every * number, stage="mirror", canary=side(100, number % 3 == 0), primary=side(100, number % 2 == 0)
        )
        for number in range(1, int(settings.latency_after / every))
    ]

    for count in range(1, len(row) + 1):
        state, answers = judged(row[:count], HISTORY, settings)

        sentence = plain(text(state, answers[-1], settings))
        assert "errors" in sentence
        assert "no requests" not in sentence
