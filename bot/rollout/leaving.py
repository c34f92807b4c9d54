"""Whether a stage may be left: what is found of its time, its figures and its people, and what follows. Pure.

Nothing is said or changed here; ``decide`` does what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bot.model.figures import Judgement, Verdict
from bot.model.rollout import JUDGED, Phase, Rollout
from bot.rollout.approvals import is_approved


class Step(Enum):
    """What becomes of a stage that is as it should be in the cluster."""

    STAY = auto()  # its time is not up, it is paused, or its figures have not been good for long enough
    HOLD = auto()  # its figures are in doubt: it waits until they are not
    HOLD_AND_ASK = auto()  # the same, and people may say go on
    ASK = auto()  # all is good, and people must say yes
    LEAVE = auto()
    LEAVE_IN_DOUBT = auto()  # people have said go on


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStanding:
    """How a stage stands: what is found of it.

    Attributes:
        judged: whether its figures say anything about leaving it.
        passed: they are good; also where they are not asked.
        served: its least time is over, or need not be waited for.
        pressing: a doubt is to be held for now, not only when the stage's time is up.
        overrulable: a person may say go on in spite of it.
        asks: people must say yes before it is left.
        approved: enough of them have.
        flapping: the figures were in doubt a moment ago.
    """

    judged: bool
    passed: bool
    served: bool
    paused: bool
    pressing: bool
    overrulable: bool
    asks: bool
    approved: bool
    flapping: bool


def standing_of(rollout: Rollout, judgement: Judgement, now: float, *, flapping: bool) -> StageStanding:
    """How the current stage stands, which was settled before."""
    judged = is_judged(rollout)
    served = time_is_served(rollout, judgement, now)
    # In the reconcile that settled it no figures can be known yet, however short the stage is.
    time_is_up = (served or bool(rollout.asked)) and rollout.settled_at != now
    return StageStanding(
        judged=judged,
        passed=not judged or judgement.verdict is Verdict.PASS,
        served=served,
        paused=bool(rollout.paused_by),
        pressing=time_is_up or judgement.hold or judgement.verdict is Verdict.ERROR,
        overrulable=judgement.ask,
        asks=rollout.current.approval or (judged and judgement.ask),
        approved=is_approved(rollout),
        flapping=flapping,
    )


def follows(standing: StageStanding) -> Step:
    """A doubt holds once it presses, and people may overrule one that time will not settle. What is good is left, once
    its time is served and people have said yes where they must.
    """
    if not standing.passed:
        return _in_doubt(standing)
    # Figures that will be in doubt again are not good yet; unless people have said go on.
    restless = standing.flapping and not standing.approved
    if not standing.served or standing.paused or restless:
        return Step.STAY
    return Step.ASK if standing.asks and not standing.approved else Step.LEAVE


def _in_doubt(standing: StageStanding) -> Step:
    if not standing.pressing:
        return Step.STAY
    if not standing.overrulable or not standing.served or standing.paused:
        return Step.HOLD
    return Step.LEAVE_IN_DOUBT if standing.approved else Step.HOLD_AND_ASK


def is_judged(rollout: Rollout) -> bool:
    """Whether the stage is left on its figures. While users are brought away from what is rolled back, it is not."""
    away = bool(rollout.spec.back_to) and not rollout.primary_judged
    return rollout.phase in JUDGED and not rollout.current.release and not away


def time_is_served(rollout: Rollout, judgement: Judgement, now: float) -> bool:
    """Whether its least time is over, by the time of what was judged: figures that end before the stage does say
    nothing about its end.
    """
    judged, settled_at = is_judged(rollout), rollout.settled_at
    shown = judged and judgement.proven and judgement.verdict is Verdict.PASS
    if shown and may_end_early(rollout):
        return True
    until = min(now, judgement.at) if judged else now
    return settled_at is not None and until - settled_at >= rollout.current.seconds


def may_end_early(rollout: Rollout) -> bool:
    """Whether a stage ends as soon as it is shown to be good; never a bake, which is there to watch.

    The mirror of a retry does: all of it has passed before. So does a stage on copies: only its longest time is set.
    """
    again = rollout.spec.again is not None and rollout.phase is Phase.MIRRORING
    return again or rollout.current.on_copies or (rollout.spec.gates.early and rollout.phase is not Phase.BAKING)
