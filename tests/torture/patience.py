"""How long users may be left on a canary that fails: as long as the judge needs by its own numbers, and no longer."""

from __future__ import annotations

import math

from bot.analysis.judge.processes import hazard
from bot.model.judge_settings import JudgeSettings
from tests.torture.events import TICK

# Sweeps until a row holds nothing but failures: a row ends a tick before its sweep, because a scrape may take that
# long, and the first row in which something fails begins before that.
UNSEEN = 2


def rows_needed(settings: JudgeSettings, entered: int, rows: int) -> int:
    """How many rows of failures condemn a canary at the most.

    A row adds at most the part ``1 / patience`` of what an abort needs. Where it was judged good before, what was bet
    against it is lost, and that has to be earned again as well: never more than all but the reserve, of which some has
    joined the bets with each stage that was entered, and a little with each row.
    """
    joined = (1 - settings.stage_injection) ** entered * (1 - hazard(settings.hazard, TICK)) ** rows
    lost = -math.log((1 - settings.active) * joined)
    return math.ceil(settings.patience * (1 + lost / settings.needed))


def sweeps(settings: JudgeSettings, entered: int, seconds: float) -> int:
    """After how many sweeps users must have left; in the last one they go.

    Args:
        settings: the service's.
        entered: stages so far.
        seconds: for how long the canary has been judged.
    """
    return UNSEEN + rows_needed(settings, entered, math.ceil(seconds / TICK)) - 1
