"""VirtualServices in memory, edited by the very functions that edit real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.controller.each_object import do_on_each, observe_each
from bot.controller.ports import IsCurrent, Rehearsal, always
from bot.model.errors import Cause, Contended, Fault, Refusal, Stale
from bot.model.observation import Denied, FailsafeRecord, Heartbeat, RolloutAnnotations, RouteStatus
from bot.model.rollout import PodTemplate, RolloutId, Routes, Target
from bot.model.signing import UNSIGNED, Signer
from bot.rollout.deadman import failsafe_sentence
from bot.words.rendering import plain
from bot.words.sentence import Text

VirtualService: TypeAlias = dict[str, Any]


def reviews(v1: int = 100, v2: int = 0) -> VirtualService:
    """Bookinfo's reviews with these weights."""
    route = [{"destination": {"host": "reviews", "subset": s}, "weight": w} for s, w in (("v1", v1), ("v2", v2))]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default", "resourceVersion": "1"},
        "spec": {"hosts": ["*"], "gateways": ["istio-system/reviews-gateway"], "http": [{"route": route}]},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    vs: VirtualService
    target: Target
    signer: Signer
    status: RouteStatus


class InMemoryMesh:
    """The ports ``Mesh`` and ``Failsafe`` without an API server.

    ``mesh.edit("maya", change)`` edits by hand, behind the bot's back: ``change`` gets the raw object and alters it.
    ``mesh.outage`` is raised by every call while it is set, and ``mesh.denial`` by every write of routes, or by those
    of the one object at ``mesh.denied_at``; a write at ``mesh.dies_at`` ends the process before it is made.
    ``mesh.written`` lists the routes that were truly written, in order; ``mesh.leases`` are the heartbeats' by place,
    ``mesh.watched`` is what watchdogs have said; ``mesh.refusals`` and ``mesh.warnings`` are what a rehearsal answers.
    ``mesh.beats`` counts heartbeats,
    ``mesh.events`` lists reason and sentence of each Event, and ``mesh.conflicts`` is how many of the next heartbeats
    or failsafe actions meet somebody else's write.
    """

    def __init__(
        self,
        objects: Iterable[VirtualService] | None = None,
        now: Callable[[], float] = lambda: 0.0,
        signer: Signer = UNSIGNED,
    ) -> None:
        self._objects = {_key(vs): deepcopy(vs) for vs in ([reviews()] if objects is None else objects)}
        self._managers: dict[tuple[str, str], str] = {}
        self._hands: dict[tuple[str, str], str] = {}
        self._observed: dict[tuple[str, str], _Observed] = {}
        self._now = now
        self.signer = signer
        self.outage: Fault | None = None
        self.denial: Fault | None = None
        self.denied_at: tuple[str, str] | None = None
        self.dies_at: tuple[str, str] | None = None
        self.refusals: Sequence[Denied] = ()
        self.warnings: Sequence[str] = ()
        self.written: list[Routes] = []
        self.beats = 0
        self.store = ""
        self.leases: dict[tuple[str, str], dict[str, Any]] = {}
        self.watched: dict[str, float] = {}
        self.conflicts = 0
        self.events: list[tuple[str, str]] = []

    def virtual_service(self, namespace: str = "default", name: str = "reviews") -> VirtualService:
        """A copy of the raw object as it is."""
        return deepcopy(self._objects[namespace, name])

    def objects(self) -> dict[tuple[str, str], VirtualService]:
        """Copies of all of them, by namespace and name."""
        return deepcopy(self._objects)

    def remove(self, name: str, namespace: str = "default") -> None:
        """Delete one by hand."""
        del self._objects[namespace, name]

    def edit(self, by: str, change: Callable[[VirtualService], object], name: str = "reviews") -> None:
        """Edit by hand, as ``by``."""
        vs = self.virtual_service(name=name)
        change(vs)
        self._put(vs, by)

    def put(self, vs: VirtualService, by: str) -> None:
        """Write a whole object by hand, as ``by``."""
        self._put(deepcopy(vs), by)

    def delete(self, name: str = "reviews", namespace: str = "default") -> None:
        """Somebody deletes the object."""
        del self._objects[namespace, name]

    def observe(self, target: Target) -> RouteStatus:
        return observe_each(target, self._observe)

    def _observe(self, target: Target) -> RouteStatus:
        """Understood once for each version of the object, as the adapter does: what is stored is never edited."""
        vs = self._stored(target)
        last = self._observed.get(_key(vs))
        if last is not None and last.vs is vs and last.signer is self.signer and last.target == target:
            return last.status
        status = self._understood(vs, target)
        self._observed[_key(vs)] = _Observed(vs=vs, target=target, signer=self.signer, status=status)
        return status

    def _understood(self, vs: VirtualService, target: Target) -> RouteStatus:
        read = virtual_services.read_routes(vs, target)
        return RouteStatus(
            routes=read if isinstance(read, Routes) else None,
            owner=virtual_services.owner_of(vs),
            annotated=virtual_services.owner_of(vs) is None or virtual_services.is_whole(vs, signer=self.signer),
            signed=virtual_services.owner_of(vs) is None or virtual_services.is_signed(vs, self.signer),
            writer=self._managers.get(_key(vs), ""),
            annotated_by=self._annotated_by(vs),
            reason="" if isinstance(read, Routes) else read,
            failsafe_record=virtual_services.failsafe_record_of(vs, self.signer),
            fingerprint=virtual_services.fingerprint(vs, target),
            name=target.routes_name,
        )

    def route(
        self,
        target: Target,
        routes: Routes,
        owner: RolloutId,
        recorded: PodTemplate,
        *,
        taking_from: RolloutId | None = None,
        held_before: bool = False,
        is_current: IsCurrent = always,
    ) -> None:
        def write(one: Target) -> None:
            vs = self._get(one)
            if virtual_services.is_claimed(vs, one, routes, owner, self.signer):
                return
            now = self._now()
            with _refusals_as_contention():
                taken = virtual_services.claim(
                    vs,
                    one,
                    routes,
                    owner=owner,
                    recorded=recorded,
                    now=now,
                    taking_from=taking_from,
                    held_before=held_before,
                    signer=self.signer,
                )
            _refuse_unless(is_current)
            self._write(taken, routes)

        do_on_each(target, write)

    def release(self, target: Target, routes: Routes, owner: RolloutId, *, is_current: IsCurrent = always) -> None:
        def leave(one: Target) -> None:
            vs = self._get(one)
            with _refusals_as_contention():
                virtual_services.refuse_other_owner(vs, owner)
                left = virtual_services.release(vs, one, routes, self.signer)
            self._quiet(one, owner)
            if left != vs:
                _refuse_unless(is_current)
                self._write(left, routes)

        do_on_each(target, leave)

    def remove_annotations(self, namespace: str, virtual_service: str, owner: RolloutId) -> None:
        vs = self._find(namespace, virtual_service)
        if heartbeat_lease.read(self.leases.get((namespace, virtual_service)), owner) is not None:
            del self.leases[namespace, virtual_service]
        if (
            vs is not None
            and (bare := virtual_services.remove_ended(virtual_services.remove_annotations(vs, owner))) is not vs
        ):
            self._put(bare)

    def beat(self, target: Target, owner: RolloutId, limit: float = 0.0) -> None:
        do_on_each(target, lambda one: self._beat(one, owner, limit))

    def _beat(self, target: Target, owner: RolloutId, limit: float) -> None:
        place = target.virtual_service_key
        vs = self._find(*place)
        if self.conflicts:
            self.conflicts -= 1
            raise Contended("Kubernetes", "the object has been modified.")
        if vs is None or virtual_services.owner_of(vs) != owner:
            return
        if not heartbeat_lease.is_held(self.leases.get(place), owner, self.store):
            self._put(virtual_services.beaten(vs, owner, self._now()))
        self.leases[place] = heartbeat_lease.beaten(self.leases.get(place), vs, owner, self.store, limit, self._now())
        self.beats += 1

    def quiet(self, target: Target, owner: RolloutId) -> None:
        do_on_each(target, lambda one: self._quiet(one, owner))

    def _quiet(self, target: Target, owner: RolloutId) -> None:
        self._answer()
        place = target.virtual_service_key
        if heartbeat_lease.read(self.leases.get(place), owner) is not None:
            del self.leases[place]

    def owner(self, namespace: str, virtual_service: str) -> RolloutId | None:
        vs = self._find(namespace, virtual_service)
        return None if vs is None else virtual_services.owner_of(vs)

    def heartbeat(self, namespace: str, virtual_service: str) -> Heartbeat | None:
        vs = self._find(namespace, virtual_service)
        owner = None if vs is None else virtual_services.owner_of(vs)
        if vs is None or owner is None:
            return None
        heard = heartbeat_lease.read(self.leases.get((namespace, virtual_service)), owner)
        return virtual_services.heartbeat_of(
            vs, heard, foreign=heard is not None and heard.store not in {"", self.store}, signer=self.signer
        )

    def annotations(self, namespace: str, virtual_service: str) -> RolloutAnnotations | None:
        vs = self._find(namespace, virtual_service)
        return None if vs is None else virtual_services.rollout_annotations_of(vs, self.signer)

    def preview(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> dict[str, Any]:
        return virtual_services.claim(
            self._get(target), target, routes, owner=owner, recorded=recorded, now=self._now(), signer=self.signer
        )

    def preview_release(self, target: Target, routes: Routes) -> dict[str, Any]:
        return virtual_services.release(self._get(target), target, routes, self.signer)

    def rehearse(self, target: Target, objects: Sequence[dict[str, Any]]) -> Rehearsal:
        self._get(target)
        return Rehearsal(refusals=tuple(self.refusals), warnings=tuple(self.warnings)) if objects else Rehearsal()

    # The port ``Failsafe``, on the same objects

    def apply(
        self, annotations: RolloutAnnotations, beat: str, routes: Routes, failsafe_record: FailsafeRecord
    ) -> None:
        vs = self._get(annotations.target)
        place = annotations.target.virtual_service_namespace, annotations.target.virtual_service
        heard = heartbeat_lease.read(self.leases.get(place), annotations.owner)
        heartbeat = virtual_services.heartbeat_of(vs, heard)
        if self.conflicts or heartbeat is None or (heartbeat.owner, heartbeat.beat) != (annotations.owner, beat):
            self.conflicts = max(0, self.conflicts - 1)
            raise Contended("Kubernetes", "the object has been modified.")
        if heard is not None:
            self.leases[place] = heartbeat_lease.taken(self.leases[place], self._now())
        self._put(
            virtual_services.with_failsafe_record(
                vs,
                annotations.target,
                annotations.owner,
                routes,
                failsafe_record,
                plain(failsafe_sentence(failsafe_record, *annotations.target.deployments)),
                self.signer,
            ),
            "canary-bot-watchdog",
        )
        self.written.append(routes)

    def watch(self, namespace: str, limit: float) -> None:
        self._answer()
        self.watched[namespace] = limit

    def notify(self, namespace: str, virtual_service: str, reason: str, sentence: Text) -> None:
        if self._find(namespace, virtual_service) is not None:
            self.events.append((reason, plain(sentence)))

    def _annotated_by(self, vs: VirtualService) -> str:
        """What was removed has no writer."""
        there = virtual_services.is_whole(vs, signer=self.signer) or virtual_services.RESTORE in (
            vs["metadata"].get("annotations") or {}
        )
        return self._hands.get(_key(vs), "") if virtual_services.owner_of(vs) and there else ""

    def _get(self, target: Target) -> VirtualService:
        return deepcopy(self._stored(target))

    def _stored(self, target: Target) -> VirtualService:
        self._answer()
        vs = self._objects.get(target.virtual_service_key)
        if vs is None:
            raise Fault(
                "Kubernetes", f"VirtualService {'/'.join(target.virtual_service_key)} does not exist.", Cause.MISSING
            )
        return vs

    def _answer(self) -> None:
        if self.outage:
            raise self.outage

    def _find(self, namespace: str, name: str) -> VirtualService | None:
        self._answer()
        return deepcopy(self._objects.get((namespace, name)))

    def _write(self, vs: VirtualService, routes: Routes) -> None:
        if self.dies_at == _key(vs):
            raise KeyboardInterrupt
        if self.denial and (self.denied_at is None or self.denied_at == _key(vs)):
            raise self.denial
        self._put(vs)
        self.written.append(routes)

    def _put(self, vs: VirtualService, by: str = "canary-bot") -> None:
        vs["metadata"]["resourceVersion"] = str(int(vs["metadata"].get("resourceVersion", 0)) + 1)
        if vs["spec"] != self._objects[_key(vs)]["spec"]:
            self._managers[_key(vs)] = by
        self._hands[_key(vs)] = by
        self._objects[_key(vs)] = vs


def _refuse_unless(is_current: IsCurrent) -> None:
    if not is_current():
        raise Stale("Redis", "holds a newer decision; nothing was written.")


@contextmanager
def _refusals_as_contention() -> Iterator[None]:
    """In mid-run a refusal is somebody else's doing, as in the real adapter."""
    try:
        yield
    except Refusal as refusal:
        raise Contended("Kubernetes", " ".join((plain(refusal.sentence), *map(plain, refusal.reasons)))) from refusal


def _key(vs: VirtualService) -> tuple[str, str]:
    return vs["metadata"]["namespace"], vs["metadata"]["name"]
