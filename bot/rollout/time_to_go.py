"""How long a stage and the whole rollout will still take if all is well. Pure.

The plan's least times, and where a stage ends on figures alone how long the judge expects to need at this traffic. What
people take to decide, and pods to become ready, nobody can know: it is in none of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.figures import Verdict
from bot.model.rollout import HoldCause, Phase, Rollout, Stage
from bot.model.service import Unproven
from bot.rollout.approvals import is_approved
from bot.rollout.leaving import may_end_early


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToGo:
    """Seconds from now; None: not known.

    Attributes:
        stage: until the current stage could be left.
        rollout: until the last stage could be.
        decisions: how often people still have to approve, the current stage among them.
    """

    stage: float | None
    rollout: float | None
    decisions: int


def time_to_go(rollout: Rollout, now: float) -> TimeToGo | None:
    """None where it does not go forward: before the start, on the way back, halted, paused, on hold, or over."""
    forward = rollout.phase not in _NOT_ON_THE_WAY and not rollout.retreat
    held = rollout.hold is not None and rollout.hold.cause is not HoldCause.APPROVAL
    if not forward or rollout.paused_by or held or rollout.drift is not None:
        return None
    stage = _of_current(rollout, now)
    later = rollout.spec.plan[rollout.stage + 1 :]
    decisions = int(rollout.current.approval and not is_approved(rollout)) + sum(one.approval for one in later)
    rest = None if stage is None else stage + sum(one.seconds for one in later)
    return TimeToGo(stage=stage, rollout=rest, decisions=decisions)


_NOT_ON_THE_WAY = frozenset(
    {Phase.PREFLIGHT, Phase.HALTED, Phase.ABORTING, Phase.ABORTED, Phase.REFUSED, Phase.ABANDONED, Phase.PROMOTED}
)


def _of_current(rollout: Rollout, now: float) -> float | None:
    stage, settled = rollout.current, rollout.settled_at
    served = stage.seconds if settled is None else max(0.0, settled + stage.seconds - now)
    judgement = rollout.judgement
    if not stage.routes.compared or judgement is None or judgement.verdict is Verdict.ERROR:
        return served
    if judgement.verdict is Verdict.PASS and judgement.proven:
        return 0.0 if may_end_early(rollout) else served
    sure = _until_sure(judgement.at, judgement.to_pass, now)
    if stage.on_copies:
        return sure  # its seconds are the longest that it takes
    if _ends_only_when_sure(rollout, stage):
        return None if sure is None else max(served, sure)
    if may_end_early(rollout) and sure is not None:
        return min(served, sure)
    return served


def _until_sure(at: float, to_pass: float | None, now: float) -> float | None:
    return None if to_pass is None else max(0.0, at + to_pass - now)


def _ends_only_when_sure(rollout: Rollout, stage: Stage) -> bool:
    """Whether nobody goes on from there without proof but by a decision of people."""
    return rollout.spec.gates.unproven is Unproven.HOLD and stage.routes.compared
