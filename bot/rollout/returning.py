"""The rules of the way back, and of a primary that does not come up. Each is one of ``machine.look``'s rules.

While it had no users an HPA, or somebody, may have shrunk the primary. Users of a canary that is the trouble go home at
once, if only one pod is ready there, and the primary grows meanwhile. From a canary that serves everyone well they go
when enough pods are ready. To a primary without a ready pod nobody is sent at all (ISTIO facts, the abort table).
"""

from __future__ import annotations

from dataclasses import replace

from bot.rollout import capacity
from bot.rollout.figures import Judgement
from bot.rollout.model import (
    ALL_CANARY,
    HOME,
    RESTORE,
    RETURN,
    SCALE_UP,
    EntryKind,
    Phase,
    Rollout,
    Stage,
    Template,
)
from bot.rollout.sights import Progress, Sight
from bot.rollout.turns import Change, enter, entry


def canary_gone(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """While the primary is being restored the canary keeps the users; without a ready pod it keeps nobody.

    Any ready pod of the primary is then better than none, whichever image it runs. Relabelled pods that are not
    restored yet serve the users where they are, the last of them as much as the first.
    """
    waiting = rollout.phase is Phase.ABORTING and rollout.current.routes == ALL_CANARY
    # While it is scaled up one pod is enough then, as ``is_roomy`` says.
    if sight is None or not waiting or rollout.current.name == SCALE_UP:
        return rollout, ()
    target, primary = rollout.target, sight.primary
    if sight.away > 0 or primary.at_home == 0:
        return rollout, ()
    ordered = primary.template is Template.RECORDED
    # Old pods beside a new template that hangs are the newest again once theirs is ordered, and then users return.
    if not ordered and primary.ready == 0:
        return rollout, ()
    text = (
        f"{target.canary_deployment} has no ready pod, so users go to {target.primary_deployment} as it is now; "
        "its image may have to be restored by hand."
    )
    if ordered:
        text = (
            f"{target.canary_deployment} has no ready pod, so users go to {target.primary_deployment}, "
            "which is still being restored."
        )
    return enter(rollout, Phase.ABORTING, rollout.stage + 1, now), (entry(now, EntryKind.ALERT, text),)


def canary_back(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """The canary was gone and is ready again before anybody was moved: the primary is restored first, after all."""
    if sight is None or rollout.phase is not Phase.ABORTING or rollout.current.name != RETURN:
        return rollout, ()
    unrestored = rollout.primary_touched and sight.primary.template is Template.UPGRADED
    if sight.routes != ALL_CANARY or sight.canary.ready == 0 or not unrestored:
        return rollout, ()
    restore = next(place for place, stage in enumerate(rollout.retreat) if stage.name == RESTORE)
    name, canary = rollout.target.primary_deployment, rollout.target.canary_deployment
    text = f"{canary} is ready again and keeps the users, so {name} is restored before they return."
    return enter(rollout, Phase.ABORTING, restore, now), (entry(now, EntryKind.STAGE, text),)


# The primary's size


def make_room(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """A primary that shrank while it had no users is scaled up: before they return, or at least while they do."""
    if sight is None or rollout.phase is not Phase.ABORTING or rollout.current.pods or rollout.current.release:
        return rollout, ()
    done, rest = rollout.retreat[: rollout.stage], rollout.retreat[rollout.stage :]
    needed = capacity.of_primary(rollout, capacity.EVERYONE, sight)
    if _must_wait(rollout, sight, needed):
        wait = Stage(name=SCALE_UP, phase=Phase.ABORTING, routes=ALL_CANARY, pods=needed)
        waiting = enter(rollout, Phase.ABORTING, rollout.stage, now, retreat=(*done, wait, *rest))
        return waiting, (entry(now, EntryKind.STAGE, _waits(rollout, sight, needed)),)
    if sight.primary.exists and sight.primary.wanted < needed:
        growing = replace(rollout, retreat=(*done, replace(rollout.current, pods=needed), *rest[1:]))
        return growing, (entry(now, EntryKind.STAGE, _grows(rollout, sight, needed)),)
    return rollout, ()


def is_roomy(rollout: Rollout, sight: Sight) -> bool:
    """Whether the wait for the primary's pods is over. When the canary is the trouble, one of them is enough."""
    hurry = rollout.urgent or sight.canary.answering == 0
    return sight.primary.at_home >= (1 if hurry else rollout.current.pods)


def _must_wait(rollout: Rollout, sight: Sight, needed: int) -> bool:
    waited = any(stage.name == SCALE_UP for stage in rollout.retreat)
    users_are_away = sight.routes is not None and sight.routes.canary > 0
    if rollout.current.name != RETURN or waited or not users_are_away:
        return False
    if sight.primary.at_home == 0:
        return True
    everyone = sight.routes == ALL_CANARY  # else some of the users are there already, and stay
    return everyone and not rollout.urgent and sight.canary.answering > 0 and sight.primary.at_home < needed


def _waits(rollout: Rollout, sight: Sight, needed: int) -> str:
    target = rollout.target
    has = f"{target.primary_deployment} has {sight.primary.at_home} of the {needed} ready pods that all users need"
    scaled = f", so it is scaled from {sight.primary.wanted} to {needed} first" if sight.primary.wanted < needed else ""
    if sight.canary.answering == 0:
        return f"{has}{scaled}. No pod of {target.canary_deployment} is ready either: nobody can be served until then."
    move = "stay on" if sight.routes == ALL_CANARY else "go to"
    return f"{has}{scaled}. Until then all users {move} {rollout.version} ({target.canary_deployment})."


def _grows(rollout: Rollout, sight: Sight, needed: int) -> str:
    name, wanted = rollout.target.primary_deployment, sight.primary.wanted
    pods = "1 pod" if wanted == 1 else f"{wanted} pods"
    return f"{name} asks for {pods} where {needed} carry all users: it is scaled to {needed} meanwhile."


def scale_up_fails(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """Nobody waits for ever for its size: with a ready pod users return all the same, without one a person decides."""
    late = rollout.phase is Phase.ABORTING and rollout.current.pods and now - rollout.since > rollout.scale_timeout
    if sight is None or not late or rollout.settled_at is not None:
        return rollout, ()
    name, primary, stage = rollout.target.primary_deployment, sight.primary, rollout.current
    within = f"within {rollout.scale_timeout / 60:.3g} minutes"
    if stage.name == SCALE_UP and primary.at_home == 0:
        return _still_nothing(rollout, sight, within, now)
    if stage.name == SCALE_UP:
        text = f"{name} had only {primary.at_home} of {stage.pods} pods ready {within}; users return all the same."
    elif stage.name == RETURN and sight.routes == HOME:
        text = f"{name} could not be scaled to {stage.pods} pods {within}: it asks for {primary.wanted}. Please look."
    else:
        return rollout, ()
    return enter(rollout, Phase.ABORTING, rollout.stage + 1, now), (entry(now, EntryKind.ALERT, text),)


def _still_nothing(rollout: Rollout, sight: Sight, within: str, now: float) -> Change:
    target = rollout.target
    reason = f"{target.primary_deployment} had no ready pod {within}. {sight.primary.reason}".rstrip()
    ready = f"{sight.canary.ready} of {sight.canary.wanted} pods"
    text = (
        f"{reason} Users are where they were ({target.canary_deployment}: {ready} ready). "
        "Bring the primary up and retry, or accept it as it is."
    )
    halted = enter(rollout, Phase.HALTED, rollout.stage, now, reason=reason)
    return halted, (entry(now, EntryKind.HALTED, text),)


# The primary's image


def upgrade_fails(rollout: Rollout, sight: Sight | None, _judgement: Judgement, now: float) -> Change:
    """A primary that does not come up is nobody's to route to: users stay on the canary and a person decides."""
    if sight is None or rollout.settled_at is not None or rollout.current.routes != ALL_CANARY:
        return rollout, ()
    if rollout.phase not in {Phase.UPGRADING, Phase.ABORTING} or rollout.current.name == SCALE_UP:
        return rollout, ()
    primary = sight.primary
    late = now - rollout.since > rollout.upgrade_timeout
    # A stuck Deployment stays FAILED until it moves: a retry waits for its time-out instead.
    failed = (
        primary.progress is Progress.FAILED and primary.template is rollout.current.template and not rollout.retries
    )
    if not (late or failed):
        return rollout, ()
    minutes = f"{rollout.upgrade_timeout / 60:.3g} minutes"
    why = primary.reason if failed else f"It did not become ready within {minutes}."
    name = rollout.target.primary_deployment
    what = "upgraded" if rollout.phase is Phase.UPGRADING else "restored"
    reason = f"{name} could not be {what}: {why}"
    ready = f"{sight.canary.ready} of {sight.canary.wanted} pods"
    text = (
        f"{reason} All users stay on {rollout.version} ({rollout.target.canary_deployment}, {ready} ready). "
        "Retry, abort (the old image is restored before any user returns), or accept it as it is."
    )
    return enter(rollout, Phase.HALTED, rollout.stage, now, reason=reason), (entry(now, EntryKind.HALTED, text),)
