"""What the current stage wants of the cluster, against what was seen of it: the only place where both are compared.

Everything else is read off the gaps. A stage is *settled* when no gap keeps it; the next *action* closes the first gap
that is ours to close (``actions``); a *hold* says why a gap is still there (``decide``); and what is somebody else's
doing is *drift*. Nothing here knows what was done before, and what was not seen makes no gap but its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.model.images import digest
from bot.model.observation import DeploymentStatus, Observation, Progress
from bot.model.rollout import ENDED, HOME, Phase, Rollout, Routes, StageKind, Template, Topology
from bot.rollout import capacity, hooks
from bot.rollout.phrases import share as shared
from bot.words.sentence import Sentence, Text, said


class Part(StrEnum):
    """What of the cluster a gap is about, in the order in which gaps are closed."""

    OBSERVATION = "observation"  # something that must be known was not seen
    ROUTES = "routes"  # of the VirtualService: shares and mirror
    SPARE = "spare"  # pods of a canary that has done its work
    ANNOTATIONS = "annotations"  # our annotations on the VirtualService
    PRIMARY = "primary"  # the primary is another Deployment, or none
    TEMPLATE = "template"  # the primary's
    PODS = "pods"  # of the primary, on that template
    SIZE = "size"  # how many pods the primary asks for
    CANARY = "canary"  # the canary is another Deployment, or none, or runs something else


class Whose(StrEnum):
    """Whose a gap is."""

    OURS = "ours"  # ours to close, by one write
    THEIRS = "theirs"  # somebody else's change: told, and left to people
    TIMES = "time's"  # closed by waiting: pods start, an API server answers again


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing that is not as the stage wants it.

    Attributes:
        keeps: whether the stage is not there before it is closed.
        blocked: why it must not be closed now, as a sentence; "" when it may be.
    """

    part: Part
    whose: Whose = Whose.OURS
    keeps: bool = True
    blocked: Text = ""


def compare(rollout: Rollout, observed: Observation) -> tuple[Gap, ...]:
    """Every gap between the current stage and what was seen, in the order in which gaps are closed."""
    if rollout.phase in ENDED | {Phase.PREFLIGHT}:
        return ()
    return tuple(gap for find in _FINDERS for gap in find(rollout, observed))


def is_complete(side: DeploymentStatus, template: Template) -> bool:
    """Whether a Deployment's own rollout of ``template`` is done: every wanted pod is ready on it, and no other pod."""
    done = side.template is template and side.progress is Progress.DONE and side.stale == 0
    return done and side.ready >= max(side.wanted, 1)


def is_restored(rollout: Rollout, observed: Observation) -> bool:
    """Whether a primary that may have been patched can take everyone back.

    When the canary is the trouble nobody waits for the last pod: enough of them on the old image, and none on another.
    """
    primary = observed.primary
    if is_complete(primary, Template.RECORDED):
        return True
    clean = primary.template is Template.RECORDED and primary.stale == 0
    enough = capacity.of_primary(rollout, capacity.EVERYONE, observed)
    return rollout.urgent and rollout.spec.target.primary_replicas > 0 and clean and primary.ready >= enough


def is_restoring(rollout: Rollout) -> bool:
    """Whether an abort is putting the primary's recorded template back now."""
    return rollout.phase is Phase.ABORTING and rollout.current.kind is StageKind.RESTORE


def is_roomy(rollout: Rollout, observed: Observation) -> bool:
    """Whether the wait for the primary's pods is over. When the canary is the trouble, one of them is enough."""
    hurry = rollout.urgent or observed.canary.answering == 0
    return observed.primary.reachable >= (1 if hurry else rollout.current.pods)


def is_orphaned(observed: Observation) -> bool:
    """Whether neither Deployment exists any more: then no route is better for users than another."""
    return observed.pods_unobserved is None and not observed.primary.exists and not observed.canary.exists


# What was not seen


def _observed(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    stage = rollout.current
    if observed.routes_unobserved is not None:
        # Nobody comes by an object that does not exist: who is still there is brought home without it.
        home = rollout.phase is Phase.ABORTING and not observed.gone
        yield Gap(part=Part.OBSERVATION, whose=Whose.TIMES, keeps=not (observed.missing and (stage.release or home)))
    if observed.pods_unobserved is not None:
        # Whoever is home is home, also where nobody may look at the pods.
        yield Gap(part=Part.OBSERVATION, whose=Whose.TIMES, keeps=not (stage.release or stage.kind is StageKind.RETURN))


# The VirtualService


def _routes(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    want, kind, before = rollout.current.routes, rollout.current.kind, _before(rollout)
    astray = [one.routes for one in observed.objects if one.routes != want]
    if not astray:
        return
    # Of several objects some may have been written already: each is as this stage wants it, or as one before left it.
    ours = (
        rollout.phase is Phase.ABORTING
        or rollout.goes_home
        or (rollout.settled_at is None and all(live is not None and live in before for live in astray))
        or (rollout.settled_at is None and rollout.phase is Phase.HALTED)
    )
    not_begun = said("rollout.webhook_keeps_start") if hooks.keeps_start(rollout) else ""
    whose, blocked = Whose.OURS if ours else Whose.THEIRS, not_begun or _receiver_not_ready(rollout, observed)
    yield Gap(part=Part.ROUTES, whose=whose, keeps=kind is not StageKind.SCALE_UP, blocked=blocked)


def _before(rollout: Rollout) -> set[Routes]:
    """What the routes may be while the stage's own are still to be written: what the stage before has left, or those
    that it came from.
    """
    if rollout.retreat:
        return {rollout.current.routes}
    copies_follow = (HOME,) if rollout.current.on_copies else ()  # users first
    return {rollout.spec.plan[rollout.stage - 1].routes if rollout.stage else HOME, *rollout.came_from, *copies_follow}


def _annotations(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    owners, ours = observed.owners, rollout.spec.id
    if not owners:
        return
    taken, gone = observed.foreign(ours) is not None, None in owners or not observed.annotated
    if rollout.current.release:
        if ours in owners:
            yield Gap(part=Part.ANNOTATIONS)
        elif taken and rollout.phase is not Phase.ABORTING:
            yield Gap(part=Part.ANNOTATIONS, whose=Whose.THEIRS, keeps=False)
        return
    if not (taken or gone):
        if not observed.signed:  # a version without a key wrote it; nothing waits for that
            yield Gap(part=Part.ANNOTATIONS, keeps=False)
        return
    ordered = rollout.phase is Phase.ABORTING or rollout.goes_home
    theirs = not ordered and (taken or rollout.settled_at is not None)
    # A template is patched, and a wait is over, whoever holds the VirtualService meanwhile.
    away = rollout.phase is Phase.HALTED or rollout.current.kind in {StageKind.RESTORE, StageKind.SCALE_UP}
    keeps = owners != {ours} and not away
    yield Gap(part=Part.ANNOTATIONS, whose=Whose.THEIRS if theirs else Whose.OURS, keeps=keeps)


# The Deployments


def _spare(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    """The canary's pods are not needed any more, unless they are the next version's already."""
    over = rollout.current.release and _goes_down(rollout)
    if over and observed.pods_unobserved is not None:
        name = rollout.spec.target.canary_deployment
        yield Gap(part=Part.SPARE, keeps=False, blocked=said("rollout.canary_unseen", name=name))
        return
    if not over or observed.placed is None or not _is_still_ours(rollout, observed):
        return
    if observed.placed.canary == 0:
        yield Gap(part=Part.SPARE, keeps=False)
    # A relabelled primary shares the subset that has the users, and must be able to carry them alone.
    elif rollout.spec.target.topology is Topology.RELABEL and rollout.current.template is Template.UPGRADED:
        yield Gap(part=Part.SPARE, keeps=False, blocked=_not_upgraded(rollout, observed))


def _goes_down(rollout: Rollout) -> bool:
    """Whether the canary is not left running: after a promotion as the service says, and one that was parked always."""
    if rollout.phase is Phase.ABORTING:
        return rollout.spec.parked is not None
    return rollout.phase is Phase.BAKING and rollout.spec.scale_canary_down


def _is_still_ours(rollout: Rollout, observed: Observation) -> bool:
    canary, uid = observed.canary, rollout.spec.target.canary_uid
    return canary.wanted > 0 and canary.template is Template.RECORDED and (not uid or canary.uid in {"", uid})


def _primary(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    if (
        observed.pods_unobserved is None
        and not _is_left_alone(rollout)
        and is_replaced(observed.primary, _uid(rollout))
    ):
        yield Gap(part=Part.PRIMARY, whose=Whose.THEIRS, keeps=False)


def _template(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    stage, side = rollout.current, observed.primary
    if observed.pods_unobserved is not None or side.template is stage.template or stage.kind is StageKind.SCALE_UP:
        return
    blocked = _users_may_be_there(rollout, observed) or _nobody_to_keep_the_users(rollout, observed)
    if rollout.waits_for_git and side.template is not None:
        yield Gap(part=Part.TEMPLATE, whose=Whose.TIMES)
        return
    begun = rollout.phase is Phase.UPGRADING and rollout.settled_at is None and side.template is not None
    if begun or is_restoring(rollout):
        yield Gap(part=Part.TEMPLATE, blocked=blocked)
    elif not _is_left_alone(rollout) and not is_replaced(side, _uid(rollout)):
        yield Gap(part=Part.TEMPLATE, whose=Whose.THEIRS, keeps=rollout.phase is Phase.UPGRADING, blocked=blocked)


def _pods(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    if observed.pods_unobserved is not None:
        return
    upgrading = rollout.phase is Phase.UPGRADING and not is_complete(observed.primary, rollout.current.template)
    restoring = is_restoring(rollout) and not is_restored(rollout, observed)
    if upgrading or restoring:
        yield Gap(part=Part.PODS, whose=Whose.TIMES)


def _size(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    if observed.pods_unobserved is not None:
        return
    small = observed.primary.wanted < rollout.current.pods
    if rollout.current.kind is StageKind.SCALE_UP:
        roomy = is_roomy(rollout, observed)
        if small or not roomy:
            yield Gap(part=Part.SIZE, keeps=not roomy)
    elif small:
        yield Gap(part=Part.SIZE, keeps=not rollout.current.on_copies)  # who is home at once is not comfortable


def _canary(rollout: Rollout, observed: Observation) -> Iterator[Gap]:
    """A canary that runs something else is not the one that was judged."""
    if observed.pods_unobserved is not None or _is_left_alone(rollout) or _is_done_with(rollout, observed):
        return
    side = observed.canary
    replaced = is_replaced(side, rollout.spec.target.canary_uid)
    if replaced or side.template is None or any(foreign_bits(side, rollout.spec.on_canary.images)):
        yield Gap(part=Part.CANARY, whose=Whose.THEIRS, keeps=False)


def foreign_bits(side: DeploymentStatus, pinned: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Digest asked for and digests shown instead. The same name may come to mean other bits: a tag that was pushed
    again, and a pod that has pulled it since.
    """
    for container, image in pinned.items():
        asked = digest(image)
        others = sorted(side.digests.get(container, frozenset()) - {asked, ""})
        if asked and others:
            yield asked, others


def _uid(rollout: Rollout) -> str:
    return rollout.spec.target.primary_uid


def is_replaced(side: DeploymentStatus, uid: str) -> bool:
    """Whether a Deployment is not there, or not the one that the rollout began with."""
    return not side.exists or bool(uid and side.uid and side.uid != uid)


def _is_left_alone(rollout: Rollout) -> bool:
    """Where somebody may be mending Deployments by hand, or they have no users any more."""
    return rollout.phase in {Phase.HALTED, Phase.ABORTING} or rollout.accepted


def _is_done_with(rollout: Rollout, observed: Observation) -> bool:
    """Whether the canary has done its work: users are on the upgraded primary for good.

    It may be cleaned away then, or get its next image. Where a relabelled primary shares the canary's subset, its pods
    still answer users for as long as there are any.
    """
    if rollout.phase is not Phase.BAKING or not rollout.primary_touched:
        return False
    return rollout.current.routes.canary == 0 or observed.canary.answering == 0


_FINDERS = (_observed, _routes, _spare, _annotations, _primary, _template, _pods, _size, _canary)


# Why something must wait


def _receiver_not_ready(rollout: Rollout, observed: Observation) -> Text:
    """Why the stage's routes must not be written now, or "" when every side that gains users is ready for them."""
    want, target = rollout.current.routes, rollout.spec.target
    live = [one.routes for one in observed.objects]
    gains_canary = want.mirror or any(one is None or want.canary > one.canary for one in live)
    gains_primary = any(one is None or want.primary > one.primary for one in live)
    if rollout.goes_home and gains_primary:  # users first; that copies arrive is found of the stage
        want, gains_canary = HOME, False
    if observed.pods_unobserved is not None:
        return _unknown_receiver(rollout, canary=gains_canary and want.canary + want.mirror > 0)
    if want.canary + want.mirror > 0 and gains_canary:
        if observed.canary.ready == 0:
            return said("rollout.no_ready_pod", name=target.canary_deployment)
        parked = rollout.spec.parked
        if parked and rollout.phase is Phase.MIRRORING and rollout.settled_at is None:
            wanted = min(parked.pods, max(observed.canary.wanted, 1))
            if observed.canary.ready < wanted:  # the first pod alone would get every copy
                return _too_few(target.canary_deployment, observed.canary, wanted, round(target.mirror_percent))
        # No more than it asks for: with users on it, an autoscaler will see to the rest.
        needed = min(capacity.of_canary(rollout, want.canary), max(observed.canary.wanted, 1))
        if rollout.phase is Phase.SHIFTING and observed.canary.ready < needed:
            return _too_few(target.canary_deployment, observed.canary, needed, want.canary)
    if want.primary > 0 and gains_primary:
        return _primary_not_ready(rollout, observed)
    return ""


def _unknown_receiver(rollout: Rollout, *, canary: bool) -> Text:
    """Users go to pods that cannot be seen in one case: home, by a retreat, to a primary that was never touched."""
    if not canary and (rollout.phase is Phase.ABORTING or rollout.goes_home) and not rollout.primary_touched:
        return ""
    name = rollout.spec.target.canary_deployment if canary else rollout.spec.target.primary_deployment
    return said("rollout.receiver_unseen", name=name)


def _primary_not_ready(rollout: Rollout, observed: Observation) -> Text:
    name, primary = rollout.spec.target.primary_deployment, observed.primary
    if rollout.phase is Phase.ABORTING and is_orphaned(observed):
        return ""
    if primary.reachable == 0:
        return said("rollout.no_ready_pod", name=name)
    if observed.away == 0:
        return ""  # any ready pod is better than none
    if rollout.phase is Phase.SWITCHING_BACK:
        return _not_upgraded(rollout, observed)
    if rollout.phase is Phase.ABORTING and rollout.primary_touched and not is_restored(rollout, observed):
        return said("rollout.not_restored", name=name, ready=primary.ready, wanted=primary.wanted)
    return ""


def _not_upgraded(rollout: Rollout, observed: Observation) -> Text:
    """Why the upgraded primary cannot take the stage's users yet."""
    name, primary = rollout.spec.target.primary_deployment, observed.primary
    if not is_complete(primary, Template.UPGRADED):
        return said("rollout.not_upgraded", name=name, ready=primary.ready, wanted=primary.wanted)
    share = rollout.current.routes.primary or capacity.EVERYONE  # relabelled, it serves under the canary's name
    needed = capacity.of_primary(rollout, share, observed)
    return _too_few(name, primary, needed, share) if primary.ready < needed else ""


def _too_few(name: str, side: DeploymentStatus, needed: int, share: int) -> Sentence:
    return said("rollout.too_few_pods", name=name, ready=side.ready, needed=needed, share=shared(share))


def _users_may_be_there(rollout: Rollout, observed: Observation) -> Text:
    """A stage that has no users on the primary may have been entered while nobody could write that."""
    if observed.routes_unobserved is None or observed.missing:
        return ""
    return said("rollout.users_unseen", name=rollout.spec.target.primary_deployment)


def _nobody_to_keep_the_users(rollout: Rollout, observed: Observation) -> Text:
    if observed.canary.ready == 0 and observed.primary.ready > 0:
        return said("rollout.nobody_keeps_users", name=rollout.spec.target.canary_deployment)
    return ""
