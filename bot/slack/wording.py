"""How a rollout is called and what is going on with it, in a few words. Pure; used by every message about rollouts."""

from __future__ import annotations

import re

from bot.model.rollout import ALL_CANARY, HoldCause, Phase, Rollout, Stage, StageKind
from bot.rollout.phrases import called, question

_PARTS = re.compile(r"[-/:._]")

_STATES = {
    Phase.PREFLIGHT: "checking",
    Phase.MIRRORING: "mirroring",
    Phase.UPGRADING: "upgrading the primary",
    Phase.BAKING: "baking",
    Phase.PROMOTED: "promoted",
    Phase.ABORTING: "going back",
    Phase.ABORTED: "aborted",
    Phase.HALTED: "halted, needs a decision",
    Phase.REFUSED: "refused",
    Phase.ABANDONED: "abandoned",
}


def title(rollout: Rollout) -> str:
    """``reviews v1 → v2``."""
    return f"{rollout.spec.service} {old_version(rollout)} → {rollout.spec.version}"


def old_version(rollout: Rollout) -> str:
    """What the primary ran before, as people call it: its image's tag, or whatever tells the two images apart."""
    for container, image in rollout.spec.recorded.images.items():
        new = rollout.spec.canary_images.get(container, "")
        if new and new != image:
            return _distinguished(_nameless(image), _nameless(new)) or rollout.spec.target.primary_subset
    return rollout.spec.target.primary_subset


def _nameless(image: str) -> str:
    """The reference without registry and digest: ``app:1.2``."""
    return image.split("@", 1)[0].rpartition("/")[2]


def _distinguished(old: str, new: str) -> str:
    """The tag if the tags differ, else the words in the names that do (``reviews-v1:1.2``, ``reviews-v2:1.2``: v1)."""
    (old_name, _, old_tag), (new_name, _, new_tag) = old.partition(":"), new.partition(":")
    if old_tag != new_tag:
        return old_tag
    others = set(_PARTS.split(new_name))
    return "-".join(part for part in _PARTS.split(old_name) if part not in others)


def needs_approval(rollout: Rollout) -> bool:
    """Whether people are asked right now."""
    return (
        rollout.asked_at is not None
        and rollout.phase not in {Phase.HALTED, Phase.ABORTING}
        and not rollout.ended
        and not rollout.retreat
        and len(rollout.approvals) < rollout.spec.approvals_rule.count
        and rollout.stage + 1 < len(rollout.spec.plan)
    )


def needs_somebody(rollout: Rollout) -> bool:
    """Whether it waits for any decision of a person."""
    drift = rollout.drift is not None and rollout.drift.left_by is None
    return not rollout.ended and (needs_approval(rollout) or drift or rollout.phase is Phase.HALTED)


def can_accept(rollout: Rollout) -> bool:
    """Whether a halted rollout could be left as it is: only with all users on one version."""
    return rollout.phase is Phase.HALTED and rollout.current.routes == ALL_CANARY


def state(rollout: Rollout) -> str:
    """Where it is, for headings: ``needs approval``."""
    if rollout.phase in {Phase.HALTED, Phase.ABORTING} or rollout.ended:
        return _STATES[rollout.phase]
    return _waiting(rollout) or _moving(rollout)


def _waiting(rollout: Rollout) -> str:
    if rollout.paused_by:
        return f"paused at {called(rollout.current)}"
    if rollout.hold is not None and rollout.hold.cause is not HoldCause.APPROVAL:
        return f"on hold at {called(rollout.current)}"
    return "needs approval" if needs_approval(rollout) else ""


def _moving(rollout: Rollout) -> str:
    routes = rollout.current.routes
    if rollout.phase is Phase.SHIFTING:
        return f"{routes.canary} % of users on {rollout.spec.version}"
    if rollout.phase is Phase.SWITCHING_BACK:
        return f"{routes.primary} % of users back"
    return _STATES[rollout.phase]


def situation(rollout: Rollout) -> str:
    """The sentence a reader needs most: what is asked, what is wrong, or what the figures say; may be empty."""
    if rollout.phase is Phase.HALTED and rollout.hold is not None:  # something has happened since
        return f"{rollout.reason} {rollout.hold.sentence}"
    if rollout.phase in {Phase.HALTED, Phase.ABORTING, Phase.ABORTED, Phase.REFUSED, Phase.ABANDONED}:
        return str(rollout.reason)
    if rollout.phase is Phase.PROMOTED:
        return f"All users are on {rollout.spec.version}."
    if rollout.hold is not None and rollout.hold.cause is not HoldCause.APPROVAL:
        return str(rollout.hold.sentence)
    if needs_approval(rollout):
        return str(question(rollout))
    return str(rollout.judgement.sentence) if rollout.judgement else ""


def stage_title(stage: Stage, rollout: Rollout) -> str:
    """What a stage does, for people."""
    target, routes = rollout.spec.target, stage.routes
    match stage.phase:
        case Phase.MIRRORING:
            return f"Mirror {target.mirror_percent:g} % of requests to {rollout.spec.version}"
        case Phase.SHIFTING:
            return f"{routes.canary} % of users on {rollout.spec.version}"
        case Phase.UPGRADING:
            return f"Upgrade {target.primary_deployment}"
        case Phase.SWITCHING_BACK:
            return f"Return {routes.primary} % of users" if routes.primary else "Return users to the primary"
        case Phase.ABORTING:
            return _way_back(stage, target.primary_deployment)
        case _:
            return f"Bake for {span(stage.seconds)}"


def _way_back(stage: Stage, primary: str) -> str:
    if stage.kind is StageKind.SCALE_UP:
        return f"Wait for pods of {primary}"
    return f"Restore {primary}" if stage.kind is StageKind.RESTORE else "All users back on the primary"


def span(seconds: float) -> str:
    """A length of time, for people: ``45 s``, ``10 min``, ``2 h``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:g} s"


def effect(rollout: Rollout) -> str:
    """What the approve button does, on its label: the stage that would follow."""
    following = rollout.spec.plan[rollout.stage + 1]
    match following.phase:
        case Phase.SHIFTING:
            return f"Shift {following.routes.canary} % of Users to {rollout.spec.version}"
        case Phase.UPGRADING:
            return f"Upgrade the Primary to {rollout.spec.version}"
        case Phase.SWITCHING_BACK if following.routes.primary:
            return f"Return {following.routes.primary} % of Users"
        case Phase.SWITCHING_BACK:
            return "Return Users to the Primary"
        case _:
            return f"Go On after {called(rollout.current)}"
