"""Whose the annotations on a service's VirtualService are, and whether this service may take them up: one answer for
all.

``abort``, adoption and a start that finds annotations ask the same: does our store know their owner, is the primary
they are about this service's, and is the bot that set them alive? A VirtualService may be shared by services, and a
cluster by bots with a store of their own, so a service never takes up what another one is responsible for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.cluster.objects import full_host
from bot.controller.ports import Ports, Store, Workloads
from bot.model.errors import Disbelieved, Fault, Refusal, Unreadable
from bot.model.observation import Heartbeat, RolloutAnnotations
from bot.model.rollout import RolloutId, Target
from bot.model.service import ServiceConfig
from bot.words.said import Text


class Claim(StrEnum):
    """Why the service may take the annotations up."""

    FORGOTTEN = "forgotten"  # the store has never heard of their owner
    UNREADABLE = "unreadable"  # their owner is the service's live rollout, and its record cannot be read
    ENDED = "ended"  # their owner has ended: somebody put an old object back


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Annotations that the service may take up, and why."""

    annotations: RolloutAnnotations
    claim: Claim


def left_behind(service: ServiceConfig, ports: Ports) -> Found | None:
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
        annotations = ports.mesh.annotations(service.namespace, service.virtual_service)
    except Unreadable as damaged:
        raise _nobody_knows_home(service, unreadable, damaged.sentence) from damaged
    if annotations is not None:
        if unreadable is not None:
            annotations = _of_live(service, annotations, ports.store)
        heartbeat = ports.mesh.heartbeat(service.namespace, service.virtual_service)
        found = claim(service, annotations, ports.store, lives=lives(heartbeat, ports.clock.now()))
        if unreadable is None or found is Claim.UNREADABLE:
            return Found(annotations=annotations, claim=found)
    if isinstance(unreadable, Unreadable):
        bare = f"VirtualService {service.virtual_service} carries no marks that say how it was before."
        raise _nobody_knows_home(service, unreadable, bare) from unreadable
    if unreadable is not None:
        raise unreadable
    owner = None if annotations is not None else ports.mesh.owner(service.namespace, service.virtual_service)
    if owner is not None and owner not in ports.store.busy().values():
        bare = f"VirtualService {service.virtual_service} carries the mark of rollout {owner}, not how it was before."
        raise _nobody_knows_home(service, None, bare)
    return None


def _of_live(service: ServiceConfig, annotations: RolloutAnnotations, store: Store) -> RolloutAnnotations:
    """The annotations as the service's live rollout's, where it recorded them: whose mark they bear may be damaged."""
    live = store.busy().get(service.key)
    return annotations if live is None or annotations.recorded_by != live else replace(annotations, owner=live)


def _nobody_knows_home(service: ServiceConfig, record: Fault | None, annotations: Text) -> Unreadable:
    """Both that say how it was before are lost, and only a person can know: no abort guesses."""
    lost = annotations if record is None else f"{record.sentence} {annotations}"
    ends = f"see to the routes by hand; `abandon {service.name}` ends the rollout and moves nobody"
    return Unreadable("Kubernetes", f"{lost} So no abort can bring anybody home: {ends}.")


def claim(service: ServiceConfig, annotations: RolloutAnnotations, store: Store, *, lives: bool) -> Claim:
    """Why ``service`` may take these annotations up. ``lives``: another bot, with a store of its own, looks after them.

    Raises:
        Disbelieved: they speak of something that no rollout of ``service`` could be about.
        Refusal: it may not; says whose they are, and names no command that would end what is alive.
        Fault: the store could not be read.
    """
    live = next((key for key, one in store.busy().items() if one == annotations.owner), None)
    if live == service.key:
        return Claim.UNREADABLE
    what = f"VirtualService {service.virtual_service} carries the marks of rollout {annotations.owner}"
    if live is not None:
        name = _name(live)
        raise Refusal(
            f"{what}, which is live and {name}'s: see `status {name}`. {service.name} itself has no rollout, and none "
            "can begin before that one has ended."
        )
    if (annotations.target.namespace, annotations.target.primary_deployment) != (
        service.namespace,
        service.primary_deployment,
    ):
        primary = f"{annotations.target.namespace}/{annotations.target.primary_deployment}"
        raise Refusal(
            f"{what}, which is about Deployment {primary} and not about {service.primary_deployment}, so it is not "
            f"{service.name}'s: whoever releases that Deployment has to end it. {service.name} itself has no rollout."
        )
    if (named := odd(service, annotations.target)) is not None:
        raise Disbelieved(
            f"{what} and names {named}, which services.yaml does not say of {service.name}: somebody else wrote that, "
            "or the file was changed meanwhile. Nothing is written because of it. See to the routes by hand; "
            f"`abandon {service.name}` takes the marks off."
        )
    if lives:
        raise Refusal(
            f"{what}, and another canary-bot, with a Redis of its own, looks after it: end it there. Once that one has "
            f"been silent for a while, `abort {service.name}` works here. {service.name} has no rollout in this Redis."
        )
    return Claim.ENDED if _is_known(store, service.key, annotations.owner) else Claim.FORGOTTEN


def odd(service: ServiceConfig, target: Target) -> str | None:
    """What in a target is otherwise than ``services.yaml`` has it, as far as that decides it; None where nothing is."""
    decided = {
        "Deployment": (target.primary_deployment, service.primary_deployment),
        "namespace": (target.namespace, service.namespace),
        "VirtualService": (target.virtual_service, service.virtual_service),
        "VirtualService's namespace": (target.virtual_service_namespace, service.namespace),
        "DestinationRule": (target.destination_rule, service.destination_rule),
        "host": (target.host, full_host(service)),
    }
    for what, (said, known) in decided.items():
        if said != known:
            return f"{what} {said}"
    head, _, tail = service.canary_deployment.partition("{version}")
    if not re.fullmatch(f"{re.escape(head)}[A-Za-z0-9._-]*{re.escape(tail)}", target.canary_deployment):
        return f"canary Deployment {target.canary_deployment}"
    foreign = [name for name in target.route_names if name not in service.routes]
    return f"http route {foreign[0]}" if foreign else None


def unknown_images(annotations: RolloutAnnotations, workloads: Workloads) -> list[str]:
    """Images to go back to that no ReplicaSet of the primary's has: nobody could go back to them."""
    said = set(annotations.recorded.images.values())
    return sorted(said - workloads.known_images(annotations.target)) if said else []


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
    held, name = f"{service.virtual_service} still carries the marks of rollout {owner}", service.name
    try:
        annotations = ports.mesh.annotations(service.namespace, service.virtual_service)
        if annotations is None:
            return f"{held}; `/canary abandon {name}` takes them off."
        heartbeat = ports.mesh.heartbeat(service.namespace, service.virtual_service)
        found = claim(service, annotations, ports.store, lives=lives(heartbeat, ports.clock.now()))
    except Refusal as refusal:
        return refusal.sentence
    except Fault as fault:
        return f"{held}. {fault.sentence}"
    if found is Claim.ENDED:
        away = f"`/canary abandon {name}` takes them off and moves nobody"
        return f"{held}, which has ended; {away}, `/canary abort {name}` brings everyone home first."
    return f"{held}; `canary-bot abort {name}` cleans up."


def _is_known(store: Store, key: str, owner: RolloutId) -> bool:
    """Whether the store has a record of it, which is of an ended rollout then."""
    try:
        return store.load(key, owner) is not None
    except Unreadable:
        return True


def _name(key: str) -> str:
    return key.rpartition("/")[2]
