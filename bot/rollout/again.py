"""Beginning again where an aborted rollout stopped: at which stages that may be, and the plan from there. Pure.

What passed on evidence is not walked again; whatever else it was left on (time, people's word) is. The mirror is not
left out, so that nobody meets a canary that has become worse since: it ends as soon as its figures show that it is good
(``leaving.time_is_served``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bot.model.copies import replace
from bot.model.rollout import Again, Phase, Rollout, Stage, StageOutcome
from bot.model.service import ApprovalRule
from bot.rollout.plans import Overrides


def choices(aborted: Rollout) -> tuple[Stage, ...]:
    """The stages at which it may begin again, in order. The last is where it stopped, or the last one of the weights.

    Every stage before one of them has passed on evidence, the last time that it was left.
    """
    before = aborted.spec.again
    left = {stage.name: StageOutcome.PASSED for stage in before.passed} if before is not None else {}
    left |= {walked.name: walked.outcome for walked in aborted.walked}
    found: list[Stage] = []
    for earlier, stage in pairwise(_whole(aborted)):
        if left.get(earlier.name) is not StageOutcome.PASSED or stage.phase is not Phase.SHIFTING:
            break
        found.append(stage)
    return tuple(found)


def _whole(rollout: Rollout) -> tuple[Stage, ...]:
    """Its plan, with what it has left out itself, and without what was only while it lasted."""
    before, plan = rollout.spec.again, tuple(one for one in rollout.spec.plan if not one.on_copies)
    return plan if before is None else (*before.passed, *plan[1:])


def typed(stage: Stage) -> str:
    """How a choice is typed: by its share."""
    return str(stage.routes.canary)


def same_steps(aborted: Rollout) -> Overrides:
    """The weights that it had, with their time. An approval that was given in advance is given no more."""
    shifts = [stage for stage in _whole(aborted) if stage.phase is Phase.SHIFTING]
    return Overrides(weights=tuple(stage.routes.canary for stage in shifts), stage_seconds=shifts[0].seconds)


def plan_from(plan: Sequence[Stage], name: str, rule: ApprovalRule) -> tuple[Stage, ...]:
    """The mirror, and the plan from that stage on.

    Args:
        plan: all of it, from the mirror.
        name: the stage's.
        rule: who approves where a stage has no rule of its own. Leaving the mirror asks as many people as any of the
            stages would that are left out.
    """
    index = next(number for number, stage in enumerate(plan) if stage.name == name)
    asking = [stage for stage in plan[:index] if stage.approval]
    strictest = max(asking, key=lambda stage: (stage.rule or rule).count, default=plan[0])
    mirror = replace(plan[0], approval=bool(asking), rule=strictest.rule)
    return (mirror, *plan[index:])


def taken_up(aborted: Rollout, stage: Stage) -> Again:
    """What the new rollout remembers of the aborted one."""
    plan = _whole(aborted)
    index = next(number for number, one in enumerate(plan) if one.name == stage.name)
    return Again(of=aborted.spec.id, stage=stage, passed=plan[:index])
