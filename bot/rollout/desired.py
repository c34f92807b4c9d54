"""What the world must look like for a rollout, and the next single thing to do about it.

Level-triggered: nothing here knows what was done before. The order of what is done is the safety of the product:

* traffic leaves first and arrives last: routes move before a template does, and only to a side that is ready;
* a template is patched only while the primary has no user (ISTIO facts, I2);
* a retreat never waits for anything but the readiness of the side it returns to.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.rollout.model import ENDED, Phase, Progress, Rollout, Routes, SideSight, Sight, Template, Topology

PATCHING = frozenset({Phase.UPGRADING, Phase.ABORTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoutes:
    """Write these routes to the VirtualService."""

    routes: Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyTemplate:
    """Give the primary Deployment this one of its two recorded templates."""

    template: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCanaryDown:
    """Scale the canary Deployment to zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Leave these routes behind for good and take our marks off the VirtualService."""

    routes: Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing may be done yet; the sentence says for what."""

    sentence: str


Action = SetRoutes | ApplyTemplate | ScaleCanaryDown | Release | Wait


def next_action(rollout: Rollout, sight: Sight) -> Action | None:
    """The one thing that brings the cluster closer to what the current stage wants; None when it is as wanted."""
    if rollout.phase in ENDED | {Phase.PREFLIGHT, Phase.HALTED}:
        return None
    stage = rollout.current
    if sight.routes != stage.routes:
        blocked = receiver_not_ready(rollout, sight)
        return Wait(sentence=blocked) if blocked else SetRoutes(routes=stage.routes)
    if stage.release:
        return _finish(rollout, sight)
    if sight.owner != rollout.id:
        return SetRoutes(routes=stage.routes)
    return _patch(rollout, sight)


def _patch(rollout: Rollout, sight: Sight) -> Action | None:
    stage = rollout.current
    due = rollout.phase in PATCHING and stage.routes.primary == 0 and sight.primary.template is not stage.template
    if due and sight.canary.ready == 0:
        return Wait(sentence=f"No pod of {rollout.target.canary_deployment} is ready to keep the users meanwhile.")
    return ApplyTemplate(template=stage.template) if due else None


def _finish(rollout: Rollout, sight: Sight) -> Action | None:
    # Only a canary without users may go; with a relabelled primary both share the subset that has them.
    idle = sight.routes is not None and (sight.routes.canary == 0 or rollout.target.topology is Topology.RELABEL)
    if rollout.phase is Phase.BAKING and rollout.scale_canary_down and idle and sight.canary.wanted > 0:
        return ScaleCanaryDown()
    if sight.owner is not None:
        return Release(routes=rollout.current.routes)
    return None


def receiver_not_ready(rollout: Rollout, sight: Sight) -> str:
    """Why the stage's routes must not be written now, or "" when every side that gains users is ready for them."""
    want, live = rollout.current.routes, sight.routes
    target = rollout.target
    gains_canary = want.mirror or live is None or want.canary > live.canary
    gains_primary = live is None or want.primary > live.primary
    if want.canary + want.mirror > 0 and gains_canary and sight.canary.ready == 0:
        return f"No pod of {target.canary_deployment} is ready to receive requests."
    if want.primary > 0 and gains_primary:
        return _primary_not_ready(rollout, sight)
    return ""


def _primary_not_ready(rollout: Rollout, sight: Sight) -> str:
    name, primary = rollout.target.primary_deployment, sight.primary
    if primary.ready == 0:
        return f"No pod of {name} is ready to receive users."
    if sight.canary.ready == 0:
        return ""  # any ready pod is better than none
    if rollout.phase is Phase.SWITCHING_BACK and not is_complete(primary, Template.UPGRADED):
        return f"{name} is not completely upgraded and ready yet ({primary.ready} of {primary.wanted} pods)."
    if rollout.phase is Phase.ABORTING and rollout.primary_touched and not is_complete(primary, Template.RECORDED):
        return f"{name} is not completely restored and ready yet ({primary.ready} of {primary.wanted} pods)."
    return ""


def is_complete(side: SideSight, template: Template) -> bool:
    """Whether a Deployment's own rollout of ``template`` is done, with every wanted pod ready on it."""
    return side.template is template and side.progress is Progress.DONE and side.ready >= max(side.wanted, 1)
