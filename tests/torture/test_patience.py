"""The schedules' patience is the judge's own: no less than it needs, and hardly more."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from bot.analysis.judge import editions
from bot.analysis.judge.judge import Interval
from bot.model.figures import SideFigures
from bot.model.judge_settings import STRICTNESS, JudgeSettings
from tests.torture.events import TICK
from tests.torture.patience import rows_needed

GOOD, BAD = SideFigures(requests=200, errors=0), SideFigures(requests=200, errors=100)
NOBODY = SideFigures(requests=0, errors=0)


def rows_taken(settings: JudgeSettings, good: int, stages: int, primary: SideFigures) -> int:
    """How many bad rows abort after so many good ones in so many stages; ``primary`` is beside the bad ones."""
    state, at = editions.start(settings), 0.0
    for number in range(good):
        at += TICK
        stage = f"{number * stages // good}"
        row = Interval(t=at, stage=stage, canary=GOOD, primary=GOOD, since=at - TICK)
        state, _ = editions.step(state, row, settings, math.inf)
    for taken in itertools.count(1):
        at += TICK
        row = Interval(t=at, stage=f"{stages}", canary=BAD, primary=primary, since=at - TICK)
        state, _ = editions.step(state, row, settings, math.inf)
        if state.aborted_by:
            return taken
    raise AssertionError


@pytest.mark.parametrize("primary", [GOOD, NOBODY], ids=["beside", "alone"])
@pytest.mark.parametrize("settings", [STRICTNESS, replace(STRICTNESS, patience=6), replace(STRICTNESS, active=0.5)])
@pytest.mark.parametrize(("good", "stages"), [(0, 0), (3, 1), (12, 3), (60, 5), (200, 8)])
def test_the_judge_needs_no_more_rows_than_the_schedules_wait_for(
    *, settings: JudgeSettings, good: int, stages: int, primary: SideFigures
) -> None:
    taken, waited = rows_taken(settings, good, stages, primary), rows_needed(settings, stages + 1, good)

    assert taken <= waited <= 2 * taken + 1
