"""What becomes of a rollout that the store does not know, or cannot read: it is aborted or abandoned by its
annotations, which are still in the cluster.

Whoever calls has the service to itself (``Locks``). What may be believed of annotations is in ``adoptable`` and
``adoption``, how they are taken off in ``abandoning``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bot.controller import abandoning, adoptable, adoption
from bot.controller.adoptable import Adoptable, AdoptionCause
from bot.controller.decisions import Abandon, Abort, ButtonToken, given
from bot.controller.ports import Ports
from bot.model.errors import Disbelieved, Fault, Refusal, Stale, Unreadable
from bot.model.rollout import BOT, Phase, Rollout, RolloutId, Target, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry, EntryKind
from bot.rollout import aborts, deadman, decide
from bot.words.sentence import Text, TypedIn, said, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How the controller keeps records.

    Attributes:
        create: store a rollout that was not stored before, with its story.
        save: store what became of one that was, and tell whoever measures.
        changed: tell whoever measures what became of one.
        reconcile: carry out at once what was stored; faults are left to the next tick.
        ended: nobody's heartbeat is renewed for it any more.
    """

    create: Callable[[Rollout, Sequence[Entry]], Rollout]
    save: Callable[[Rollout, Rollout, Sequence[Entry]], Rollout]
    changed: Callable[[Rollout, Rollout, Sequence[Entry]], None]
    reconcile: Callable[[Rollout], Rollout]
    ended: Callable[[Rollout], None]


class Forgotten:
    """Rollouts by their annotations."""

    def __init__(
        self,
        *,
        services: Collection[ServiceConfig],
        ports: Ports,
        new_id: Callable[[], RolloutId],
        keeping: Keeping,
    ) -> None:
        """Nothing is looked at yet; ``services`` are all of ``services.yaml``."""
        self._services = services
        self._ports = ports
        self._new_id = new_id
        self._keeping = keeping

    # Aborting

    def reclaim(self, known: ServiceConfig, owner: RolloutId, reason: Text) -> Rollout | None:
        """Abort the rollout ``owner``, if the store has never heard of it and nobody else has begun.

        Raises:
            Fault: the store or the cluster could not be read, so nothing is known; nothing has changed.
        """
        store = self._ports.store
        if store.active(known.key) is not None or store.load(known.key, owner) is not None:
            return None
        try:
            found = self._adoptable(known, owner)
            return None if found is None else self._adopt_and_abort(known, found, BOT, self._reason(found, reason))
        except Disbelieved as disbelieved:
            self._disbelieve(known, disbelieved.sentence)
            return None

    def abort(self, known: ServiceConfig, event: Abort, by: UserId, button_token: ButtonToken | None) -> Rollout | None:
        """Abort what a person means by what is left of it; None where nothing is, or another than they saw.

        Raises:
            Refusal: its annotations are not believed, or not theirs to use.
            Fault: the store or the cluster could not be read; nothing has changed.
        """
        found = adoptable.left_behind(known, self._ports)
        if found is None or (button_token is not None and button_token.rollout_id != found.annotations.owner):
            return None
        return self._adopt_and_abort(known, found, by, together([given(event.reason), adoption.why(found)]))

    def _adoptable(self, known: ServiceConfig, owner: RolloutId) -> Adoptable | None:
        """The annotations of ``owner``, where this service may take them up."""
        try:
            annotations = adoptable.annotations_of(known, self._ports.mesh)
        except Unreadable as unreadable:
            self._disbelieve(known, unreadable.sentence)
            raise
        if annotations is None or annotations.owner != owner:
            return None
        try:  # several services may share a VirtualService; whether a bot lives has been listened for
            cause = adoptable.adoption_cause(known, annotations, self._ports.store, lives=False)
        except Disbelieved:
            raise
        except Refusal as refusal:
            if self._is_nobodys(annotations.target) and known.key == self._first_at(known):
                self._disbelieve(known, refusal.sentence)
            return None
        return Adoptable(annotations=annotations, cause=cause)

    def _reason(self, found: Adoptable, reason: Text) -> Text:
        """The reason, and what the watchdog did meanwhile."""
        target = found.annotations.target
        record = self._ports.mesh.observe(target).failsafe_record
        if record is None:
            return reason
        return together([deadman.failsafe_sentence(record, target.canary_place, target.primary_place), reason])

    def _adopt_and_abort(self, known: ServiceConfig, found: Adoptable, by: UserId, reason: Text) -> Rollout:
        now = self._ports.clock.now()
        # What the store has a record of keeps its id; the abort of its annotations has one of its own.
        own = found.annotations.owner if found.cause is AdoptionCause.FORGOTTEN else self._new_id()
        taken = adoption.adopt(known, found, own, by, self._ports, now)
        aborting, entries = aborts.abort(taken, by, reason, now, stage_known=False)
        if found.cause is AdoptionCause.UNREADABLE and not self._ports.store.set_aside(
            known.key, found.annotations.owner
        ):
            raise Stale("Redis", said("controller.readable_after_all", service=known.name))
        stored = self._keeping.create(aborting, entries)
        self._keeping.changed(taken, stored, entries)
        return self._keeping.reconcile(stored)

    def _is_nobodys(self, target: Target) -> bool:
        """Whether no service of ours has the Deployment that somebody's annotations are about."""
        ours = {(service.namespace, service.primary_deployment) for service in self._services}
        return (target.namespace, target.primary_deployment) not in ours

    def _first_at(self, known: ServiceConfig) -> str:
        """Of the services that share a VirtualService, the one that speaks of what is wrong with it."""
        return min(one.key for one in self._services if set(one.virtual_service_keys) & set(known.virtual_service_keys))

    def report_unreadable(self, known: ServiceConfig) -> None:
        """Tell that nobody looks after the service's live rollout, where its record cannot be read.

        Raises:
            Fault: the store could not be asked; nobody was told.
        """
        live = self._ports.store.busy().get(known.key)
        if live is None:
            return
        try:
            self._ports.store.load(known.key, live)
        except Unreadable as unreadable:
            sentence = said(
                "controller.nobody_watches_lost",
                rollout=live,
                service=known.name,
                why=unreadable.sentence,
                command=TypedIn(f"abort {known.name}"),
                name=known.routes_names,
            )
            self._disbelieve(known, sentence)

    def _disbelieve(self, known: ServiceConfig, sentence: Text) -> None:
        """Tell the service's people of annotations that are not believed, once: a refused start remembers it."""
        if any(past.reason == sentence for past in self._ports.store.refusals(known.key)):
            return
        now = self._ports.clock.now()
        asked = replace(abandoning.record_of(known, self._new_id(), BOT, now), phase=Phase.PREFLIGHT)
        refused, _ = decide.refuse(asked, [sentence], now)
        self._keeping.create(refused, (Entry(at=now, kind=EntryKind.ALERT, text=sentence),))

    # Abandoning

    def abandon(self, known: ServiceConfig, event: Abandon, by: UserId, button_token: ButtonToken | None) -> Rollout:
        """Take off what a rollout that has ended, or one that nobody knows, left on the VirtualService.

        Raises:
            Refusal: no reason is given, or there is nothing that may be taken off.
            Fault: the store or the cluster could not be read; nothing has changed.
        """
        abandoning.refuse_without_reason(known.name, event.reason)
        unbound = button_token is None or button_token.rollout_id == abandoning.NOBODY
        lost = abandoning.set_aside(known.key, self._ports) if unbound else None
        owner = self._owner(known, lost)
        if button_token is not None and button_token.rollout_id not in {owner, abandoning.NOBODY}:
            raise Refusal(said("controller.nothing_left_behind"))
        now = self._ports.clock.now()
        before = None if owner == lost else self._ports.store.load(known.key, owner)
        # What the store has a record of keeps its id, also if nobody can read it.
        found = before or abandoning.record_of(known, owner if lost is None else self._new_id(), by, now)
        left, entries = abandoning.note(found, by, event.reason, now)
        if before is not None:
            return self.let_go(self._keeping.save(before, left, entries))
        stored = self._keeping.create(left, entries)
        self._keeping.changed(found, stored, entries)
        return self.let_go(stored, owner)

    def _owner(self, known: ServiceConfig, lost: RolloutId | None) -> RolloutId:
        """Whose annotations are there; ``lost`` is whose record was set aside, whatever can be known of them."""
        try:
            return abandoning.owner_of_annotations(known, self._ports)
        except (Refusal, Fault):
            if lost is None:
                raise
            return lost

    def let_go(self, ended: Rollout, owner: RolloutId | None = None) -> Rollout:
        """The record has ended; the annotations go, if they can."""
        self._keeping.ended(ended)
        trouble = abandoning.remove_annotations(ended, self._ports, owner)
        return self._keeping.save(ended, ended, trouble) if trouble else ended
