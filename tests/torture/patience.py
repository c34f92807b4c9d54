"""How long users may be left on a canary that fails: as long as the judge needs by its own numbers, and no longer."""

from __future__ import annotations

import math

from bot.analysis.judge.processes import hazard
from bot.analysis.judge.second.constants import FIRST
from bot.model.judge_settings import JudgeSettings
from tests.torture.events import TICK

# Sweeps until a row holds nothing but failures: a row ends a tick before its sweep, because a scrape may take that
# long, and the first row in which something fails begins before that.
UNSEEN = 2


def rows_needed(settings: JudgeSettings, entered: int, rows: int) -> int:
    """How many rows of failures condemn a canary at the most.

    The first row adds at most half of what an abort needs, and the others share out what is left. Where it was judged
    good before, what was bet against it is lost, and that has to be earned again as well: never more than all but the
    reserve, of which some has joined the bets with each stage that was entered, and a little with each row.
    """
    joined = (1 - settings.stage_injection) ** entered * (1 - hazard(settings.hazard, TICK)) ** rows
    lost = -math.log((1 - settings.active) * joined)
    first = max(FIRST, 1 / settings.patience)
    further = (1 - first) / (settings.patience - 1) if settings.patience > 1 else first
    needed = settings.needed - math.log(settings.weights.errors)  # of errors alone
    return math.ceil(1 + (1 - first + lost / needed) / further)


def sweeps(settings: JudgeSettings, entered: int, seconds: float) -> int:
    """After how many sweeps users must have left; in the last one they go.

    Args:
        settings: the service's.
        entered: stages so far.
        seconds: for how long the canary has been judged.
    """
    return UNSEEN + rows_needed(settings, entered, math.ceil(seconds / TICK)) - 1
