"""The pods of a side that receives users or copies, as evidence of their own beside the figures. Pure.

An OOM kill or a crash loop of the side on trial is clear-cut: it condemns. One restart is shown, more make the rollout
wait. Fewer ready pods than the share of the users needs make it wait at once, and condemn after a few reconciles in a
row: a node that is drained is no reason to go back, a side that stays too small is.

How many a Deployment asks for is its owner's business, and an autoscaler's. Nobody is short of a pod that was not asked
for, or that was asked for a moment ago: a Deployment that wants fewer than carried everyone at the start is shown as
doing so, and nothing follows from it.

What a side without a ready pod means is asked first and needs no patience (``stranded``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.model.copies import replace
from bot.model.figures import Finding, Judgement, Tendency, Verdict
from bot.model.incidents import FAILED_CREATE, UNSCHEDULABLE, Shortage, Size, Trouble
from bot.model.observation import DeploymentStatus, Observation
from bot.model.rollout import HoldCause, Phase, Rollout, Topology
from bot.rollout import capacity
from bot.rollout.phrases import called
from bot.rollout.phrases import share as shared
from bot.words.sentence import Seconds, Sentence, Text, said

CRASHES = 3  # restarts of one container in one stage that are a crash loop, whatever it is called just now
SHORT_RECONCILES = 3  # in a row with too few ready pods ...
SHORT_SECONDS = 15.0  # ... and for so long, before it condemns
RECONCILE_SECONDS = 0.5  # looks closer together are one: a change is followed by another look at once

CRASH_LOOP, OOM = "CrashLoopBackOff", "OOMKilled"
_PULL = "ImagePullBackOff"
_PASSING = frozenset({Phase.SHIFTING, Phase.SWITCHING_BACK, Phase.BAKING})  # where a shortage may condemn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A side that receives something.

    Attributes:
        share: percent of the users; 0: copies only.
        tried: whether this is the side on trial, so that its trouble sends users back to the other.
        load: pods that carried this share when the rollout began; 0: not asked.
        expected: pods that it asks for and that may be expected to be ready by now.
    """

    name: str
    observed: DeploymentStatus
    other: DeploymentStatus
    share: int
    tried: bool
    load: int
    expected: int

    @property
    def needed(self) -> int:
        """Ready pods that must be there; 0: not asked."""
        return min(self.load, self.expected)

    @property
    def carries(self) -> Sentence:
        """What goes to it, within a sentence."""
        return said("rollout.users", share=shared(self.share)) if self.share else said("rollout.mirrored_requests")


def note(rollout: Rollout, observed: Observation, now: float) -> Rollout:
    """Remember what a stage began with, how many pods are asked for, and since when a side has too few of them."""
    sizes = dict(_sizes(rollout, observed, now))
    rollout = rollout if sizes == rollout.sizes else replace(rollout, sizes=sizes)
    if rollout.restarts is None:
        counts = {_key(one): one.restarts for side in (observed.primary, observed.canary) for one in side.troubles}
        rollout = replace(rollout, restarts={key: count for key, count in counts.items() if count})
    short = next((side for side in _sides(rollout, observed) if side.observed.answering < side.needed), None)
    before = rollout.shortage
    if short is None:
        return rollout if before is None else replace(rollout, shortage=None)
    if before is None or before.deployment != short.name:
        return replace(rollout, shortage=Shortage(deployment=short.name, since=now, seen_at=now))
    if now - before.seen_at < RECONCILE_SECONDS:
        return rollout
    return replace(rollout, shortage=replace(before, seen_at=now, reconciles=before.reconciles + 1))


def _sizes(rollout: Rollout, observed: Observation, now: float) -> Iterator[tuple[str, Size]]:
    target = rollout.spec.target
    for name, side in ((target.primary_deployment, observed.primary), (target.canary_deployment, observed.canary)):
        if side.exists:
            yield name, _size(rollout.sizes.get(name), side, now, rollout.spec.scale_timeout)


def _size(before: Size | None, side: DeploymentStatus, now: float, patience: float) -> Size:
    """A Deployment that asks for more has ``patience`` seconds to get them; one that asks for fewer wants no more."""
    if before is None:
        return Size(wanted=side.wanted, expected=side.wanted, since=now)
    since = before.since if side.wanted == before.wanted else now
    starting = before.expected < side.wanted > side.answering and now - since <= patience
    return Size(wanted=side.wanted, expected=before.expected if starting else side.wanted, since=since)


def join(rollout: Rollout, observed: Observation, judgement: Judgement) -> Judgement:
    """The judgement with what the pods say."""
    found = tuple(findings(rollout, observed))
    if not found:
        return judgement
    worst = max((judgement.verdict, *(one.verdict for one in found if one.acts)), key=lambda one: one.badness)
    ranked = sorted((*found, *judgement.findings), key=lambda one: one.verdict.badness, reverse=True)
    return replace(judgement, verdict=worst, findings=tuple(ranked))


def findings(rollout: Rollout, observed: Observation) -> Iterator[Finding]:
    """What is wrong with the pods of the sides that receive something; nothing when all is well."""
    for side in _sides(rollout, observed):
        for found in _of_side(rollout, side):
            shown = said("analysis.number", n=found.value or 0.0)
            if side.name == rollout.spec.target.canary_deployment:
                yield replace(found, canary=shown, seen=Tendency.WORSE)
            else:
                yield replace(found, primary=shown, seen=Tendency.WORSE)


def _of_side(rollout: Rollout, side: _Side) -> Iterator[Finding]:
    yield from _containers(rollout, side)
    yield from _too_few(rollout, side)
    yield from _wants_fewer(side)
    if side.observed.stale:  # I3: who has users runs exactly what is expected
        text = said("rollout.other_image", n=side.observed.stale, name=side.name, load=side.carries)
        yield Finding(gate="images", verdict=Verdict.INCONCLUSIVE, sentence=text, value=float(side.observed.stale))


def stuck(rollout: Rollout, observed: Observation) -> Text:
    """Why pods of the primary's newest template do not come up, as a sentence; "" when nothing is known against them.

    What a kubelet calls it changes from one moment to the next (a pull is tried, then waited for; a container runs,
    then crashes), and none of that is progress.
    """
    name, troubles = rollout.spec.target.primary_deployment, observed.primary.troubles
    waiting = {one.waiting: one for one in troubles if one.waiting}
    crashes = sum(one.restarts for one in troubles if one.container and one.ended not in {"", "Completed"})
    known = any(hold.cause is HoldCause.PODS for hold in rollout.holds)
    if FAILED_CREATE in waiting:
        return said("rollout.stuck_uncreated", name=name, why=waiting[FAILED_CREATE].detail)
    if _PULL in waiting:
        return said("rollout.stuck_pull", name=name, why=_PULL)
    if CRASH_LOOP in waiting or crashes > (0 if known else 1):
        return said("rollout.stuck_crashing", name=name, n=crashes)
    if UNSCHEDULABLE in waiting:
        return said("rollout.stuck_unscheduled", name=name, why=waiting[UNSCHEDULABLE].detail)
    other = next(iter(sorted(waiting)), "")
    return said("rollout.stuck", name=name, why=other) if other else ""


def stranded(rollout: Rollout, observed: Observation) -> Text:
    """That users are on a side without a pod that answers while the other has some, as a sentence; else ""."""
    if observed.pods_unobserved is not None or observed.gone:
        return ""  # nothing is known against either side, or there is nothing to move users with
    routes = observed.routes
    if observed.routes_unobserved is not None and not observed.each:  # users are where they were last seen
        routes = rollout.current.routes if rollout.settled_at is not None else None
        if routes is None:
            return ""
    if routes is None:
        return _unreadable(rollout, observed)
    target, touched = rollout.spec.target, rollout.primary_touched
    primary, canary = observed.primary.reachable, observed.away
    if routes.canary > 0 and canary == 0 and primary > 0:
        return _nobody_ready(routes.canary, target.canary_deployment)
    # Before the upgrade only where the canary has users anyway: nobody is the first to meet it by accident.
    known = touched or routes.canary > 0
    if routes.primary > 0 and primary == 0 and canary > 0 and known:
        return _nobody_ready(routes.primary, target.primary_deployment)
    return ""


def _unreadable(rollout: Rollout, observed: Observation) -> Text:
    """Somebody's edit does not say where users are: then nobody must be where no pod answers."""
    if observed.away > 0 or observed.primary.reachable == 0:
        return ""
    return said("rollout.edited_routes_strand", name=rollout.spec.target.canary_deployment)


def _nobody_ready(share: int, name: str) -> Sentence:
    return said("rollout.stranded", share=shared(share), name=name)


def _sides(rollout: Rollout, observed: Observation) -> Iterator[_Side]:
    routes = observed.routes or rollout.current.routes
    target = rollout.spec.target
    both = target.topology is Topology.RELABEL and rollout.primary_touched and rollout.phase is not Phase.UPGRADING
    back = rollout.phase is Phase.SWITCHING_BACK or (rollout.phase is Phase.BAKING and rollout.primary_touched)
    if routes.canary or routes.mirror:
        yield _Side(
            name=target.canary_deployment,
            observed=observed.canary,
            other=observed.primary,
            share=routes.canary,
            tried=not back,
            load=0 if both or not routes.canary else capacity.of_canary(rollout, routes.canary),
            expected=_expected(rollout, target.canary_deployment, observed.canary),
        )
    if routes.primary or both:
        yield _Side(
            name=target.primary_deployment,
            observed=observed.primary,
            other=observed.canary,
            share=routes.canary if both else routes.primary,
            tried=back,
            load=0 if both else capacity.of_primary(rollout, routes.primary),
            expected=_expected(rollout, target.primary_deployment, observed.primary),
        )


def _expected(rollout: Rollout, name: str, side: DeploymentStatus) -> int:
    size = rollout.sizes.get(name)
    return side.wanted if size is None else min(size.expected, side.wanted)


# Containers


class _Kind(StrEnum):
    """What happened to a side's containers since the stage began; each is a gate's name."""

    LOOPING = "crash loop"
    KILLED = "out of memory"
    RESTARTED = "restarts"


_CLEAR_CUT = frozenset({_Kind.LOOPING, _Kind.KILLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Incident:
    """The worst that happened, and to which containers, each with its restarts in this stage."""

    kind: _Kind
    news: tuple[tuple[Trouble, int], ...]

    @property
    def restarts(self) -> int:
        return sum(count for _, count in self.news)


def _containers(rollout: Rollout, side: _Side) -> Iterator[Finding]:
    incident = _worst(tuple((one, _since(rollout, one)) for one in side.observed.troubles))
    if incident is not None:
        yield _finding(side, incident, _shown(rollout, side, incident))
    waiting = _waiting(side)
    if waiting:
        yield Finding(
            gate="pods waiting",
            verdict=Verdict.INCONCLUSIVE,
            sentence=_cannot_start(side, waiting),
            value=float(len(waiting)),
        )


def _worst(news: tuple[tuple[Trouble, int], ...]) -> _Incident | None:
    """The worst that happened since the stage began; None where nothing did."""
    looping = tuple((one, count) for one, count in news if one.waiting == CRASH_LOOP or count >= CRASHES)
    killed = tuple((one, count) for one, count in news if count and one.ended == OOM)
    again = tuple((one, count) for one, count in news if count)
    kinds = ((_Kind.LOOPING, looping), (_Kind.KILLED, killed), (_Kind.RESTARTED, again))
    return next((_Incident(kind=kind, news=some) for kind, some in kinds if some), None)


def _waiting(side: _Side) -> list[Trouble]:
    """A pod that waits for a node, or for a quota, is one that is not there yet, and counted as such."""
    return [one for one in side.observed.troubles if one.container and one.waiting not in {"", CRASH_LOOP}]


def _finding(side: _Side, incident: _Incident, sentence: Text) -> Finding:
    """Clear-cut on the side on trial: it fails. One restart is shown only; anything else makes the rollout wait."""
    clear = incident.kind in _CLEAR_CUT
    return Finding(
        gate=incident.kind.value,
        verdict=Verdict.FAIL if clear and side.tried else Verdict.INCONCLUSIVE,
        sentence=sentence,
        value=float(incident.restarts),
        acts=clear or incident.restarts > 1,
    )


def _shown(rollout: Rollout, side: _Side, incident: _Incident) -> Sentence:
    why = _restarted(rollout, incident)
    match incident.kind:
        case _Kind.LOOPING:
            return said("rollout.crash_loop", name=side.name, load=side.carries, why=why)
        case _Kind.KILLED:
            return said("rollout.out_of_memory", name=side.name, load=side.carries, why=why)
        case _Kind.RESTARTED:
            return said("rollout.restarted", name=side.name, load=side.carries, why=why)


def _restarted(rollout: Rollout, incident: _Incident) -> Sentence:
    """``2 pods, 5 restarts of reviews since 40 % of users began, the last for Error``."""
    pods = len({one.pod for one, _ in incident.news})
    names = tuple(sorted({one.container for one, _ in incident.news}))
    reasons = tuple(sorted({one.ended for one, _ in incident.news if one.ended}))
    times, stage = incident.restarts, called(rollout.current)
    if reasons:
        return said("rollout.restarts_for", pods=pods, n=times, containers=names, stage=stage, reasons=reasons)
    return said("rollout.restarts", pods=pods, n=times, containers=names, stage=stage)


def _cannot_start(side: _Side, waiting: list[Trouble]) -> Sentence:
    reasons = tuple(sorted({one.waiting for one in waiting}))
    return said("rollout.cannot_start", pods=len({one.pod for one in waiting}), name=side.name, reasons=reasons)


def _since(rollout: Rollout, trouble: Trouble) -> int:
    """Restarts in this stage; a pod that was not there at its beginning has all of its restarts from it."""
    return max(0, trouble.restarts - (rollout.restarts or {}).get(_key(trouble), 0))


def _key(trouble: Trouble) -> str:
    return f"{trouble.pod}/{trouble.container}"


# Too few


def _too_few(rollout: Rollout, side: _Side) -> Iterator[Finding]:
    shortage = rollout.shortage
    if shortage is None or shortage.deployment != side.name or side.observed.answering >= side.needed:
        return
    seconds = shortage.seen_at - shortage.since
    patient = shortage.reconciles < SHORT_RECONCILES or seconds < SHORT_SECONDS
    condemns = side.tried and rollout.phase in _PASSING and side.other.answering > 0 and not patient
    yield Finding(
        gate="ready pods",
        verdict=Verdict.FAIL if condemns else Verdict.INCONCLUSIVE,
        sentence=_short_of_pods(side, shortage.reconciles, seconds),
        value=float(side.observed.answering),
        limit=float(side.needed),
    )


def _short_of_pods(side: _Side, reconciles: int, seconds: float) -> Sentence:
    ready, needed, share = side.observed.answering, side.needed, shared(side.share)
    if reconciles > 1:
        lasted = Seconds(seconds)
        return said("rollout.too_few_pods_for", name=side.name, ready=ready, needed=needed, share=share, lasted=lasted)
    return said("rollout.too_few_pods", name=side.name, ready=ready, needed=needed, share=share)


def _wants_fewer(side: _Side) -> Iterator[Finding]:
    """Shown, because latency may come of it; nothing follows, because an autoscaler that saves pods does its job."""
    if side.observed.wanted < side.load:
        wanted, share = side.observed.wanted, shared(side.share)
        yield Finding(
            gate="pods wanted",
            verdict=Verdict.INCONCLUSIVE,
            sentence=said("rollout.wants_fewer", name=side.name, n=wanted, load=side.load, share=share),
            value=float(side.observed.wanted),
            limit=float(side.load),
            acts=False,
        )
