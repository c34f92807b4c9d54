"""What the world must look like for a rollout, and the next single thing to do about it.

Level-triggered: nothing here knows what was done before. The order of what is done is the safety of the product:

* traffic leaves first and arrives last: routes move before a template does, and only to a side that is ready;
* a template is patched only while the primary has no user (ISTIO facts, I2);
* a retreat never waits for anything but the readiness of the side it returns to;
* only what has had no users for a while is scaled down (I4), and a primary that shrank meanwhile is scaled up.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.rollout import capacity
from bot.rollout.model import ENDED, SCALE_UP, Phase, Rollout, RolloutId, Routes, Template, Topology
from bot.rollout.sights import Progress, SideSight, Sight

PATCHING = frozenset({Phase.UPGRADING, Phase.ABORTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoutes:
    """Write these routes to the VirtualService.

    Attributes:
        over: another rollout whose mark is knowingly overwritten: somebody chose to restore, or to abort.
        again: ours were there before, whatever became of our marks.
    """

    routes: Routes
    over: RolloutId | None = None
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyTemplate:
    """Give the primary Deployment this one of its two recorded templates."""

    template: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCanaryDown:
    """Scale the canary Deployment to zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePrimaryUp:
    """Let the primary Deployment ask for at least so many pods."""

    pods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Leave these routes behind for good and take our marks off the VirtualService."""

    routes: Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing may be done yet; the sentence says for what."""

    sentence: str


Action = SetRoutes | ApplyTemplate | ScaleCanaryDown | ScalePrimaryUp | Release | Wait


def next_action(rollout: Rollout, sight: Sight) -> Action | None:
    """The one thing that brings the cluster closer to what the current stage wants; None when it is as wanted."""
    idle = rollout.phase in ENDED | {Phase.PREFLIGHT} or (rollout.phase is Phase.HALTED and not rollout.restoring_at)
    if idle:
        return None
    stage = rollout.current
    if sight.routes != stage.routes:
        blocked = receiver_not_ready(rollout, sight)
        return (_scale_up(rollout, sight) or Wait(sentence=blocked)) if blocked else _routes(rollout, sight)
    if stage.release:
        return _finish(rollout, sight)
    if sight.owner != rollout.id or not sight.marked:
        return _routes(rollout, sight)
    return _patch(rollout, sight) or (_scale_up(rollout, sight) if rollout.phase is Phase.ABORTING else None)


def _routes(rollout: Rollout, sight: Sight) -> SetRoutes:
    """The stage's routes. Only who was told to may take the object from another rollout."""
    told = rollout.phase is Phase.ABORTING or rollout.restoring_at is not None
    theirs = sight.owner if sight.owner not in {None, rollout.id} and told else None
    return SetRoutes(routes=rollout.current.routes, over=theirs, again=rollout.restoring_at is not None)


def _patch(rollout: Rollout, sight: Sight) -> Action | None:
    stage = rollout.current
    phase = rollout.phase in PATCHING or rollout.restoring_at is not None
    wrong = sight.primary.template is not stage.template and stage.name != SCALE_UP
    if not (phase and wrong and stage.routes.primary == 0):
        return None
    if sight.canary.ready == 0 and sight.primary.ready > 0:
        return Wait(sentence=f"No pod of {rollout.target.canary_deployment} is ready to keep the users meanwhile.")
    return ApplyTemplate(template=stage.template)


def _scale_up(rollout: Rollout, sight: Sight) -> Action | None:
    """A primary that shrank while it had no users: an HPA, or somebody, took it for idle."""
    if not sight.primary.exists:
        return None
    pods = rollout.current.pods
    # Relabelled, it is about to carry alone those whom it shares with the canary.
    alone = rollout.phase is Phase.BAKING and rollout.current.release
    if rollout.phase is Phase.SWITCHING_BACK or alone:
        pods = capacity.of_primary(rollout, capacity.EVERYONE, sight)
    return ScalePrimaryUp(pods=pods) if sight.primary.wanted < pods else None


def _finish(rollout: Rollout, sight: Sight) -> Action | None:
    down = rollout.phase is Phase.BAKING and rollout.scale_canary_down and _is_still_ours(rollout, sight)
    if down and sight.routes is not None and sight.routes.canary == 0:
        return ScaleCanaryDown()
    # A relabelled primary shares the subset that has the users, and must be able to carry them alone.
    if down and rollout.target.topology is Topology.RELABEL and rollout.current.template is Template.UPGRADED:
        blocked = _not_upgraded(rollout, sight)
        return (_scale_up(rollout, sight) or Wait(sentence=blocked)) if blocked else ScaleCanaryDown()
    if sight.owner == rollout.id:
        return Release(routes=rollout.current.routes)
    return None


def _is_still_ours(rollout: Rollout, sight: Sight) -> bool:
    """Whether the canary's pods are those of this rollout, and not of the next version that somebody deploys there."""
    canary, uid = sight.canary, rollout.target.canary_uid
    return canary.wanted > 0 and canary.template is Template.RECORDED and (not uid or canary.uid in {"", uid})


def receiver_not_ready(rollout: Rollout, sight: Sight) -> str:
    """Why the stage's routes must not be written now, or "" when every side that gains users is ready for them."""
    want, live = rollout.current.routes, sight.routes
    target = rollout.target
    gains_canary = want.mirror or live is None or want.canary > live.canary
    gains_primary = live is None or want.primary > live.primary
    if want.canary + want.mirror > 0 and gains_canary:
        if sight.canary.ready == 0:
            return f"No pod of {target.canary_deployment} is ready to receive requests."
        # No more than it asks for: with users on it, an autoscaler will see to the rest.
        needed = min(capacity.of_canary(rollout, want.canary), max(sight.canary.wanted, 1))
        if rollout.phase is Phase.SHIFTING and sight.canary.ready < needed:
            return _too_few(target.canary_deployment, sight.canary, needed, want.canary)
    if want.primary > 0 and gains_primary:
        return _primary_not_ready(rollout, sight)
    return ""


def _primary_not_ready(rollout: Rollout, sight: Sight) -> str:
    name, primary = rollout.target.primary_deployment, sight.primary
    if primary.at_home == 0:
        return f"No pod of {name} is ready to receive users."
    if sight.away == 0:
        return ""  # any ready pod is better than none
    if rollout.phase is Phase.SWITCHING_BACK:
        return _not_upgraded(rollout, sight)
    if rollout.phase is Phase.ABORTING and rollout.primary_touched and not is_restored(rollout, sight):
        return f"{name} is not completely restored and ready yet ({primary.ready} of {primary.wanted} pods)."
    return ""


def _not_upgraded(rollout: Rollout, sight: Sight) -> str:
    """Why the upgraded primary cannot take the stage's users yet."""
    name, primary = rollout.target.primary_deployment, sight.primary
    if not is_complete(primary, Template.UPGRADED):
        return f"{name} is not completely upgraded and ready yet ({primary.ready} of {primary.wanted} pods)."
    share = rollout.current.routes.primary or capacity.EVERYONE  # relabelled, it serves under the canary's name
    needed = capacity.of_primary(rollout, share, sight)
    return _too_few(name, primary, needed, share) if primary.ready < needed else ""


def _too_few(name: str, side: SideSight, needed: int, share: int) -> str:
    return f"{name} has {side.ready} of the {needed} ready pods that {share} % of the users need."


def is_complete(side: SideSight, template: Template) -> bool:
    """Whether a Deployment's own rollout of ``template`` is done: every wanted pod is ready on it, and no other pod."""
    done = side.template is template and side.progress is Progress.DONE and side.stale == 0
    return done and side.ready >= max(side.wanted, 1)


def is_restored(rollout: Rollout, sight: Sight) -> bool:
    """Whether a primary that may have been patched can take everyone back.

    When the canary is the trouble nobody waits for the last pod: enough of them on the old image, and none on another.
    """
    primary = sight.primary
    if is_complete(primary, Template.RECORDED):
        return True
    clean = primary.template is Template.RECORDED and primary.stale == 0
    enough = capacity.of_primary(rollout, capacity.EVERYONE, sight)
    return rollout.urgent and rollout.target.primary_replicas > 0 and clean and primary.ready >= enough
