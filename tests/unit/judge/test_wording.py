"""The judge's sentences: figures with their counts, no false confidence, never "passed" without proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.rollout.judge.judge import Interval, start, step
from bot.rollout.judge.settings import JudgeSettings
from bot.rollout.judge.wording import text
from bot.rollout.model import SideFigures

Counts = tuple[float, float] | None


def said(rows: list[tuple[Counts, Counts]], settings: JudgeSettings | None = None) -> str:
    """The sentence after the last of these rows of (requests, errors) every 15 s."""
    settings = settings or JudgeSettings()
    state = start(settings)
    for number, (canary, primary) in enumerate(rows, 1):
        sides = [SideFigures(requests=one[0], errors=one[1]) if one else None for one in (canary, primary)]
        interval = Interval(t=15.0 * number, stage="20", canary=sides[0], primary=sides[1])
        state, assessment = step(state, interval, settings)
    return text(state, assessment, settings)


PASSING: list[tuple[Counts, Counts]] = [((500, 1), (2000, 4))] * 40


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [((120, 36), (480, 3))] * 3,
            "Aborted after 45 s: canary errors 30 % (108 of 360) against 0.62 % (9 of 1,440) on primary: ",
        ),
        ([((120, 36), (480, 1))] * 3, "x as many. Allowed: 1.25x. More than 99.9 % sure it is worse than allowed."),
        (PASSING, "Shown to be below the limit of 1.5x + 0.5 points (95 % sure, 20,000 canary requests)."),
        ([((120, 1), (480, 2))] * 2, "Too early to say: 2 canary errors in 240 requests (primary 4 in 960)."),
        (
            [((300, 60), (1200, 240))] * 8,
            "Both versions are failing: canary errors 20 % (480 of 2,400) against 20 % (1,920 of 9,600) on primary.",
        ),
        ([((300, 0), (1200, 240))] * 8, "The primary alone is failing: going back moves users to the worse side."),
        ([*PASSING, *[(None, None)] * 8], "No fresh metrics for 2 min. Promotion waits; nothing was judged."),
    ],
    ids=["abort", "abort, primary has few", "pass", "watch", "hold", "primary alone", "no data"],
)
def test_a_verdict_in_words(rows: list[tuple[Counts, Counts]], sentence: str) -> None:
    assert sentence in said(rows)


def test_no_data_names_the_time_it_waited() -> None:
    patient = replace(JudgeSettings(), no_data_after=300.0)

    assert "for 5 min" in said([*PASSING, *[(None, None)] * 20], patient)
