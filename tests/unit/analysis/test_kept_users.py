"""Users who would be taken home and are not: only what is bad now keeps them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bot.analysis.judge import editions
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.verdict import AWAY
from bot.model.figures import SideFigures
from bot.model.judge_settings import STRICTNESS

SETTINGS = replace(STRICTNESS, shield=True)
NOBODY = SideFigures(requests=0, errors=0)


def side(requests: int, errors: int) -> SideFigures:
    return SideFigures(requests=requests, errors=errors)


def failed_in_the_mirror() -> editions.State:
    """Two rows of copies that fail, which is enough to take users home, if there were any on it."""
    state, where = editions.start(SETTINGS), replace(editions.ANYWHERE, alone=False, users=False)
    for t in (15.0, 30.0):
        row = Interval(t=t, stage="mirror", canary=side(60, 8), primary=side(60, 0), since=t - 15.0, limited=False)
        state, _ = editions.step(state, row, SETTINGS, math.inf, where)
    return state


@pytest.mark.parametrize(("errors", "kept"), [(0, False), (2, True)])
def test_a_canary_that_is_well_again_keeps_nobody_where_everybody_is_on_it(errors: int, kept: bool) -> None:  # noqa: FBT001  # as a table has it
    state, where = failed_in_the_mirror(), replace(editions.ANYWHERE, alone=False, users=True, ready=False)

    for t in (45.0, 60.0, 75.0, 90.0):
        row = Interval(t=t, stage="shift 100", canary=side(200, errors), primary=NOBODY, since=t - 15.0, limited=False)
        state, assessment = editions.step(state, row, SETTINGS, math.inf, where)
        between = editions.between(state, "shift 100", SETTINGS, math.inf, where)

    assert (bool(assessment.home.kept), bool(between.home.kept)) == (kept, kept)
    assert kept or assessment.home == AWAY
