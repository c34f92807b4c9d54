"""Taking a rollout out of the bot's hands. Its record ends first; then its annotations go, if they can. No route is
touched.

It needs nothing of the world: what cannot be cleaned up is said, and the same command tries again. Without a live
rollout the command takes off what an earlier one, or one that nobody knows, has left on the VirtualService.
"""

from __future__ import annotations

from dataclasses import replace

from bot.controller.adoptable import heartbeat_of, lives
from bot.controller.ports import Ports
from bot.controller.record_from_annotations import halted
from bot.model.errors import Fault, Refusal, Unreadable
from bot.model.rollout import Rollout, RolloutId, Target, Topology, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry, EntryKind
from bot.rollout import people
from bot.rollout.transitions import Change
from bot.words.sentence import Person, TypedIn, said

NOBODY = RolloutId("none")  # what a form names that is about no live rollout


def remove_annotations(rollout: Rollout, ports: Ports, owner: RolloutId | None = None) -> tuple[Entry, ...]:
    """Take the rollout's annotations off, or ``owner``'s. A line of the story where that could not be done."""
    entries = list[Entry]()
    for one in rollout.spec.target.each:
        try:
            ports.mesh.remove_annotations(*one.virtual_service_key, owner or rollout.spec.id)
        except Fault as fault:
            command = TypedIn(f"abandon {rollout.spec.service}")
            text = said("controller.annotations_stay", name=one.routes_name, why=fault.sentence, command=command)
            entries.append(Entry(at=ports.clock.now(), kind=EntryKind.ALERT, text=text))
    return tuple(entries)


def owner_of_annotations(service: ServiceConfig, ports: Ports) -> RolloutId:
    """Whose annotations are on the service's VirtualService, where they may be taken off.

    Raises:
        Refusal: there are none, or they are a live rollout's.
        Fault: the store or the cluster could not be read.
    """
    heartbeat = heartbeat_of(service, ports.mesh)
    if heartbeat is None:
        raise Refusal(said("controller.nothing_to_abandon", service=service.name, name=service.routes_names))
    live = next((key for key, one in ports.store.busy().items() if one == heartbeat.owner), None)
    if live is not None:
        name, owner = service.routes_names, heartbeat.owner
        raise Refusal(said("controller.annotations_in_use", service=service.name, name=name, owner=owner, other=live))
    if lives(heartbeat, ports.clock.now()):
        raise Refusal(said("controller.another_bots", name=service.routes_names, owner=heartbeat.owner))
    return heartbeat.owner


def set_aside(key: str, ports: Ports) -> RolloutId | None:
    """Free the service of a live rollout whose record cannot be read; which one that was."""
    try:
        ports.store.active(key)
    except Unreadable:
        lost = ports.store.busy().get(key)
        return lost if lost is not None and ports.store.set_aside(key, lost) else None
    return None


def refuse_without_reason(service: str, reason: str) -> None:
    """Whoever looks later must know why everything was left as it is.

    Raises:
        Refusal: no reason is given.
    """
    if not reason.strip().rstrip("."):
        raise Refusal(said("rollout.abandon_needs_reason", service=service))


def record_of(service: ServiceConfig, owner: RolloutId, by: UserId, now: float) -> Rollout:
    """A record for annotations whose rollout nobody knows, so that the history tells who took them off, and why."""
    target = Target(
        namespace=service.namespace,
        host=service.host or service.name,
        virtual_service=service.virtual_service,
        virtual_service_namespace=service.routes_at[0],
        destination_rule=service.destination_rule,
        primary_subset="",
        canary_subset="",
        primary_deployment=service.primary_deployment,
        canary_deployment="",
        topology=Topology.PER_VERSION,
        siblings=service.siblings,
    )
    return halted(service, owner, target, by, now)


def note(rollout: Rollout, by: UserId, reason: str, now: float) -> Change:
    """A line of the story of a rollout whose annotations were found: one that has ended, or one that nobody knew."""
    if not rollout.ended:
        return people.abandon(rollout, by, reason, now)
    why = reason.strip().rstrip(".")
    name = rollout.spec.target.routes_names
    text = said("controller.annotations_go", who=Person(by), owner=rollout.spec.id, name=name, why=why)
    return replace(rollout), (Entry(at=now, kind=EntryKind.RESUMED, text=text, by=by),)
