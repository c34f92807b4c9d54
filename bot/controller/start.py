"""Before a rollout begins: its draft, the last checks against the live cluster, and the plan a person can read."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.analysis import analysis
from bot.analysis.gates import PROPAGATION
from bot.controller import claims
from bot.controller.ports import Ports, Rehearsal
from bot.controller.rivals import conflicts
from bot.model import versions
from bot.model.errors import Cause, Fault, Refusal
from bot.model.figures import SideFigures
from bot.model.observation import Denied
from bot.model.rollout import HOME, Parked, Phase, Rollout, RolloutId, RolloutSpec, Stage, UserId
from bot.model.service import Promote, ServiceConfig
from bot.preflight import Callers, Examined, MetricFacts, examine, freezes, hosts, measurements, ready_to_begin
from bot.preflight.as_written import UNWRITABLE
from bot.preflight.mesh import ANNOTATIONS
from bot.preflight.moved import MOVED, left_on_canary
from bot.preflight.permissions import PERMISSION
from bot.rollout.phrases import called, share
from bot.rollout.plans import Overrides, make_drill, make_plan
from bot.words.said import Channel, Said, Seconds, Share, Text, said, together

NO_OVERRIDES = Overrides()
PAST_SECONDS = 3600.0  # of the primary, before the canary gets anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asked for, and why, if they said; ``others`` are all services of the file."""

    service: ServiceConfig
    version: str
    by: UserId
    channel: str = ""
    overrides: Overrides = NO_OVERRIDES
    because: str = ""
    others: Sequence[ServiceConfig] = ()
    drill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A rollout that could begin: what was found, the value that would be stored, and the primary's last hour."""

    service: ServiceConfig
    examined: Examined
    rollout: Rollout
    past: Sequence[SideFigures | None] | Fault
    others: Sequence[ServiceConfig] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Everything preflight has to say: reasons not to begin, and what a person should know. Both with what to do."""

    reasons: tuple[Text, ...]
    warnings: tuple[Text, ...]

    @property
    def findings(self) -> tuple[Text, ...]:
        """All of it, for whoever is refused: what only warns is worth mending on the same occasion."""
        return (*self.reasons, *(said("controller.warning", text=text) for text in self.warnings))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        objects: what would be written, as raw objects, in order.
    """

    name: str
    called: Text
    sentence: Text
    objects: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a start would do, without doing it. ``reasons`` are why it would be refused now."""

    planned: Sequence[PlannedStage]
    reasons: Sequence[Text]
    warnings: Sequence[Text]

    @property
    def findings(self) -> tuple[Text, ...]:
        """All that preflight says: what stops a start, then what a person should know."""
        blocking = (said("controller.stops_a_start", reason=reason) for reason in self.reasons)
        return (*blocking, *(said("controller.warning", text=text) for text in self.warnings))

    @property
    def stages(self) -> Sequence[tuple[Text, Text]]:
        """What each stage is called, and what it does."""
        return [(stage.called, stage.sentence) for stage in self.planned]


def make_draft(order: Order, rollout_id: RolloutId, ports: Ports, now: float) -> Draft:
    """Look at the cluster and draw up the rollout.

    Raises:
        Refusal: the objects are missing or ambiguous, with every reason.
    """
    service = replace(order.service, weights=order.overrides.weights or order.service.weights)
    snapshot = ports.snapshots.take(service, order.version)
    past = _past(service, ports, now)
    figures = _figures(order, ports, now, past, hosts.roots(service, order.version, snapshot))
    try:
        examined = examine(service, order.version, snapshot, *figures, _left_on_canary(service, ports))
    except Refusal as refusal:
        frozen, _ = _frozen_or_why_not(service.name, ports)
        unheard, _ = _unheard(order.channel or service.channel, ports)
        raise Refusal(refusal.sentence, (*frozen, *unheard, *refusal.reasons)) from refusal
    service = replace(service, scale_canary_down=service.scale_canary_down or examined.parked > 0)
    plan = make_plan(service, examined.target.topology, order.overrides)
    rollout = Rollout(
        spec=RolloutSpec(
            id=rollout_id,
            service=service.name,
            version=order.version,
            channel=order.channel or service.channel,
            started_by=order.by,
            started_at=now,
            target=examined.target,
            plan=make_drill(plan) if order.drill else plan,
            recorded=examined.recorded,
            upgraded=examined.upgraded,
            canary_images=examined.canary.images,
            gates=service.gates,
            approvals_rule=service.approvals,
            metrics=service.metrics,
            upgrade_timeout=service.upgrade_timeout,
            hold_patience=service.hold_patience,
            scale_timeout=service.scale_timeout,
            drift_rule=service.drift,
            scale_canary_down=service.scale_canary_down,
            parked=Parked(pods=examined.parked, drain=service.drain_seconds) if examined.parked else None,
            language=service.language or "",
            webhooks=service.webhooks,
            by_git=service.promote is Promote.GIT,
            because=order.because,
            drill=order.drill,
            budget=service.budget,
        )
    )
    return Draft(service=service, examined=examined, rollout=rollout, past=past, others=order.others)


def _left_on_canary(service: ServiceConfig, ports: Ports) -> Rollout | None:
    """The service's last rollout, if it left all users on its canary. Not known is like no: the routes say it too."""
    try:
        last = next(iter(ports.store.history(service.key, 1)), None)
    except Fault:
        return None
    return last if last is not None and left_on_canary(last) else None


def frozen_now(service: str, ports: Ports) -> list[Text]:
    """Why nothing of this service may begin now."""
    now = ports.clock.now()
    found = freezes.check(ports.freezes.current(now), service, now)
    return [problem.text for problem in found]


def _rivals(draft: Draft, ports: Ports) -> list[Text]:
    return list(conflicts(draft.rollout, ports.store.live(), draft.others))


def _rivals_if_known(draft: Draft, ports: Ports) -> list[Text]:
    """The same for whoever starts nothing: a store that is down is told of already."""
    try:
        return _rivals(draft, ports)
    except Fault:
        return []


def _frozen_or_why_not(service: str, ports: Ports) -> tuple[list[Text], list[Text]]:
    """The same for whoever starts nothing: that it is not known is worth a sentence, and no more."""
    try:
        return frozen_now(service, ports), []
    except Fault as fault:
        return [], [said("controller.freeze_unknown", service=service, system=fault.system, why=fault.sentence)]


def _unheard(channel: str, ports: Ports) -> tuple[list[Text], list[Text]]:
    """Why nobody would be told of the rollout; and that this is not known, which is worth a warning and no more."""
    try:
        closed = ports.rooms.closed(channel)
    except Fault as fault:
        unknown = said("controller.room_unknown", channel=Channel(channel), system=fault.system, why=fault.sentence)
        return [], [unknown]
    return ([said("controller.nobody_told", why=closed)] if closed else []), []


def _figures(
    order: Order, ports: Ports, now: float, past: Sequence[SideFigures | None] | Fault, roots: Sequence[str] = ()
) -> tuple[Callers, MetricFacts]:
    """Preflight can do without: that nobody knows is worth a warning, and no more."""
    service, canary = order.service, order.service.canary_name(order.version)
    try:
        before = ports.clock.now()
        found = ports.metrics.telemetry(service, canary, now)
        skew = measurements.apart(found.clock, before, ports.clock.now())
    except Fault as fault:  # and then nobody knows who calls either, which need not be said as well
        return Callers(), MetricFacts(failure=_of_prometheus(fault))
    rate = None if isinstance(past, Fault) else measurements.pace(past, service.metrics.scrape_interval)
    found = replace(found, skew=skew, rate=rate)
    try:
        callers = ports.metrics.callers(service, canary, now, _own_until(service, canary, ports))
        return replace(callers, of_roots={root: _callers_of(root, order, ports, now) for root in roots}), found
    except Fault as fault:
        return Callers(failure=_of_prometheus(fault)), found


def _of_prometheus(fault: Fault) -> Text:
    return said("controller.system_says", system=fault.system, why=fault.sentence)


def _callers_of(root: str, order: Order, ports: Ports, now: float) -> Mapping[str, float]:
    """Who calls a Service by its name that has pods of both versions."""
    service = replace(order.service, primary_host=root)
    return ports.metrics.callers(service, order.service.canary_name(order.version), now).of_service


def _own_until(service: ServiceConfig, canary: str, ports: Ports) -> float | None:
    """Until when users may have been on the canary by a rollout of ours, as its callers' proxies count them.

    Proxies take the last routes within moments, and what they had counted till then is known with their next scrape.
    None: there was no such rollout, or it was left as it was, and then its users are there still.
    """
    try:
        past = ports.store.history(service.key)
    except Fault:  # whoever cannot be known not to be ours is told of
        return None
    moved = (one for one in past if one.spec.target.canary_deployment == canary)
    ours = next(moved, None)
    if ours is None or ours.ended_at is None or ours.phase is Phase.ABANDONED:
        return None
    return ours.ended_at + PROPAGATION + service.metrics.scrape_interval


def _past(service: ServiceConfig, ports: Ports, now: float) -> Sequence[SideFigures | None] | Fault:
    """The primary's last hour, in rows of a scrape interval each; or why it is not known."""
    name = service.primary_deployment
    try:
        known = ports.metrics.clock(now) - service.metrics.delay  # what was answered last may not be stored yet
        return ports.metrics.rows(service, [name], known - PAST_SECONDS, known)[name]
    except Fault as fault:
        return fault


def with_past(draft: Draft, service: ServiceConfig) -> tuple[Rollout, tuple[Text, ...]]:
    """The rollout with the primary's last hour to judge by, and a warning where that could not be had."""
    rollout = draft.rollout
    if isinstance(draft.past, Fault):
        name = versions.spoken(versions.old_version(rollout))
        warning = said("controller.past_unknown", name=name, why=draft.past.sentence)
        return replace(rollout, analysis_state=analysis.begin(service.gates, ())), (warning,)
    known = [row for row in draft.past if row is not None]
    return replace(rollout, analysis_state=analysis.begin(service.gates, known)), ()


def last_checks(draft: Draft, ports: Ports) -> Checked:
    """Everything that speaks against a start.

    Raises:
        Fault: the cluster or the store could not be read: nothing may be started that may be frozen.
    """
    checked = _checks(draft, ports)
    # Asked last: looking takes seconds, and whoever freezes meanwhile is told that nothing starts any more.
    return replace(
        checked, reasons=(*frozen_now(draft.rollout.spec.service, ports), *_rivals(draft, ports), *checked.reasons)
    )


def _checks(draft: Draft, ports: Ports) -> Checked:
    """What was found, the live state, and every stage's object offered to the API server as a dry run."""
    rollout, examined = draft.rollout, draft.examined
    try:
        observed = ports.mesh.observe(rollout.spec.target)
    except Fault as fault:
        if fault.cause is not Cause.MISSING:
            raise
        return Checked(reasons=examined.reasons or (fault.sentence,), warnings=examined.warnings)
    primary, canary = ports.workloads.observe(
        rollout.spec.target, rollout.spec.recorded, rollout.spec.upgraded, draft.examined.canary
    )
    known = {problem.about for problem in examined.problems if problem.blocking}
    moved = examined.if_moved if observed.owner is None else None
    # Where a rollout holds the object its routes are that one's: nobody is told to change them by hand.
    routes = observed.routes if observed.owner is None else HOME
    if examined.parked:
        known.add(rollout.spec.target.canary_deployment)  # it gets its pods later
    reasons = ready_to_begin(rollout.spec.target, routes, observed.reason, primary, canary, known, moved)
    if observed.owner is not None:
        reasons.append(claims.held_by(draft.service, observed.owner, ports))
    unheard, unknown = _unheard(rollout.spec.channel, ports)
    reasons = [*unheard, *examined.reasons, *reasons]
    # Anything else is refused above, and no dry run would tell anything new.
    plain = (
        observed.owner is None
        and observed.routes is not None
        and not observed.routes.mirror
        and not {ANNOTATIONS, MOVED, UNWRITABLE} & known
    )
    rehearsal = _rehearsed(draft, ports, known) if plain else Rehearsal()
    admission = [said("controller.admission_warns", text=text) for text in rehearsal.warnings]
    warnings = (*examined.warnings, *admission, *unknown)
    return Checked(reasons=(*reasons, *(denied.sentence for denied in rehearsal.refusals)), warnings=warnings)


def _rehearsed(draft: Draft, ports: Ports, known: Container[str]) -> Rehearsal:
    """Every object that a rollout may write, also to go back, and the upgrade; each mistake is told once."""
    rollout, mesh = draft.rollout, ports.mesh
    target = rollout.spec.target
    shapes = dict.fromkeys((*(stage.routes for stage in rollout.spec.plan), HOME))
    endings = dict.fromkeys((*(stage.routes for stage in rollout.spec.plan if stage.release), HOME))
    upgraded = any(stage.phase is Phase.UPGRADING for stage in rollout.spec.plan)
    try:
        objects = {
            one: [
                *(mesh.preview(one, routes, rollout.spec.id, rollout.spec.recorded) for routes in shapes),
                *(mesh.preview_release(one, routes) for routes in endings),
            ]
            for one in target.each
        }
    except Refusal as refusal:
        return Rehearsal(
            refusals=(Denied(cause=Cause.REFUSED, sentence=together((refusal.sentence, *refusal.reasons))),)
        )
    offered = [mesh.rehearse(one, some) for one, some in objects.items()]
    if upgraded:
        offered.append(ports.workloads.rehearse(target, rollout.spec.upgraded))
    return Rehearsal(
        refusals=tuple(
            denied
            for one in offered
            for denied in one.refusals
            if denied.cause is not Cause.FORBIDDEN or PERMISSION not in known
        ),
        warnings=tuple(text for one in offered for text in one.warnings),
    )


def make_plan_of(draft: Draft, ports: Ports) -> Plan:
    """Every stage with the objects it would write.

    Raises:
        Refusal: the VirtualService is none that could be written; with everything else that was found.
    """
    rollout = draft.rollout
    checked = _checks(draft, ports)
    frozen, unknown = _frozen_or_why_not(rollout.spec.service, ports)
    against = [*frozen, *_rivals_if_known(draft, ports)]
    checked = Checked(reasons=(*against, *checked.reasons), warnings=(*checked.warnings, *unknown))
    try:
        planned = [
            PlannedStage(
                name=stage.name,
                called=called(stage),
                sentence=_sentence(rollout, stage),
                objects=_objects(rollout, stage, ports),
            )
            for stage in rollout.spec.plan
        ]
    except Refusal as refusal:
        # Where the checks have a reason of their own it says the same, and what to do.
        against_it = checked if checked.reasons else replace(checked, reasons=(refusal.sentence, *refusal.reasons))
        sentence = said("controller.no_plan", service=rollout.spec.service, version=rollout.spec.version)
        raise Refusal(sentence, tuple(dict.fromkeys(against_it.findings))) from refusal
    return Plan(planned=planned, reasons=checked.reasons, warnings=checked.warnings)


def _objects(rollout: Rollout, stage: Stage, ports: Ports) -> Sequence[dict[str, Any]]:
    if stage.phase is Phase.UPGRADING:
        return [ports.workloads.preview(rollout.spec.target, rollout.spec.upgraded)]
    if stage.release:
        return [ports.mesh.preview_release(one, stage.routes) for one in rollout.spec.target.each]
    return [
        ports.mesh.preview(one, stage.routes, rollout.spec.id, rollout.spec.recorded)
        for one in rollout.spec.target.each
    ]


def _sentence(rollout: Rollout, stage: Stage) -> Text:
    does = _does(rollout, stage)
    return together([does, said("controller.then_people_approve")]) if stage.approval else does


def _does(rollout: Rollout, stage: Stage) -> Said:
    target, time = rollout.spec.target, Seconds(stage.seconds)
    if stage.phase is Phase.UPGRADING:
        images = tuple(rollout.spec.upgraded.images.values())
        if rollout.spec.by_git:
            return said("controller.plan_git", primary=target.primary_deployment, images=images)
        return said("controller.plan_upgrade", primary=target.primary_deployment, images=images)
    routes = said(
        "controller.routes",
        old=share(stage.routes.primary),
        primary=target.primary_place,
        new=share(stage.routes.canary),
        canary=target.canary_place,
    )
    if stage.release:
        return said("controller.plan_finish", routes=routes)
    if stage.routes.mirror:
        copied = Share(target.mirror_percent / 100)
        return said("controller.plan_mirror", routes=routes, share=copied, time=time)
    return said("controller.plan_step", routes=routes, time=time)
