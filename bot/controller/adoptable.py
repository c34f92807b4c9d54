"""Whose the annotations on a service's VirtualService are, and whether this service may take them up: one answer for
all.

``abort``, adoption and a start that finds annotations ask the same: does our store know their owner, is the primary
they are about this service's, and is the bot that set them alive? A VirtualService may be shared by services, and a
cluster by bots with a store of their own, so a service never takes up what another one is responsible for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.cluster.objects import full_host
from bot.controller.ports import Mesh, Ports, Store, Workloads
from bot.model.errors import Disbelieved, Fault, Refusal, Unreadable
from bot.model.observation import Heartbeat, RolloutAnnotations
from bot.model.rollout import RolloutId, Target, Topology
from bot.model.service import ServiceConfig
from bot.words.sentence import Code, Sentence, Text, TypedIn, said, together


class AdoptionCause(StrEnum):
    """Why the service may take the annotations up."""

    FORGOTTEN = "forgotten"  # the store has never heard of their owner
    UNREADABLE = "unreadable"  # their owner is the service's live rollout, and its record cannot be read
    ENDED = "ended"  # their owner has ended: somebody put an old object back


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptable:
    """Annotations that the service may take up, and why."""

    annotations: RolloutAnnotations
    cause: AdoptionCause


def left_behind(service: ServiceConfig, ports: Ports) -> Adoptable | None:
    """Annotations that an abort of ``service`` has to go by, because the store has no live rollout of it to go by.

    None where the store has one; also where it has none and the VirtualService bears no annotations.

    Raises:
        Refusal: the annotations are not this service's to take up; says whose they are.
        Unreadable: nothing is left that says what home is: neither the record nor the annotations can be read.
        Fault: the store or the cluster could not be read.
    """
    unreadable: Fault | None = None
    try:
        if ports.store.active(service.key) is not None:
            return None
    except Fault as fault:  # if it is the store that cannot be reached, asking it for more tells
        unreadable = fault
    try:
        annotations = annotations_of(service, ports.mesh)
    except Unreadable as damaged:
        raise _nobody_knows_home(service, unreadable, damaged.sentence) from damaged
    if annotations is not None:
        if unreadable is not None:
            annotations = _of_live(service, annotations, ports.store)
        heartbeat = heartbeat_of(service, ports.mesh)
        found = adoption_cause(service, annotations, ports.store, lives=lives(heartbeat, ports.clock.now()))
        if unreadable is None or found is AdoptionCause.UNREADABLE:
            return Adoptable(annotations=annotations, cause=found)
    if isinstance(unreadable, Unreadable):
        bare = said("controller.no_annotations", name=service.routes_names)
        raise _nobody_knows_home(service, unreadable, bare) from unreadable
    if unreadable is not None:
        raise unreadable
    owner = None if annotations is not None else owner_of(service, ports.mesh)
    if owner is not None and owner not in ports.store.busy().values():
        bare = said("controller.bare_annotation", name=service.routes_names, owner=owner)
        raise _nobody_knows_home(service, None, bare)
    return None


def owner_of(service: ServiceConfig, mesh: Mesh) -> RolloutId | None:
    """The rollout that holds one of the service's VirtualServices."""
    return next((owner for key in service.virtual_service_keys if (owner := mesh.owner(*key)) is not None), None)


def heartbeat_of(service: ServiceConfig, mesh: Mesh) -> Heartbeat | None:
    """The heartbeat of the rollout that holds one of the service's VirtualServices."""
    return next((beat for key in service.virtual_service_keys if (beat := mesh.heartbeat(*key)) is not None), None)


def annotations_of(service: ServiceConfig, mesh: Mesh) -> RolloutAnnotations | None:
    """What a rollout has left on one of the service's VirtualServices; each speaks of all of them.

    Raises:
        Unreadable: what is there is damaged wherever it is.
        Fault: the cluster could not be read.
    """
    damaged: Unreadable | None = None
    for key in service.virtual_service_keys:
        try:
            found = mesh.annotations(*key)
        except Unreadable as unreadable:
            damaged = damaged or unreadable
        else:
            if found is not None:
                return found
    if damaged is not None:
        raise damaged
    return None


def _of_live(service: ServiceConfig, annotations: RolloutAnnotations, store: Store) -> RolloutAnnotations:
    """The annotations as the service's live rollout's, where it recorded them: whose mark they bear may be damaged."""
    live = store.busy().get(service.key)
    return annotations if live is None or annotations.recorded_by != live else replace(annotations, owner=live)


def _nobody_knows_home(service: ServiceConfig, record: Fault | None, annotations: Text) -> Unreadable:
    """Both that say how it was before are lost, and only a person can know: no abort guesses."""
    ends = said("controller.nobody_knows_home", command=TypedIn(f"abandon {service.name}"))
    return Unreadable("Kubernetes", together(["" if record is None else record.sentence, annotations, ends]))


def adoption_cause(
    service: ServiceConfig, annotations: RolloutAnnotations, store: Store, *, lives: bool
) -> AdoptionCause:
    """Why ``service`` may take these annotations up. ``lives``: another bot, with a store of its own, looks after them.

    Raises:
        Disbelieved: they speak of something that no rollout of ``service`` could be about.
        Refusal: it may not; says whose they are, and names no command that would end what is alive.
        Fault: the store could not be read.
    """
    live = next((key for key, one in store.busy().items() if one == annotations.owner), None)
    if live == service.key:
        return AdoptionCause.UNREADABLE
    what, owner = service.routes_names, annotations.owner
    if live is not None:
        status = TypedIn(f"status {_name(live)}")
        raise Refusal(
            said(
                "controller.annotations_live",
                name=what,
                owner=owner,
                other=_name(live),
                command=status,
                service=service.name,
            )
        )
    if (annotations.target.namespace, annotations.target.primary_deployment) != (
        service.namespace,
        service.primary_deployment,
    ):
        primary = f"{annotations.target.namespace}/{annotations.target.primary_deployment}"
        ours = service.primary_deployment
        raise Refusal(
            said(
                "controller.annotations_of_other",
                name=what,
                owner=owner,
                primary=primary,
                ours=ours,
                service=service.name,
            )
        )
    if (named := odd(service, annotations.target)) is not None:
        abandon = TypedIn(f"abandon {service.name}")
        raise Disbelieved(
            said(
                "controller.annotations_odd",
                name=what,
                owner=owner,
                odd=named,
                service=service.name,
                command=abandon,
            )
        )
    if lives:
        abort = TypedIn(f"abort {service.name}")
        raise Refusal(said("controller.annotations_alive", name=what, owner=owner, service=service.name, command=abort))
    return AdoptionCause.ENDED if _is_known(store, service.key, annotations.owner) else AdoptionCause.FORGOTTEN


def odd(service: ServiceConfig, target: Target) -> Sentence | None:
    """What in a target is otherwise than ``services.yaml`` has it, as far as that decides it; None where nothing is."""
    for named, value, known in _decided(service, target):
        if value != known:
            return named
    head, _, tail = service.canary_deployment.partition("{version}")
    if not re.fullmatch(f"{re.escape(head)}[A-Za-z0-9._-]*{re.escape(tail)}", target.canary_deployment):
        return said("controller.a_canary", name=target.canary_deployment)
    foreign = [name for name in target.route_names if name not in service.routes]
    return said("controller.a_route", name=foreign[0]) if foreign else None


def _decided(service: ServiceConfig, target: Target) -> Iterator[tuple[Sentence, str, str]]:
    """What annotations say of it, and what ``services.yaml`` does."""
    primary, space, rule = target.primary_deployment, target.namespace, target.destination_rule
    yield said("controller.a_deployment", name=primary), primary, service.primary_deployment
    yield said("controller.a_namespace", name=space), space, service.namespace
    for one in target.each:
        # Of several it is any; of one its namespace is told by itself.
        namespace, route = (
            one.virtual_service_key if one.virtual_service_key in service.virtual_service_keys else service.routes_at
        )
        yield said("controller.a_virtual_service", name=one.virtual_service), one.virtual_service, route
        yield said("controller.a_place", name=one.virtual_service_key[0]), one.virtual_service_key[0], namespace
    yield said("controller.a_destination_rule", name=rule), rule, service.destination_rule
    ours = full_host(service)
    if target.topology is Topology.HOSTS and not service.primary_host:
        # Which Services the versions have is found out at a start; elsewhere than in its Namespace they cannot be.
        for host in target.hosts:
            yield said("controller.a_host", name=host), host.partition(".")[2], ours.partition(".")[2]
    else:
        yield said("controller.a_host", name=target.host), target.host, ours


def unknown_images(annotations: RolloutAnnotations, workloads: Workloads) -> list[str]:
    """Images to go back to that no ReplicaSet of the primary's has: nobody could go back to them."""
    images = set(annotations.recorded.images.values())
    return sorted(images - workloads.known_images(annotations.target)) if images else []


def lives(heartbeat: Heartbeat | None, now: float) -> bool:
    """Whether a bot with another store than ours has given a sign of life lately, as far as clocks can be compared.

    Our own store's rollouts are ours whatever became of their records; and one that the watchdog had to bring home has
    nobody any more.
    """
    if (
        heartbeat is None
        or not heartbeat.foreign
        or heartbeat.failsafe_record is not None
        or heartbeat.renewed_at is None
    ):
        return False
    return abs(now - heartbeat.renewed_at) < heartbeat.limit


def held_by(service: ServiceConfig, owner: RolloutId, ports: Ports) -> Text:
    """What becomes of annotations that stand in the way of a start, as a sentence."""
    name = service.routes_names
    held = said("controller.held", name=name, owner=owner)
    abandon, abort = TypedIn(f"abandon {service.name}"), TypedIn(f"abort {service.name}")
    try:
        annotations = annotations_of(service, ports.mesh)
        if annotations is None:
            return said("controller.held_bare", name=name, owner=owner, abandon=abandon)
        heartbeat = heartbeat_of(service, ports.mesh)
        found = adoption_cause(service, annotations, ports.store, lives=lives(heartbeat, ports.clock.now()))
    except Refusal as refusal:
        return refusal.sentence
    except Fault as fault:
        return together([held, fault.sentence])
    if found is AdoptionCause.ENDED:
        return said("controller.held_by_ended", name=name, owner=owner, abandon=abandon, abort=abort)
    return said("controller.held_by_lost", name=name, owner=owner, command=Code(f"canary-bot abort {service.name}"))


def _is_known(store: Store, key: str, owner: RolloutId) -> bool:
    """Whether the store has a record of it, which is of an ended rollout then."""
    try:
        return store.load(key, owner) is not None
    except Unreadable:
        return True


def _name(key: str) -> str:
    return key.rpartition("/")[2]
