"""The port ``Mesh``: reads and writes VirtualServices so that nobody else's edit is lost.

What is edited is decided in ``routes``; here is how it reaches the API server: read, edit, replace with the
resourceVersion that was read. After a conflict the object is read again. If only unrelated fields changed, the edit is
made again on top of them; if the managed part changed, somebody else is steering too, and people must know.
After a write without an answer the object is read again before anything is said about it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.adapters.kube import WATCHDOG_MANAGER, Kube, Reads
from bot.adapters.kube_answers import Unanswered
from bot.adapters.lease_heartbeats import LeaseHeartbeats
from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.cluster.admission_policy import hosts_to_name
from bot.cluster.managed_fields import FIELD_MANAGER, ROUTES, Writer, annotation, writer_of
from bot.cluster.objects import annotations_of
from bot.cluster.virtual_service import VirtualService
from bot.controller.each_object import do_on_each, observe_each
from bot.controller.ports import IsCurrent, Rehearsal, always
from bot.model.copies import replace
from bot.model.errors import Cause, Contended, Fault, Refusal, Stale
from bot.model.observation import Denied, FailsafeRecord, Heartbeat, RolloutAnnotations, RouteStatus
from bot.model.rollout import PodTemplate, RolloutId, Routes, Target
from bot.model.signing import UNSIGNED, Signer
from bot.words.rendering import plain
from bot.words.sentence import Sentence, Text, said, together

ATTEMPTS = 5
MOST_OBSERVED = 4096  # VirtualServices of which is kept what was understood of them last

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Edit = Callable[[VirtualService], VirtualService]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    """One version of an object, and what was understood of it. A cache hands out the same one until it has another."""

    vs: VirtualService
    target: Target
    status: RouteStatus


def pause(attempt: int) -> None:
    """Wait shortly after the ``attempt``-th conflict, each writer for another time."""
    time.sleep(0.02 * attempt * (1 + random.random()))  # noqa: S311  # jitter, not a secret


class IstioMesh:
    """The managed routes of one cluster.

    ``now`` tells the time for heartbeats; ``wait`` is called with the number of the attempt that met a conflict.
    Looking asks ``reads``, which may be a cache; whatever is to be written is read from the API server itself. Who
    listens for heartbeats all the time has a cache of ``leases`` as well; who beats is known by its store, whose names
    are ``stores``, today's first. What it leaves on the object is signed by ``signer``, and what it finds there
    believed as far as that says.
    """

    def __init__(
        self,
        kube: Kube,
        now: Callable[[], float],
        wait: Callable[[int], None] = pause,
        *,
        reads: Reads | None = None,
        leases: Reads | None = None,
        stores: Sequence[str] = (),
        signer: Signer = UNSIGNED,
    ) -> None:
        self._kube = kube
        self._reads: Reads = reads or kube
        self._leases: Reads = leases or kube
        self._heart = LeaseHeartbeats(kube, now, stores)
        self._now = now
        self._wait = wait
        self._signer = signer
        self._observed: dict[tuple[str, str], _Observed] = {}

    def observe(self, target: Target) -> RouteStatus:
        """The managed routes as they are now, of each object; understood once for each version of it."""
        return observe_each(target, self._observe)

    def _observe(self, target: Target) -> RouteStatus:
        vs = self._get(target.virtual_service_key, self._reads)
        key = target.virtual_service_key
        last = self._observed.get(key)
        if last is not None and last.vs is vs and last.target == target:
            return last.status
        status = self._understood(vs, target)
        if len(self._observed) >= MOST_OBSERVED:
            self._observed.clear()
        self._observed[key] = _Observed(vs=vs, target=target, status=status)
        return status

    def _understood(self, vs: VirtualService, target: Target) -> RouteStatus:
        read, owner = virtual_services.read_routes(vs, target), virtual_services.owner_of(vs)
        writer = writer_of(vs, ROUTES, not_by=FIELD_MANAGER)
        annotated_by = _annotated_by(vs)
        return RouteStatus(
            routes=read if isinstance(read, Routes) else None,
            owner=owner,
            annotated=owner is None or virtual_services.is_whole(vs, signer=self._signer),
            signed=owner is None or virtual_services.is_signed(vs, self._signer),
            writer=writer.manager,
            written_at=writer.at,
            annotated_by=annotated_by.manager,
            annotated_at=annotated_by.at,
            reason="" if isinstance(read, Routes) else read,
            failsafe_record=_failsafe_record(vs, self._signer),
            fingerprint=virtual_services.fingerprint(vs, target),
            name=target.routes_name,
        )

    def route(  # the port's
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
        """Make the managed routes equal ``routes``; nothing is written when they already do.

        Raises:
            Contended: the managed part changed between read and write, or became something we must not edit.
            Stale: a newer decision has been stored (``is_current``); nothing was written.
        """

        def write(one: Target) -> None:
            def edit(vs: VirtualService) -> VirtualService:
                if virtual_services.is_claimed(vs, one, routes, owner, self._signer):
                    return vs
                now = self._now()
                return virtual_services.claim(
                    vs,
                    one,
                    routes,
                    owner=owner,
                    recorded=recorded,
                    now=now,
                    taking_from=taking_from,
                    held_before=held_before,
                    signer=self._signer,
                )

            self._write(one.virtual_service_key, edit, is_current, managed=one)

        do_on_each(target, write)

    def release(self, target: Target, routes: Routes, owner: RolloutId, *, is_current: IsCurrent = always) -> None:
        """Leave ``routes`` behind for good: annotations and inserted routes go."""

        def leave(one: Target) -> None:
            def edit(vs: VirtualService) -> VirtualService:
                virtual_services.refuse_other_owner(vs, owner)
                return virtual_services.release(vs, one, routes, self._signer)

            # The heartbeat goes first: whoever dies after that comes here again, and leaves no Lease behind.
            self._fall_silent(*one.virtual_service_key, owner)
            if not self._write(one.virtual_service_key, edit, is_current, managed=one):
                self._outdate_late_writes(*one.virtual_service_key, owner)

        do_on_each(target, leave)

    def remove_annotations(self, namespace: str, virtual_service: str, owner: RolloutId) -> None:
        """Take our annotations off if they are ``owner``'s, whatever became of the routes; nothing where none is."""
        self._fall_silent(namespace, virtual_service, owner)
        if not self._annotate(namespace, virtual_service, lambda vs: virtual_services.remove_annotations(vs, owner)):
            self._outdate_late_writes(namespace, virtual_service, owner)

    def _fall_silent(self, namespace: str, virtual_service: str, owner: RolloutId) -> None:
        """A Lease that stays behind is harmless, so one that cannot be deleted keeps no rollout from its end."""
        try:
            self._heart.end(namespace, virtual_service, owner)
        except Fault as fault:
            log.warning("lease_left_behind", virtual_service=f"{namespace}/{virtual_service}", reason=fault.sentence)

    def _outdate_late_writes(self, namespace: str, virtual_service: str, owner: RolloutId) -> None:
        """Change the object and change it back, so that no write of ``owner``'s that is on its way takes effect.

        Such a write was read before, and the API server takes it only while the object is as it was then. Where the
        annotations were gone already, their removal may be older than that read.
        """
        self._annotate(namespace, virtual_service, lambda vs: virtual_services.annotate_ended(vs, owner))
        self._annotate(namespace, virtual_service, virtual_services.remove_ended)

    def _annotate(self, namespace: str, virtual_service: str, edit: Edit) -> bool:
        """``_write`` for edits of our own annotations alone; nothing is written where the object is not there."""
        try:
            return self._write((namespace, virtual_service), edit)
        except Fault as fault:
            if fault.cause is Cause.MISSING:
                return False
            raise

    def beat(self, target: Target, owner: RolloutId, limit: float = 0.0) -> None:
        """Renew the heartbeat, beside the object. One write on what was last seen: a conflict is the next beat's."""

        def beat(one: Target) -> None:
            vs = self._reads.get("VirtualService", *one.virtual_service_key)
            if vs is not None and virtual_services.owner_of(vs) == owner:
                self._heart.beat(vs, owner, limit)

        do_on_each(target, beat)

    def quiet(self, target: Target, owner: RolloutId) -> None:
        """Leave nothing of ``owner``'s heartbeat behind."""
        do_on_each(target, lambda one: self._heart.end(*one.virtual_service_key, owner))

    def owner(self, namespace: str, virtual_service: str) -> RolloutId | None:
        """The rollout that holds the object; None when none does, or no object."""
        vs = self._reads.get("VirtualService", namespace, virtual_service)
        return None if vs is None else virtual_services.owner_of(vs)

    def heartbeat(self, namespace: str, virtual_service: str) -> Heartbeat | None:
        """The heartbeat of whatever rollout holds the object; None when none does, or no object."""
        vs = self._reads.get("VirtualService", namespace, virtual_service)
        owner = None if vs is None else virtual_services.owner_of(vs)
        if vs is None or owner is None:
            return None
        heard = heartbeat_lease.read(
            self._leases.get("Lease", namespace, heartbeat_lease.name_for(virtual_service)), owner
        )
        foreign = heard is not None and self._heart.is_foreign(heard)
        heartbeat = virtual_services.heartbeat_of(vs, heard, foreign=foreign)
        return heartbeat and replace(heartbeat, failsafe_record=_failsafe_record(vs, self._signer))

    def annotations(self, namespace: str, virtual_service: str) -> RolloutAnnotations | None:
        """The annotations of whatever rollout holds the object; None when there are none, or no object."""
        vs = self._kube.get("VirtualService", namespace, virtual_service)
        return None if vs is None else virtual_services.rollout_annotations_of(vs, self._signer)

    def preview(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> dict[str, Any]:
        """The object ``route`` would write now; nothing is written.

        Raises:
            Refusal: the object is one that we must not edit, in words for whoever asked.
        """
        vs = self._get(target.virtual_service_key)
        return virtual_services.claim(
            vs, target, routes, owner=owner, recorded=recorded, now=self._now(), signer=self._signer
        )

    def preview_release(self, target: Target, routes: Routes) -> dict[str, Any]:
        """The object ``release`` would leave behind; nothing is written."""
        return virtual_services.release(self._get(target.virtual_service_key), target, routes, self._signer)

    def rehearse(self, target: Target, objects: Sequence[dict[str, Any]]) -> Rehearsal:
        """Offer each object to the API server as a dry run, which runs admission and needs the same permission.

        What admission says only because of our copies is not told.
        """
        now = self._get(target.virtual_service_key)
        version = now["metadata"]["resourceVersion"]  # previews may be older than an unrelated edit
        fresh = [{**obj, "metadata": {**obj["metadata"], "resourceVersion": version}} for obj in objects]
        warnings: list[str] = []
        refused: list[Denied] = []
        for obj in fresh:
            heard: list[str] = []
            if (denied := _rehearsed(self._kube.notifying(heard.append), obj)) is not None:
                refused.append(denied)
            warnings += [text for text in heard if not virtual_services.is_about_copies(text, obj)]
        refusals = list(dict.fromkeys(refused))  # stages share their mistakes: each is told once
        warned: list[Text] = list(dict.fromkeys(warnings))
        if fit := hosts_to_name(target, fresh, (plain(denied.sentence) for denied in refusals)):
            refusals.append(Denied(cause=Cause.REFUSED, sentence=fit))
        elif fit := hosts_to_name(target, fresh, warnings):
            warned.append(fit)
        return Rehearsal(refusals=tuple(refusals), warnings=tuple(warned))

    def _write(
        self, key: tuple[str, str], edit: Edit, is_current: IsCurrent = always, *, managed: Target | None = None
    ) -> bool:
        """Read, edit, replace, until it is as ``edit`` wants it; whether that took a write of ours.

        Edits leave alone what is already right. Each read is followed by asking whether the edit is still wanted
        (``is_current``): a rollout that ends changes the object after that, and the write that was built on the read is
        refused.

        Args:
            key: namespace and name.
            edit: from the object as it was read to the one that is wanted.
            is_current: whether the decision behind it still holds.
            managed: whose managed routes nobody else may have changed meanwhile; None: whoever else writes, the edit is
                made on top.

        Raises:
            Contended: somebody else keeps on writing, or has changed the managed routes.
            Stale: a newer decision has been stored (``is_current``); nothing was written.
            Fault: the object is missing, or cannot be read or written.
        """
        vs = self._get(key)
        for attempt in range(1, ATTEMPTS + 1):
            wanted = _edited(edit, vs)
            if wanted == vs:
                return False
            if not is_current():
                raise Stale("Redis", said("adapters.newer_decision", thing=virtual_services.title(vs)))
            try:
                self._kube.put(wanted)
            except Contended as conflict:
                self._wait(attempt)
                before, vs = vs, self._get(key)
                if managed and _edited(edit, vs) != vs and _rival_wrote(before, vs, managed):
                    raise Contended("Kubernetes", _rival(vs)) from conflict
            except Unanswered:
                vs = self._get(key)
                if _edited(edit, vs) != vs:
                    raise
                return True
            else:
                return True
        raise Contended("Kubernetes", said("adapters.busy", thing=virtual_services.title(vs)))

    def _get(self, key: tuple[str, str], reads: Reads | None = None) -> VirtualService:
        vs = (reads or self._kube).get("VirtualService", *key)
        if vs is None:
            raise Fault("Kubernetes", said("adapters.gone", thing=f"VirtualService {'/'.join(key)}"), Cause.MISSING)
        return vs


def _rival(vs: VirtualService) -> Sentence:
    who, thing = writer_of(vs, ROUTES, not_by=FIELD_MANAGER).manager, virtual_services.title(vs)
    return (
        said("adapters.routes_changed_by", who=who, thing=thing)
        if who
        else said("adapters.routes_changed", thing=thing)
    )


def _failsafe_record(vs: VirtualService, signer: Signer) -> FailsafeRecord | None:
    """What the watchdog did. Without a key it has to be its own hand at least, as far as the API server tells.

    A field manager is what a writer calls itself; the admission policy lets nobody else write the annotation.
    """
    found = virtual_services.failsafe_record_of(vs, signer)
    writer = writer_of(vs, annotation(virtual_services.WATCHDOG))
    return found if signer.signs or writer.manager in {"", WATCHDOG_MANAGER} else None


def _annotated_by(vs: VirtualService) -> Writer:
    """Who wrote our annotations last, where somebody did.

    What is removed leaves no entry of whoever removed it. The last entries are our own then, and say nothing.
    """
    name = virtual_services.OWNER if virtual_services.is_whole(vs) else virtual_services.RESTORE
    there = name in annotations_of(vs)
    return (
        writer_of(vs, annotation(name), not_by=FIELD_MANAGER) if virtual_services.owner_of(vs) and there else Writer()
    )


def _rehearsed(kube: Kube, obj: VirtualService) -> Denied | None:
    """Why the API server would refuse this; None when it would not."""
    try:
        kube.put(obj, dry_run=True)
    except (Unanswered, Contended):
        raise
    except Fault as refused:
        return Denied(cause=refused.cause, sentence=refused.sentence)
    return None


def _edited(edit: Edit, vs: VirtualService) -> VirtualService:
    """In mid-run a refusal is not a person's: what was fine at preflight has been changed by somebody else."""
    try:
        return edit(vs)
    except Refusal as refusal:
        raise Contended("Kubernetes", together((refusal.sentence, *refusal.reasons))) from refusal


def _rival_wrote(before: VirtualService, after: VirtualService, target: Target) -> bool:
    try:
        return virtual_services.managed_part(before, target) != virtual_services.managed_part(after, target)
    except Refusal:
        return True  # no longer a thing that we could manage
