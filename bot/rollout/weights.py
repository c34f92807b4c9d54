"""Another share for the canary than the plan's next one, as people ask for it: back, or to a percentage. Pure.

Fewer users on the canary is the safe direction and needs no figures; going on from there is people's to decide. More
users is a step of the plan made smaller: never beyond the plan's next share, and only while the figures are good.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.figures import Verdict
from bot.model.rollout import Phase, Rollout, Routes, Stage, UserId
from bot.model.story import EntryKind
from bot.rollout import hooks
from bot.rollout.phrases import called, describe, share
from bot.rollout.transitions import Change, enter, entry
from bot.words.sentence import Person, TypedIn, said


def back(rollout: Rollout, by: UserId, now: float) -> Change:
    """One step back: to the share before, or from the first one to the mirror.

    Raises:
        Refusal: users are not split between both versions, or there is no step before.
    """
    _refuse_unless_split(rollout)
    if rollout.stage == 0:
        raise Refusal(said("rollout.no_step_back", service=rollout.spec.service, command=_abort(rollout)))
    return _go_back(rollout, rollout.spec.plan, rollout.stage - 1, by, now)


def set_share(rollout: Rollout, percent: int, by: UserId, now: float) -> Change:
    """This share of users to the canary, whole percent.

    Raises:
        Refusal: users are not split, the share is none or the one there is, or it is more and may not be yet.
    """
    _refuse_unless_split(rollout)
    here = rollout.current.routes.canary
    if not 1 <= percent <= 100 or percent == here:  # noqa: PLR2004  # percent
        command = _abort(rollout)
        raise Refusal(said("rollout.share_between", here=share(here), command=command))
    if percent > here:
        return _go_on(rollout, percent, by, now)
    index = next(
        number
        for number, stage in enumerate(rollout.spec.plan)
        if stage.phase is Phase.SHIFTING and stage.routes.canary >= percent
    )
    return _go_back(rollout, _with_step(rollout, percent, index), index, by, now)


def _go_back(rollout: Rollout, plan: tuple[Stage, ...], index: int, by: UserId, now: float) -> Change:
    """Whoever goes back does so for a reason that no figure knows: nothing goes on from there by itself."""
    kept = (*plan[:index], replace(plan[index], approval=True), *plan[index + 1 :])
    entered = _enter(rollout, kept, index, now)
    text = said("rollout.went_back", who=Person(by), stage=called(entered.current))
    return entered, (entry(now, EntryKind.STAGE, text, by, stage=entered.current.name),)


def _go_on(rollout: Rollout, percent: int, by: UserId, now: float) -> Change:
    index = rollout.stage + 1
    following = rollout.spec.plan[index]
    most = following.routes.canary if following.phase is Phase.SHIFTING else rollout.current.routes.canary
    if percent > most:
        raise Refusal(said("rollout.share_beyond_plan", most=share(most)))
    if rollout.current.approval or rollout.paused_by:
        raise Refusal(said("rollout.share_needs_approval", where=describe(rollout)))
    judgement = rollout.judgement
    if rollout.settled_at is None or judgement is None or judgement.verdict is not Verdict.PASS:
        why = judgement.sentence if judgement is not None else ""
        raise Refusal(said("rollout.share_not_good", why=why) if why else said("rollout.share_too_early"))
    hook = hooks.kept_by(rollout)
    if hook:
        raise Refusal(said("rollout.webhook_keeps", name=hook, stage=called(rollout.current)))
    entered = _enter(rollout, _with_step(rollout, percent, index), index, now)
    text = said("rollout.set_share", who=Person(by), share=share(percent), version=rollout.spec.version)
    return entered, (entry(now, EntryKind.STAGE, text, by, stage=entered.current.name),)


def _with_step(rollout: Rollout, percent: int, index: int) -> tuple[Stage, ...]:
    """The plan with a step of that share at ``index``; as it is where there is one already."""
    plan = rollout.spec.plan
    if plan[index].routes == Routes(canary=percent):
        return plan
    step = replace(rollout.current, name=f"shift {percent}", routes=Routes(canary=percent))
    return (*plan[:index], step, *plan[index:])


def _enter(rollout: Rollout, plan: tuple[Stage, ...], index: int, now: float) -> Rollout:
    """``came_from``: what the routes may be until they have been written."""
    before = rollout.spec.plan[rollout.stage - 1].routes if rollout.stage else Routes(canary=0)
    came_from = (rollout.current.routes, before, *rollout.came_from)
    spec = replace(rollout.spec, plan=plan)
    return enter(rollout, plan[index].phase, index, now, spec=spec, came_from=came_from[:4])


def _refuse_unless_split(rollout: Rollout) -> None:
    if rollout.phase is not Phase.SHIFTING or rollout.drift is not None:
        service, where = rollout.spec.service, describe(rollout)
        raise Refusal(said("rollout.users_not_split", service=service, where=where, command=_abort(rollout)))


def _abort(rollout: Rollout) -> TypedIn:
    return TypedIn(f"abort {rollout.spec.service}")
