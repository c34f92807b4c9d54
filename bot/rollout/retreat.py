"""The rules of the way back, and of a primary that does not come up. Each is one of ``decide.decide``'s rules.

While it had no users an HPA, or somebody, may have shrunk the primary. Users of a canary that is the trouble go home at
once, if only one pod is ready there, and the primary grows meanwhile. From a canary that serves everyone well they go
when enough pods are ready. To a primary without a ready pod nobody is sent at all.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.figures import Judgement
from bot.model.observation import Observation, Progress
from bot.model.rollout import ALL_CANARY, HOME, HoldCause, Phase, Rollout, StageKind, Template
from bot.model.story import EntryKind
from bot.rollout import capacity, holds
from bot.rollout.compare import Part, compare, is_orphaned, is_restoring
from bot.rollout.plans import make_wait
from bot.rollout.pods import stuck
from bot.rollout.transitions import Change, enter, entry
from bot.words.sentence import Code, Seconds, Sentence, Text, said, together

GONE_SECONDS = 30.0  # without its VirtualService, after which an abort has nothing to bring home
LOST_SECONDS = 30.0  # without its Deployment, or scaled to none, after which the primary will not come up by itself


def object_gone(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """An abort whose VirtualService does not exist has nothing to bring home, and says so.

    A tool that deletes an object to make it anew does so within seconds, so that long it is waited for.
    """
    if not observed.gone:
        return (rollout if rollout.gone_since is None else replace(rollout, gone_since=None)), ()
    if rollout.gone_since is None:
        rollout = replace(rollout, gone_since=now)
    since = rollout.gone_since or now
    if rollout.phase is not Phase.ABORTING or now - since < GONE_SECONDS:
        return rollout, ()
    target = rollout.spec.target
    facts = (said("rollout.ended_without_route", name=target.routes_names), *_left_behind(rollout, observed))
    text = said("rollout.ended", facts=facts)
    ended = enter(rollout, Phase.ABORTED, rollout.stage, now)
    return ended, (entry(now, EntryKind.ENDED, text),)


def _left_behind(rollout: Rollout, observed: Observation) -> tuple[Sentence, ...]:
    """What an abort that ends early leaves for people to do."""
    name, primary, version = rollout.spec.target.primary_deployment, observed.primary, rollout.spec.version
    if observed.pods_unobserved is not None and rollout.primary_touched:
        return (said("rollout.image_unknown", primary=name, version=version),)
    if primary.template is Template.UPGRADED:
        return (said("rollout.image_left", primary=name, version=version),)
    return ()


def canary_gone(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """While the primary is being restored the canary keeps the users; without a ready pod it keeps nobody.

    Any ready pod of the primary is then better than none, whichever image it runs. Relabelled pods that are not
    restored yet serve the users where they are, the last of them as much as the first.
    """
    # While it is scaled up one pod is enough then, as ``is_roomy`` says.
    if not is_restoring(rollout):
        return rollout, ()
    if observed.pods_unobserved is not None:
        return rollout, ()
    target, primary = rollout.spec.target, observed.primary
    if is_orphaned(observed):
        text = said("rollout.orphaned", primary=target.primary_deployment, canary=target.canary_deployment)
        return enter(rollout, Phase.ABORTING, rollout.stage + 1, now), (entry(now, EntryKind.ALERT, text),)
    if observed.away > 0 or primary.reachable == 0:
        return rollout, ()
    ordered = primary.template is Template.RECORDED
    # Old pods beside a new template that hangs are the newest again once theirs is ordered, and then users return.
    if not ordered and primary.ready == 0:
        return rollout, ()
    text = said(
        "rollout.canary_gone_restoring" if ordered else "rollout.canary_gone",
        canary=target.canary_deployment,
        primary=target.primary_deployment,
    )
    return enter(rollout, Phase.ABORTING, rollout.stage + 1, now), (entry(now, EntryKind.ALERT, text),)


def canary_back(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """The canary was gone and is ready again before anybody was moved: the primary is restored first, after all."""
    if rollout.phase is not Phase.ABORTING or rollout.current.kind is not StageKind.RETURN:
        return rollout, ()
    unrestored = rollout.primary_touched and observed.primary.template is Template.UPGRADED
    if observed.routes != ALL_CANARY or observed.canary.ready == 0 or not unrestored:
        return rollout, ()
    restore = next(index for index, stage in enumerate(rollout.retreat) if stage.kind is StageKind.RESTORE)
    name, canary = rollout.spec.target.primary_deployment, rollout.spec.target.canary_deployment
    text = said("rollout.canary_back", canary=canary, primary=name)
    restoring = enter(rollout, Phase.ABORTING, restore, now)
    return restoring, (entry(now, EntryKind.STAGE, text, stage=restoring.current.name),)


# The primary's size


def make_room(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """A primary that shrank while it had no users is scaled up: before they return, or at least while they do."""
    if rollout.phase is not Phase.ABORTING or rollout.current.pods or rollout.current.release:
        return rollout, ()
    if observed.pods_unobserved is not None:
        return rollout, ()
    done, rest = rollout.retreat[: rollout.stage], rollout.retreat[rollout.stage :]
    needed = capacity.of_primary(rollout, capacity.EVERYONE, observed)
    if _must_wait(rollout, observed, needed):
        wait = make_wait(needed)
        waiting = enter(rollout, Phase.ABORTING, rollout.stage, now, retreat=(*done, wait, *rest))
        return waiting, (entry(now, EntryKind.STAGE, _waits(rollout, observed, needed), stage=wait.name),)
    if observed.primary.exists and observed.primary.wanted < needed:
        growing = replace(rollout, retreat=(*done, replace(rollout.current, pods=needed), *rest[1:]))
        return growing, (entry(now, EntryKind.STAGE, _grows(rollout, observed, needed)),)
    return rollout, ()


def _must_wait(rollout: Rollout, observed: Observation, needed: int) -> bool:
    waited = any(stage.kind is StageKind.SCALE_UP for stage in rollout.retreat)
    users_are_away = observed.routes is not None and observed.routes.canary > 0
    if rollout.current.kind is not StageKind.RETURN or waited or not users_are_away or is_orphaned(observed):
        return False
    if observed.primary.reachable == 0:
        return True
    everyone = observed.routes == ALL_CANARY  # else some of the users are there already, and stay
    return everyone and not rollout.urgent and observed.canary.answering > 0 and observed.primary.reachable < needed


def _waits(rollout: Rollout, observed: Observation, needed: int) -> Sentence:
    target, version, wanted = rollout.spec.target, rollout.spec.version, observed.primary.wanted
    primary, canary, ready = target.primary_deployment, target.canary_deployment, observed.primary.reachable
    facts = [said("rollout.too_few_for_all", primary=primary, ready=ready, needed=needed)]
    if wanted < needed:
        facts.append(said("rollout.scaled_first", wanted=wanted, needed=needed))
    if observed.canary.answering == 0:
        facts.append(said("rollout.nobody_served", canary=canary))
    elif observed.routes == ALL_CANARY:
        facts.append(said("rollout.users_stay_until_then", version=version))
    else:
        facts.append(said("rollout.users_go_until_then", version=version))
    return said("rollout.makes_room", facts=tuple(facts))


def _grows(rollout: Rollout, observed: Observation, needed: int) -> Sentence:
    name = rollout.spec.target.primary_deployment
    return said("rollout.grows", primary=name, n=observed.primary.wanted, needed=needed)


def scale_up_fails(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Nobody waits for ever for its size: with a ready pod users return all the same, without one a person decides."""
    late = rollout.phase is Phase.ABORTING and rollout.current.pods and now - rollout.since > rollout.spec.scale_timeout
    if observed.pods_unobserved is not None or not late or rollout.settled_at is not None:
        return rollout, ()
    name, primary, stage = rollout.spec.target.primary_deployment, observed.primary, rollout.current
    time = Seconds(rollout.spec.scale_timeout)
    if _are_on_their_way(rollout, observed):
        return rollout, ()
    if stage.kind is StageKind.SCALE_UP and primary.reachable == 0:
        return _still_nothing(rollout, observed, now)
    if stage.kind is StageKind.SCALE_UP:
        text = said("rollout.return_anyway", primary=name, ready=primary.reachable, needed=stage.pods, time=time)
    elif stage.kind is StageKind.RETURN and observed.routes == HOME:
        text = said("rollout.not_scaled", primary=name, needed=stage.pods, time=time, wanted=primary.wanted)
    else:
        return rollout, ()
    return enter(rollout, Phase.ABORTING, rollout.stage + 1, now), (entry(now, EntryKind.ALERT, text),)


def _are_on_their_way(rollout: Rollout, observed: Observation) -> bool:
    """Whether users of a primary without a ready pod are still to be brought to the canary, which has some.

    A halt writes nothing, and would leave them there. Why the write does not get through is held and told meanwhile.
    """
    keeps = rollout.current.kind in {StageKind.SCALE_UP, StageKind.RESTORE} and observed.primary.reachable == 0
    return keeps and observed.away > 0 and observed.routes is not None and observed.routes != ALL_CANARY


def _still_nothing(rollout: Rollout, observed: Observation, now: float) -> Change:
    primary, time = rollout.spec.target.primary_deployment, Seconds(rollout.spec.scale_timeout)
    why = stuck(rollout, observed) or observed.primary.reason
    reason = together([said("rollout.no_pod_in_time", primary=primary, time=time), why])
    text = said("rollout.halted_without_primary", why=reason, primary=primary, canary=_canary(rollout, observed))
    halted = enter(rollout, Phase.HALTED, rollout.stage, now, reason=reason)
    return halted, (entry(now, EntryKind.HALTED, text),)


def _canary(rollout: Rollout, observed: Observation) -> Sentence:
    """Who has the users meanwhile, and how well."""
    name, canary = rollout.spec.target.canary_deployment, observed.canary
    return said("rollout.pods_ready", name=name, ready=canary.ready, wanted=canary.wanted)


# The primary's image


def upgrade_sticks(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """Pods of the primary that do not come up are told with their reason at once, and waited for all the same."""
    if observed.pods_unobserved is not None:
        return rollout, ()
    if _is_getting_its_image(rollout):
        waiting = any(gap.part is Part.PODS for gap in compare(rollout, observed))
        why = (stuck(rollout, observed) or _scaled_away(rollout, observed, now)) if waiting else ""
        if why:
            return holds.there(rollout, HoldCause.PODS, _meanwhile(rollout, why), now)
    return holds.gone(rollout, now, HoldCause.PODS)


def _meanwhile(rollout: Rollout, why: Text) -> Sentence:
    return said("rollout.stuck_meanwhile", why=why, version=rollout.spec.version)


def _scaled_away(rollout: Rollout, observed: Observation, now: float) -> Text:
    """That somebody takes the pods away which an upgraded primary without any was given, as a sentence; else "".

    KEDA does, at each of its polls, while nothing triggers it (``minReplicaCount: 0``). What it was once seen to do
    it does again: between two polls the primary asks for the pods that it is given each time.
    """
    primary, name = observed.primary, rollout.spec.target.primary_deployment
    kept = observed.denied is not None or holds.find(rollout, HoldCause.DRIFT) is not None  # nothing was given
    if rollout.phase is not Phase.UPGRADING or primary.template is not Template.UPGRADED or kept:
        return ""
    why = said("rollout.scaled_to_none", primary=name, field=Code("minReplicaCount"))
    hold = holds.find(rollout, HoldCause.PODS)
    known = hold is not None and hold.sentence == _meanwhile(rollout, why)
    again = primary.wanted == 0 and now - (rollout.arrived_at or rollout.since) > LOST_SECONDS
    return why if known or again else ""


def upgrade_fails(rollout: Rollout, observed: Observation, _judgement: Judgement, now: float) -> Change:
    """A primary that does not come up is nobody's to route to: users stay on the canary and a person decides."""
    if observed.pods_unobserved is not None or rollout.settled_at is not None or not _is_getting_its_image(rollout):
        return rollout, ()
    if rollout.waits_for_git:
        return rollout, ()  # it has not begun
    late = now - (rollout.arrived_at or rollout.since) > rollout.spec.upgrade_timeout
    if not (late or _is_hopeless(rollout, observed, now)) or _are_on_their_way(rollout, observed):
        return rollout, ()
    name, version = rollout.spec.target.primary_deployment, rollout.spec.version
    upgrading = rollout.phase is Phase.UPGRADING
    failed = said("rollout.upgrade_failed" if upgrading else "rollout.restore_failed", primary=name)
    reason = together([failed, _why_not(rollout, observed, now, late=late)])
    text = said("rollout.halted", why=reason, version=version, canary=_canary(rollout, observed))
    return enter(rollout, Phase.HALTED, rollout.stage, now, reason=reason), (entry(now, EntryKind.HALTED, text),)


def _is_getting_its_image(rollout: Rollout) -> bool:
    """In a halt nobody waits for it: people are mending it, or have other plans."""
    return rollout.phase is Phase.UPGRADING or is_restoring(rollout)


def _is_hopeless(rollout: Rollout, observed: Observation, now: float) -> bool:
    """A Deployment that says so itself, or is not there. It stays so until it moves: a retry waits its full time."""
    primary = observed.primary
    if rollout.retries:
        return False
    if not primary.exists:
        return now - rollout.since > LOST_SECONDS
    return primary.progress is Progress.FAILED and primary.template is rollout.current.template


def _why_not(rollout: Rollout, observed: Observation, now: float, *, late: bool) -> Text:
    """The pods know best, then the API server, then the Deployment; what is left is that its time is over."""
    reason = stuck(rollout, observed) or _scaled_away(rollout, observed, now)
    if reason or observed.denied is not None:
        return reason or (observed.denied.sentence if observed.denied else "")
    failed = observed.primary.progress is Progress.FAILED or not observed.primary.exists
    if late and not (failed and observed.primary.reason):
        return said("rollout.not_ready_in_time", time=Seconds(rollout.spec.upgrade_timeout))
    return observed.primary.reason
