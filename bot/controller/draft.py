"""The draft of a rollout: what is read of the cluster and of Prometheus, and the value that a start would store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.analysis import analysis
from bot.analysis.gates.propagation import PROPAGATION
from bot.controller.freezes import frozen_or_why_not
from bot.controller.ports import Ports
from bot.controller.unheard import why_unheard
from bot.model import versions
from bot.model.errors import Fault, Refusal
from bot.model.figures import SideFigures
from bot.model.rollout import Parked, Phase, Rollout, RolloutId, RolloutSpec, UserId
from bot.model.service import Promote, ServiceConfig
from bot.preflight import Callers, Examined, MetricFacts, examine, hosts, measurements
from bot.preflight.moved import left_on_canary
from bot.rollout.plans import Overrides, make_drill, make_plan
from bot.words.sentence import Text, said

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
        frozen, _ = frozen_or_why_not(service.name, ports)
        unheard, _ = why_unheard(order.channel or service.channel, ports)
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


def with_past(draft: Draft, service: ServiceConfig) -> tuple[Rollout, tuple[Text, ...]]:
    """The rollout with the primary's last hour to judge by, and a warning where that could not be had."""
    rollout = draft.rollout
    if isinstance(draft.past, Fault):
        name = versions.spoken(versions.old_version(rollout))
        warning = said("controller.past_unknown", name=name, why=draft.past.sentence)
        return replace(rollout, analysis_state=analysis.begin(service.gates, ())), (warning,)
    known = [row for row in draft.past if row is not None]
    return replace(rollout, analysis_state=analysis.begin(service.gates, known)), ()


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
