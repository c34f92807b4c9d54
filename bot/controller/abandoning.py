"""Taking a rollout out of the bot's hands. Its record ends first; then its marks go, if they can. No route is touched.

It needs nothing of the world: what cannot be cleaned up is said, and the same command tries again. Without a live
rollout the command takes off what an earlier one, or one that nobody knows, has left on the VirtualService.
"""

from __future__ import annotations

from dataclasses import replace

from bot.controller.ports import Ports
from bot.rollout import machine
from bot.rollout.errors import Fault, Refusal
from bot.rollout.model import (
    Entry,
    EntryKind,
    Phase,
    PodTemplate,
    Rollout,
    RolloutId,
    Target,
    Topology,
    UserId,
)
from bot.rollout.plans import make_plan
from bot.rollout.service import Service

NOBODY = RolloutId("none")  # what a form names that is about no live rollout
NOTHING = PodTemplate(images={})


def unmark(rollout: Rollout, ports: Ports) -> tuple[Entry, ...]:
    """Take the marks off. A line of the story where that could not be done."""
    target = rollout.target
    try:
        ports.mesh.unmark(target.virtual_service_namespace, target.virtual_service, rollout.id)
    except Fault as fault:
        text = (
            f"canary-bot's annotations are still on VirtualService {target.virtual_service}: {fault.sentence} "
            f"`abandon {rollout.service}` tries again; nobody moves users meanwhile."
        )
        return (Entry(at=ports.clock.now(), kind=EntryKind.ALERT, text=text),)
    return ()


def owner_of_marks(service: Service, ports: Ports) -> RolloutId:
    """Whose marks are on the service's VirtualService, where they may be taken off.

    Raises:
        Refusal: there are none, or they are a live rollout's.
        Fault: the store or the cluster could not be read.
    """
    pulse = ports.mesh.pulse(service.namespace, service.virtual_service)
    if pulse is None:
        raise Refusal(
            f"{service.name} has no live rollout, and VirtualService {service.virtual_service} carries no marks of "
            "one: there is nothing to abandon."
        )
    live = next((key for key, one in ports.store.busy().items() if one == pulse.owner), None)
    if live is not None:
        raise Refusal(
            f"{service.name} has no live rollout. The marks on VirtualService {service.virtual_service} are those of "
            f"rollout {pulse.owner} of {live}, which is live."
        )
    return pulse.owner


def record_of(service: Service, owner: RolloutId, by: UserId, now: float) -> Rollout:
    """A record for marks whose rollout nobody knows, so that the history tells who took them off, and why."""
    target = Target(
        namespace=service.namespace,
        host=service.host or service.name,
        virtual_service=service.virtual_service,
        virtual_service_namespace=service.namespace,
        destination_rule=service.destination_rule,
        primary_subset="",
        canary_subset="",
        primary_deployment=service.primary_deployment,
        canary_deployment="",
        topology=Topology.PER_VERSION,
    )
    return Rollout(
        id=owner,
        service=service.name,
        version="unknown",
        channel=service.channel,
        started_by=by,
        started_at=now,
        target=target,
        plan=make_plan(service, target.topology),
        recorded=NOTHING,
        upgraded=NOTHING,
        canary_images={},
        gates=service.gates,
        approvals_rule=service.approvals,
        metrics=service.metrics,
        upgrade_timeout=service.upgrade_timeout,
        hold_patience=service.hold_patience,
        phase=Phase.HALTED,
        since=now,
    )


def note(rollout: Rollout, by: UserId, reason: str, now: float) -> machine.Change:
    """A line of the story of an ended rollout whose marks were found.

    Raises:
        Refusal: no reason is given.
    """
    if not rollout.ended:
        return machine.abandon(rollout, by, reason, now)
    why = reason.strip().rstrip(".")
    if not why:
        raise Refusal(f"Give a reason for abandoning {rollout.service}: it is kept with the rollout.")
    text = f"The marks that {rollout.id} had left on VirtualService {rollout.target.virtual_service} go: {why}."
    return replace(rollout), (Entry(at=now, kind=EntryKind.RESUMED, text=text, by=by),)
