"""What the world must look like for a rollout, and the next single thing to do about it.

Level-triggered: nothing here knows what was done before, and what is not as it should be is found in ``compare``. The
order of what is done is the safety of the product:

* traffic leaves first and arrives last: routes move before a template does, and only to a side that is ready;
* a template is patched only while the primary has no user;
* a retreat never waits for anything but the readiness of the side it returns to;
* only what has had no users for a while is scaled down, and a primary that shrank meanwhile is scaled up: before users
  return, or with its upgrade where no pod is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.observation import Observation
from bot.model.rollout import HOME, Phase, Rollout, RolloutId, Routes, Template
from bot.rollout import capacity, hooks
from bot.rollout.compare import Gap, Part, Whose, compare
from bot.words.sentence import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoutes:
    """Write these routes to the VirtualService.

    Attributes:
        taking_from: another rollout whose annotation is knowingly overwritten: somebody chose to restore, or to abort.
        held_before: ours were there before, whatever became of our annotations.
    """

    routes: Routes
    taking_from: RolloutId | None = None
    held_before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyTemplate:
    """Give the primary Deployment this one of its two recorded templates."""

    template: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCanaryDown:
    """Scale the canary Deployment to zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCanaryUp:
    """Give a canary that has no pods so many."""

    pods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePrimaryUp:
    """Let the primary Deployment ask for at least so many pods."""

    pods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Leave these routes behind for good and take our annotations off the VirtualService."""

    routes: Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing may be done yet; the sentence says for what."""

    sentence: Text


Action = SetRoutes | ApplyTemplate | ScaleCanaryDown | ScaleCanaryUp | ScalePrimaryUp | Release | Wait


def next_action(rollout: Rollout, observed: Observation) -> Action | None:
    """The one thing that brings the cluster closer to what the current stage wants; None when there is none."""
    if rollout.phase is Phase.HALTED and not rollout.restoring_at:
        return None
    actions = (_action_on(gap, rollout, observed) for gap in compare(rollout, observed))
    return next((action for action in actions if action is not None), None)


def _action_on(gap: Gap, rollout: Rollout, observed: Observation) -> Action | None:
    """What closes the gap, or why that must wait; None where it is not for us, or only time closes it."""
    if gap.part in {Part.ROUTES, Part.SPARE} and gap.blocked:
        return _unpark(rollout, observed) or _scale_up(rollout, observed) or Wait(sentence=gap.blocked)
    if gap.part is Part.SPARE:
        return ScaleCanaryDown()
    if gap.part is Part.ANNOTATIONS and rollout.current.release:
        return Release(routes=rollout.current.routes) if gap.whose is Whose.OURS else None
    if gap.part in {Part.ROUTES, Part.ANNOTATIONS}:
        return _routes(rollout, observed)
    if gap.part is Part.TEMPLATE:
        return _patch(gap, rollout)
    grows = gap.part is Part.SIZE and (rollout.phase is Phase.ABORTING or rollout.current.on_copies)
    return _scale_up(rollout, observed) if grows else _wake(gap, rollout, observed)


def _routes(rollout: Rollout, observed: Observation) -> SetRoutes:
    """The stage's routes. Only who was told to may take the object from another rollout."""
    ordered = rollout.phase is Phase.ABORTING or rollout.goes_home or rollout.restoring_at is not None
    theirs = observed.foreign(rollout.spec.id) if ordered else None
    # Users wait neither for a canary that could take no copies nor for copies that are refused; those follow.
    alone = observed.pods_unobserved is not None or observed.canary.ready == 0 or observed.denied is not None
    routes = HOME if rollout.goes_home and alone else rollout.current.routes
    return SetRoutes(routes=routes, taking_from=theirs, held_before=rollout.restoring_at is not None)


def _patch(gap: Gap, rollout: Rollout) -> Action | None:
    """Never under users, and over somebody else's change only when somebody said so."""
    theirs = gap.whose is Whose.THEIRS and rollout.restoring_at is None
    if theirs or gap.whose is Whose.TIMES or rollout.current.routes.primary > 0:
        return None
    return Wait(sentence=gap.blocked) if gap.blocked else ApplyTemplate(template=rollout.current.template)


def _unpark(rollout: Rollout, observed: Observation) -> ScaleCanaryUp | None:
    """Only from no pods at all: another number is an HPA's, or somebody's. Nothing is written before webhooks agree."""
    parked, canary = rollout.spec.parked, observed.canary
    needed = rollout.phase in {Phase.MIRRORING, Phase.SHIFTING} and rollout.settled_at is None
    needed = needed and not hooks.keeps_start(rollout)
    if parked is None or not needed or observed.pods_unobserved is not None or not canary.exists or canary.wanted:
        return None
    return ScaleCanaryUp(pods=parked.pods)


def _wake(gap: Gap, rollout: Rollout, observed: Observation) -> ScalePrimaryUp | None:
    """An upgraded primary that asks for no pods at all shows nothing of its new image, however long one waits."""
    asleep = observed.primary.wanted == 0 and observed.primary.template is Template.UPGRADED
    if gap.part is not Part.PODS or rollout.phase is not Phase.UPGRADING or not asleep:
        return None
    return ScalePrimaryUp(pods=capacity.of_primary(rollout, capacity.EVERYONE, observed))


def _scale_up(rollout: Rollout, observed: Observation) -> Action | None:
    """A primary that shrank while it had no users: an HPA, or somebody, took it for idle."""
    if observed.pods_unobserved is not None or not observed.primary.exists:
        return None
    pods = rollout.current.pods
    # Relabelled, it is about to carry alone those whom it shares with the canary.
    alone = rollout.phase is Phase.BAKING and rollout.current.release
    if rollout.phase is Phase.SWITCHING_BACK or alone:
        pods = capacity.of_primary(rollout, capacity.EVERYONE, observed)
    return ScalePrimaryUp(pods=pods) if observed.primary.wanted < pods else None
