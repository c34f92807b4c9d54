"""The controller: what people ask for and what the scheduler looks at, through one door.

Decide purely, save, then act. Every command and every tick of one service runs alone (``Locks``); what another
process did meanwhile is found by the store's compare-and-set, and the work is done again on what is stored then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace

from bot.controller import observe, retrying, rollback
from bot.controller.containment import Broken, contained
from bot.controller.decisions import (
    Abandon,
    Abort,
    Approve,
    ButtonToken,
    By,
    Event,
    OutOfDate,
    changed_since,
    decide_on,
    moved_on,
    was_clicked_already,
)
from bot.controller.draft import NO_OVERRIDES, Draft, Order, make_draft, with_past
from bot.controller.forgotten import Forgotten, Keeping
from bot.controller.heartbeat import Heartbeats
from bot.controller.hook_calls import Record, Run, Webhooks, in_a_thread
from bot.controller.last_checks import last_checks
from bot.controller.last_count import LastCounts
from bot.controller.locks import Locks
from bot.controller.lookup import Lookup
from bot.controller.names import concerned, name_of, unlisted
from bot.controller.own_pods import OwnPods, ready_pods
from bot.controller.ports import IsCurrent, Ports, Store
from bot.controller.rivals import conflicts, refuse_taking_back
from bot.controller.telemetry import UNMEASURED, Telemetry
from bot.controller.timekeeping import Timekeeper
from bot.controller.workers import Workers
from bot.model.errors import Contended, Fault, Refusal, Stale, Unreadable
from bot.model.figures import Figures
from bot.model.freeze import ALL, Freeze, FreezeAction, FreezeLine
from bot.model.observation import Denied, Observation
from bot.model.rollout import BOT, Phase, Rollout, RolloutId, Template, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry, EntryKind
from bot.rollout import again, capacity, decide, hooks
from bot.rollout.actions import (
    Action,
    ApplyTemplate,
    Release,
    ScaleCanaryDown,
    ScaleCanaryUp,
    ScalePrimaryUp,
    SetRoutes,
    Wait,
    next_action,
)
from bot.rollout.hooks import Answer
from bot.rollout.phrases import status_text
from bot.rollout.plans import Overrides
from bot.words.sentence import Code, Text, TypedIn, said

# A reconcile that changed something is followed by another at once, so that a stage does not wait for the next tick.
# The longest chain is an advance: leave, set routes, settle, and an action of the next stage.
RECONCILES_PER_TICK = 5
ANSWER_TRIES = 5  # of storing what a webhook has answered, while others write the same record
SAVES = 5
REMEMBERED = 10_000  # rollouts


class Controller(Lookup):
    """Commands, and the tick; what is only asked for is in ``Lookup``."""

    def __init__(
        self,
        *,
        services: Mapping[str, ServiceConfig],
        trouble: Text = "",
        ports: Ports,
        new_id: Callable[[], RolloutId],
        telemetry: Telemetry = UNMEASURED,
        threads: int = 4,
        heart: Heartbeats | None = None,
        stopwatch: Callable[[], float] | None = None,
        hook_run: Run = in_a_thread,
    ) -> None:
        """Nothing is looked at yet.

        Args:
            services: those of ``services.yaml``, by name.
            trouble: why that file could not be read; "" when it could. Live rollouts are looked after all the same.
            ports: everything outside.
            new_id: makes the id of a new rollout.
            telemetry: what is told to whoever measures us.
            threads: that look at once, at most.
            heart: renews the heartbeats; one of its own by default.
            stopwatch: seconds that no clock setting changes; without one the clock is never set.
            hook_run: lets a webhook's call run beside everything else.
        """
        super().__init__(services=services, trouble=trouble, ports=ports)
        self._new_id = new_id
        self._telemetry = telemetry
        self._stopwatch = stopwatch or ports.clock.now
        self._times = Timekeeper(ports.clock.now, self._stopwatch, telemetry.clock_set)
        self._heart = heart or Heartbeats(ports.mesh, ports.clock, failed=telemetry.failed)
        self._locks = Locks()
        # The newest revisions that this process stored, the latest last: what was read before them is out of date.
        self._saved: dict[RolloutId, int] = {}
        self._notified_unwatched: dict[RolloutId, Text] = {}  # what people were told is wrong with us
        # What the cluster said to the last write of each rollout, while it said no.
        self._denied: dict[RolloutId, Denied] = {}
        self._own_pods = OwnPods()
        self._last_counts = LastCounts()
        self._webhooks = Webhooks(ports.webhooks, ports.clock, hook_run)
        # What a webhook has answered is so, whoever leads by now: it is stored without a lease, as commands are.
        self._answers_store = ports.store
        # Rollouts that may owe calls once they have ended, whatever services.yaml says by now, and whatever has begun
        # since; None is a service's last one. At first that of each.
        self._owing: dict[tuple[str, RolloutId | None], None] = dict.fromkeys(
            (one.key, None) for one in services.values()
        )
        self._workers = Workers(threads)

    # --- commands ----------------------------------------------------------------------------------------------------

    def start(
        self,
        service: str,
        version: str,
        *,
        by: UserId,
        channel: str = "",
        overrides: Overrides = NO_OVERRIDES,
        because: str = "",
    ) -> Rollout:
        """Preflight, and the mirror goes on. ``channel`` empty: the service's own; ``because`` is somebody's reason.

        Raises:
            Refusal: with every reason at once; the refused start is kept (``refusals``).
            Fault: the cluster or the store could not be reached; nothing has changed.
        """
        known = self._service(service)
        with self._locks.alone(known.key):
            now = self._ports.clock.now()
            self._refuse_second(known)
            others = tuple(self._services.values())
            order = Order(
                service=known,
                version=version,
                by=by,
                channel=channel,
                overrides=overrides,
                because=because,
                others=others,
            )
            return self._launch(make_draft(order, self._new_id(), self._ports, now), now)

    def drill(self, service: str, version: str, *, by: UserId) -> Rollout:
        """Rehearse an abort: it mirrors, and is aborted as if the canary had failed. Its preflight is that of a start.

        Raises:
            Refusal: the service is not marked for it, or preflight says no; with every reason.
            Fault: the cluster or the store could not be reached; nothing has changed.
        """
        known = self._service(service)
        if not known.drill:
            raise Refusal(said("controller.no_drill", service=known.name, key=Code("drill: true")))
        with self._locks.alone(known.key):
            now = self._ports.clock.now()
            self._refuse_second(known)
            others = tuple(self._services.values())
            order = Order(service=known, version=version, by=by, others=others, drill=True)
            return self._launch(make_draft(order, self._new_id(), self._ports, now), now)

    def retry(self, service: str, *, by: UserId, stage: str = "", because: str = "") -> Rollout:
        """Begin the service's last rollout, which was aborted, again at a stage: where it stopped, or the one named.

        Raises:
            Refusal: it cannot be taken up there, or preflight says no; with every reason.
            Fault: the cluster or the store could not be reached; nothing has changed.
        """
        known = self._service(service)
        with self._locks.alone(known.key):
            now = self._ports.clock.now()
            self._refuse_second(known)
            last = self.newest_release(known.key)
            where = retrying.point(known.name, last, stage, now)
            order = Order(
                service=known,
                version=where.aborted.spec.version,
                by=by,
                overrides=again.same_steps(where.aborted),
                because=because,
                others=tuple(self._services.values()),
            )
            return self._launch(retrying.cut(make_draft(order, self._new_id(), self._ports, now), where), now)

    def _launch(self, draft: Draft, now: float) -> Rollout:
        """The last checks, the first decision, and it is stored and written (``_reconcile``).

        Raises:
            Refusal: with every reason at once; the refused start is kept (``refusals``).
        """
        spec, checked = draft.rollout.spec, last_checks(draft, self._ports)
        if checked.reasons:
            refused, entries = decide.refuse(draft.rollout, checked.reasons, now)
            self._ports.store.file(refused, entries)
            raise Refusal(said("controller.not_started", service=spec.service, version=spec.version), checked.findings)
        draft_with_past, unknown = with_past(draft, draft.service)
        begun, entries = decide.enter_first_stage(draft_with_past, now, (*checked.warnings, *unknown))
        stored = self._create(begun, entries)
        self._telemetry.changed(draft.rollout, stored, entries)
        self._give_way(stored)
        return self._reconcile_after_command(stored)

    def rollback(self, service: str, *, by: By) -> Rollout:
        """Take the service's last promotion back. While it is still watched its abort does that.

        Raises:
            Refusal: it cannot be taken back, with every reason, or it is not theirs to do so; nothing has changed.
            Fault: the cluster or the store could not be reached; nothing has changed.
        """
        known = self._service(service)
        live = self._ports.store.active(known.key)
        if live is not None and rollback.may_abort_instead(live):
            return self.decide(live.key, Abort(said("controller.rollback_abort")), by, ButtonToken.of(live))
        by.check(known.approvals)  # may ask Slack, so nobody else waits for it
        with self._locks.alone(known.key):
            now = self._ports.clock.now()
            if live is not None:
                command, version = TypedIn(f"abort {known.name}"), live.spec.version
                raise Refusal(said("controller.rollback_live", version=version, command=command))
            self._refuse_second(known)
            last = self.newest_release(known.key)
            request = rollback.Request(service=known, last=last, by=by.id, others=tuple(self._services.values()))
            draft = rollback.make_draft(request, self._new_id(), self._ports, now)
            begun, entries = decide.enter_first_stage(draft, now)
            stored = self._create(begun, entries)
            self._telemetry.changed(draft, stored, entries)
            self._give_way(stored)
            return self._reconcile_after_command(stored)

    def decide(self, service: str, event: Event, by: By, button_token: ButtonToken | None = None) -> Rollout:
        """The one door for whatever people decide about a rollout: commands, buttons and forms.

        Args:
            service: its name, or ``namespace/name``; live rollouts are looked through first.
            event: what was decided.
            by: who, and how to find out whether a rule lets them.
            button_token: what the button or form showed, which the decision is bound to; None for a typed command,
                which is about the live rollout as it is stored then.

        Raises:
            OutOfDate: the rollout has moved on since.
            Refusal: it is not possible, or not theirs to decide; nothing has changed.
            Fault: the store could not be reached.
        """
        key = self._key(service) if button_token is None else button_token.key
        for _ in range(SAVES):
            asked = self._concerned(key, event, button_token)
            if asked is None or self._is_left(asked, event, by, button_token):
                return self._decide_unknown(key, event, by, button_token)
            by.refuse_strangers(event, asked.approvals_rule)  # may ask Slack, so nobody else waits for it
            if isinstance(event, Approve):
                event = Approve(by.shown(asked))
            with self._locks.alone(key):
                rollout = concerned(self._ports.store, key, button_token)
                if rollout is None or (rollout.spec.id, rollout.approvals_rule) != (
                    asked.spec.id,
                    asked.approvals_rule,
                ):
                    continue  # who may decide about that one, or at this stage, has not been asked
                try:
                    if isinstance(event, Approve):
                        self._refuse_unless_as_shown(rollout)
                    changed, entries = decide_on(rollout, event, by.id, button_token, self._ports.clock.now())
                    if changed is rollout:
                        return rollout  # the same click once more
                    saved = self._save(rollout, changed, entries)
                except Stale:
                    continue  # somebody else's command or tick came between; decide again on what is stored now
                return (
                    self._forgotten.let_go(saved)
                    if isinstance(event, Abandon)
                    else self._reconcile_after_command(saved)
                )
        raise Fault("Redis", said("controller.changing_too_fast", service=service))

    def _refuse_unless_as_shown(self, rollout: Rollout) -> None:
        """Look whether somebody has changed, since the last reconcile, what the question that stands rests on.

        Raises:
            OutOfDate: they have; the rollout says so from now on.
        """
        if rollout.ended or rollout.asked_at is None or rollout.judgement is None:
            return
        observed, now = self._observe(rollout), self._ports.clock.now()
        looked, entries = decide.observe_again(rollout, observed, rollout.judgement, now)
        if looked.evidence != rollout.evidence:
            saved = self._save(rollout, looked, entries)
            raise OutOfDate(changed_since(saved, rollout.evidence) or moved_on(saved))

    def approve(self, service: str, *, by: UserId, evidence: str | None = None) -> Rollout:
        """Decide ``Approve`` as somebody who needs not be asked who they are; ``evidence`` is the button's value."""
        return self.decide(service, Approve(), By(id=by), None if evidence is None else ButtonToken.read(evidence))

    def abort(self, service: str, *, by: UserId, reason: str) -> Rollout:
        """Decide ``Abort`` as somebody who needs not be asked who they are."""
        return self.decide(service, Abort(reason), By(id=by))

    def _decide_unknown(self, key: str, event: Event, by: By, button_token: ButtonToken | None) -> Rollout:
        """About a rollout that the store does not know: if it was lost, its annotations are still there."""
        known = next((service for service in self._services.values() if service.key == key), None)
        known = known or unlisted(key, self._ports.store)
        if isinstance(event, Abandon) and known is not None:
            by.refuse_strangers(event, known.approvals)
            with self._locks.alone(key):
                return self._forgotten.abandon(known, event, by.id, button_token)
        if isinstance(event, Abort) and known is not None:
            with self._locks.alone(key):
                aborted = self._forgotten.abort(known, event, by.id, button_token)
            if aborted is not None:
                return aborted
        if button_token is not None:
            raise Refusal(said("controller.long_over"))
        command = TypedIn(f"start {name_of(key)}")
        raise Refusal(said("controller.no_rollout", service=name_of(key), command=command))

    @property
    def _forgotten(self) -> Forgotten:
        keeping = Keeping(
            create=self._create,
            save=self._save,
            changed=self._telemetry.changed,
            reconcile=self._reconcile_after_command,
            ended=lambda ended: self._heart.after_reconcile(ended, None),
        )
        services = self._services.values()
        return Forgotten(services=services, ports=self._ports, new_id=self._new_id, keeping=keeping)

    def _concerned(self, key: str, event: Event, button_token: ButtonToken | None) -> Rollout | None:
        """The rollout that is meant; None where its record cannot be read and an end of it is asked for: that goes by
        its annotations.
        """
        try:
            return concerned(self._ports.store, key, button_token)
        except Fault:
            if not isinstance(event, Abort | Abandon):
                raise
            return None

    def reclaim(self, service: str, owner: RolloutId, reason: Text) -> Rollout | None:
        """Abort the rollout ``owner`` from its annotations, as ``Forgotten.reclaim`` says."""
        known = self._service(service)
        with self._locks.alone(known.key):
            return self._forgotten.reclaim(known, owner, reason)

    def cared_for(self, owner: RolloutId) -> bool:
        """Whether this process was the last to look after the rollout, as far as it knows."""
        return self._heart.knows(owner)

    # --- freezes -----------------------------------------------------------------------------------------------------

    def freeze(self, scope: str, *, by: UserId, reason: str, seconds: float | None) -> tuple[Freeze, Freeze | None]:
        """Nothing of ``scope`` (a service, or ``ALL``) is started from now on; what is live is not touched.

        Tells what is frozen now, and which freeze it replaces. ``seconds`` None is until somebody ends it.

        Raises:
            Refusal: there is no such service.
            Fault: the store could not be reached.
        """
        if scope != ALL:
            scope = self._service(scope).name
        now = self._ports.clock.now()
        until = None if seconds is None else now + seconds
        freeze = Freeze(scope=scope, by=by, since=now, until=until, reason=reason)
        replaced = self._ports.freezes.freeze(freeze)
        self._telemetry.froze(FreezeLine(at=now, by=by, action=FreezeAction.FROZE, freeze=freeze))
        return freeze, replaced

    def unfreeze(self, freeze: Freeze, *, by: UserId) -> None:
        """End this freeze, as the person has seen it.

        Raises:
            Refusal: it is not there any more: somebody has ended or replaced it since.
            Fault: the store could not be reached.
        """
        now = self._ports.clock.now()
        if not self._ports.freezes.unfreeze(freeze, by=by, now=now):
            raise Refusal(said("controller.freeze_changed", what=freeze.what, command=TypedIn("services")))
        self._telemetry.froze(FreezeLine(at=now, by=by, action=FreezeAction.UNFROZE, freeze=freeze))

    # --- the tick ----------------------------------------------------------------------------------------------------

    def sweep(self, live: Sequence[Rollout], late: float = 0.0) -> None:
        """Look at each of these rollouts once, several at a time. One that fails does not keep the others waiting.

        Args:
            live: as they were stored a moment ago.
            late: how many seconds after it was due the sweep begins.
        """
        started = self._stopwatch()
        for rollout in live:
            self._remember_owing(rollout)
        readings = observe.read_each(live, self._ports.metrics, self._ports.clock.now())
        self._notify_of_unread(live, readings)
        began = self._workers.each(lambda rollout: self.tick(rollout, readings.get(rollout.spec.id)), live)
        last = max(began, default=started)
        self._telemetry.ticked(self._stopwatch() - started, late + last - started)
        self._last_counts.take(self._ports.store, self._ports.metrics, self._ports.clock.now())

    def report_unreadable(self, keys: Iterable[str]) -> None:
        """Tell the people of these services, as far as their live rollout's record cannot be read. Once each."""
        known = {service.key: service for service in self._services.values()}
        for service in (known[key] for key in keys if key in known):
            try:
                with contained(said("controller.doing_tell", service=service.name)), self._locks.alone(service.key):
                    self._forgotten.report_unreadable(service)
            except Fault as fault:
                self._telemetry.untold(service.name, fault)

    def tick(self, rollout: Rollout, reading: Figures | Fault | None = None) -> float:
        """Look at one rollout, decide, save, act. Faults go to ``Telemetry.failed``; the next tick tries again.

        ``reading`` was taken for this rollout as it is given; where it has moved on meanwhile, another is taken. Tells
        when the reconcile began, by the stopwatch.
        """
        began = self._stopwatch()
        try:
            with (
                contained(said("controller.doing_reconcile", service=rollout.spec.service)),
                self._locks.alone(rollout.key),
            ):
                latest = self._reconcile_latest(rollout, reading)
            self._webhooks.call_due(latest, self._record)
        except Fault as fault:
            self._telemetry.failed(rollout, fault)
            if isinstance(fault, Broken):
                self._notify_unwatched(rollout, fault)
        return began

    def _reconcile_latest(self, rollout: Rollout, reading: Figures | Fault | None) -> Rollout:
        if self._saved.get(rollout.spec.id, rollout.revision) > rollout.revision:
            return self._reconcile_stored(rollout)
        try:
            return self._reconcile(rollout, reading if reading is not None else self._read(rollout))
        except Stale:  # another replica served a command; what it stored is looked at instead
            return self._reconcile_stored(rollout)

    def call_owed_webhooks(self) -> None:
        """Of rollouts that have ended: whoever ended one may have gone before its webhooks were told."""
        busy = self._ports.store.busy()
        calling = ((service.key, None) for service in self._services.values() if hooks.tells(service.webhooks))
        for key, known in dict.fromkeys((*calling, *self._owing.copy())):
            if key in busy and known in {None, busy[key]}:
                continue  # it has not ended
            ended = self._ended(key, known)
            if ended is not None:
                self._webhooks.call_due(ended, self._record)
            if ended is None or not hooks.owes(ended, self._ports.clock.now()):
                self._owing.pop((key, known), None)

    def _ended(self, key: str, known: RolloutId | None) -> Rollout | None:
        """That rollout, or the service's last one, if it has ended and can be read."""
        store = self._ports.store
        with suppress(Unreadable):
            one = next(iter(store.history(key, 1)), None) if known is None else store.load(key, known)
            return one if one is not None and one.ended else None
        return None

    def _remember_owing(self, rollout: Rollout) -> None:
        if not hooks.tells(rollout.spec.webhooks):
            return
        self._owing[rollout.key, rollout.spec.id] = None
        for oldest in [*self._owing][:-REMEMBERED]:  # of whoever does not lead they are not asked for
            self._owing.pop(oldest, None)

    @property
    def _record(self) -> Record:
        return Record(read=self._read_for_webhook, keep=self._keep_answer)

    def _read_for_webhook(self, rollout: Rollout) -> Rollout | None:
        """As it is stored now; nobody is called by whoever does not lead any more, or cannot store what is answered."""
        try:
            return self._ports.store.load(rollout.key, rollout.spec.id)
        except Fault as fault:
            self._telemetry.failed(rollout, fault)
            return None

    def _keep_answer(self, rollout: Rollout, answer: Answer) -> Rollout | None:
        """Store what a webhook has answered, and go on by it."""
        kept = None
        try:
            with (
                contained(said("controller.doing_webhook", name=answer.call.hook.name)),
                self._locks.alone(rollout.key),
            ):
                kept = self._store_answer(rollout, answer)
                if kept is not None and not kept.ended:
                    return self._reconcile(kept, self._read(kept))
        except Fault as fault:
            self._telemetry.failed(rollout, fault)
        return kept

    def _store_answer(self, rollout: Rollout, answer: Answer) -> Rollout | None:
        """The rollout with the answer in it, whatever else is stored meanwhile: a late write of a bot that has died, or
        another replica's, makes it no other answer. None where there is no record.

        Raises:
            Fault: the store could not be reached, or changed each time.
        """
        for _ in range(ANSWER_TRIES - 1):
            with suppress(Stale):
                return self._store_answer_now(rollout, answer)
        return self._store_answer_now(rollout, answer)

    def _store_answer_now(self, rollout: Rollout, answer: Answer) -> Rollout | None:
        latest = self._answers_store.load(rollout.key, rollout.spec.id)
        if latest is None:
            return None
        noted, entries = hooks.answered(latest, answer, self._ports.clock.now())
        return latest if noted is latest else self._save(latest, noted, entries, self._answers_store)

    def _notify_unwatched(self, rollout: Rollout, broken: Broken) -> None:
        """Tell people, once per fault, that this rollout cannot be looked after."""
        if self._notified_unwatched.get(rollout.spec.id) == broken.sentence:
            return
        self._notified_unwatched[rollout.spec.id] = broken.sentence
        command = TypedIn(f"abort {rollout.spec.service}")
        text = said("controller.nobody_watches", why=broken.sentence, command=command)
        try:
            with contained(said("controller.doing_tell", service=rollout.spec.service)):
                stored = self._ports.store.load(rollout.key, rollout.spec.id)
                if stored is not None and not stored.ended:
                    self._save(stored, stored, (Entry(at=self._ports.clock.now(), kind=EntryKind.ALERT, text=text),))
        except Fault as fault:
            if not isinstance(fault, Broken):  # the store is away: said at the next reconcile
                del self._notified_unwatched[rollout.spec.id]
            self._telemetry.failed(rollout, fault)

    def _notify_of_unread(self, live: Sequence[Rollout], readings: observe.Readings) -> None:
        """One Prometheus that is away is one fault, however many rollouts it keeps waiting."""
        notified = set[Text]()
        for rollout in live:
            fault = readings.get(rollout.spec.id)
            if isinstance(fault, Fault) and fault.sentence not in notified:
                notified.add(fault.sentence)
                self._telemetry.failed(rollout, fault)

    def _reconcile_stored(self, rollout: Rollout) -> Rollout:
        stored = self._ports.store.load(rollout.key, rollout.spec.id)
        if stored is None or stored.ended:
            return stored or rollout
        return self._reconcile(stored, self._read(stored))

    def _read(self, rollout: Rollout) -> Figures | Fault | None:
        return observe.read([rollout], self._ports.metrics, self._ports.clock.now()).get(rollout.spec.id)

    def under(self, store: Store) -> Controller:
        """This controller, its locks and its threads, working with another store: the leader's carries its lease."""
        twin = copy(self)
        twin._ports = replace(self._ports, store=store)  # noqa: SLF001  # it is one of us
        return twin

    def close(self) -> None:
        """Wait for reconciles under way."""
        self._workers.close()

    def _reconcile(self, rollout: Rollout, reading: Figures | Fault | None) -> Rollout:
        """Observe, judge, decide, save, act; again while that changes something; figures are new the first time."""
        for _ in range(RECONCILES_PER_TICK):
            observed = self._observe(rollout)
            now = self._ports.clock.now()
            timely = self._times.kept(rollout)
            reading = reading if timely is rollout else None  # it was asked for by a clock that has been set since
            own = self._own_pods.after(rollout, observed, self._stopwatch())
            ready, home = ready_pods(rollout, observed), capacity.could_go_home(observed)
            judgement, analysis_state = observe.judge(timely, reading, now, own, ready, home=home)
            if reading is not None:  # otherwise it is the last one again
                self._telemetry.judged(rollout, judgement)
            reading = None
            decided, entries = decide.decide(timely, observed, judgement, now, analysis_state)
            saved = self._save(rollout, decided, entries) if decided != rollout else rollout
            moved = (saved.phase, saved.stage, saved.settled_at) != (rollout.phase, rollout.stage, rollout.settled_at)
            rollout = saved
            self._times.reconciled(rollout)
            acted = self._act(rollout, observed)
            if rollout.ended or not (acted or moved):
                break
        self._heart.after_reconcile(rollout, observed if observed.tended else None)
        return rollout

    def _observe(self, rollout: Rollout) -> Observation:
        mesh, workloads = self._ports.mesh, self._ports.workloads
        observed = observe.observe(
            rollout, mesh, workloads, notify=lambda fault: self._telemetry.failed(rollout, fault)
        )
        return replace(observed, denied=self._denied.get(rollout.spec.id))

    def _save(self, before: Rollout, after: Rollout, entries: Sequence[Entry], store: Store | None = None) -> Rollout:
        saved = (store or self._ports.store).save(after, entries)
        self._note_saved(saved)
        self._last_counts.note(saved)
        self._telemetry.changed(before, saved, entries)
        return saved

    def _create(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        created = self._ports.store.create(rollout, entries)
        self._note_saved(created)
        return created

    def _note_saved(self, saved: Rollout) -> None:
        self._remember_owing(saved)
        self._saved.pop(saved.spec.id, None)
        self._saved[saved.spec.id] = saved.revision
        if len(self._saved) > REMEMBERED:
            del self._saved[next(iter(self._saved))]

    def _act(self, rollout: Rollout, observed: Observation) -> bool:
        """Do the next thing; True when something was done. A fault is left to the next tick, which is told of it."""
        action = next_action(rollout, observed)
        if action is None or isinstance(action, Wait) or _drifted(rollout):
            self._denied.pop(rollout.spec.id, None)
            return False
        try:
            if self._is_superseded(rollout):
                return False
        except Fault as fault:
            self._telemetry.failed(rollout, fault)
            return False
        return self._try(rollout, observed, action)

    def _try(self, rollout: Rollout, observed: Observation, action: Action) -> bool:
        try:
            if isinstance(action, ApplyTemplate) and action.template is Template.RECORDED:
                refuse_taking_back(rollout, observed, self._past_of_others(rollout))
            with contained(said("controller.doing_write", service=rollout.spec.service)):
                self._do(rollout, action)
        except Stale:
            return False  # somebody else has decided since; the next reconcile sees what
        except Fault as fault:
            if fault.system != "Redis":  # the store's trouble is told of elsewhere, and is nobody's refusal
                self._denied[rollout.spec.id] = Denied(cause=fault.cause, sentence=fault.sentence)
            self._telemetry.failed(rollout, fault)
            return False
        self._denied.pop(rollout.spec.id, None)
        self._telemetry.acted(rollout, action)
        return True

    def _do(self, rollout: Rollout, action: Action) -> None:
        mesh, workloads, target = self._ports.mesh, self._ports.workloads, rollout.spec.target
        is_current: IsCurrent = lambda: not self._is_superseded(rollout)  # noqa: E731  # the ports ask it before each write
        match action:
            case SetRoutes():
                self._route(rollout, action, is_current)
            case ApplyTemplate(template=template):
                workloads.apply(
                    target,
                    rollout.spec.upgraded if template is Template.UPGRADED else rollout.spec.recorded,
                    is_current,
                )
            case ScaleCanaryUp(pods=pods):
                workloads.scale_canary_up(target, pods)
            case ScaleCanaryDown():
                workloads.scale_canary_down(target)
            case ScalePrimaryUp(pods=pods):
                workloads.scale_primary_up(target, pods)
            case Release(routes=routes):
                mesh.release(target, routes, rollout.spec.id, is_current=is_current)
            case Wait():
                pass

    def _past_of_others(self, rollout: Rollout) -> Iterator[Rollout]:
        others = (service.key for service in self._services.values() if service.key != rollout.key)
        return (one for key in others for one in self._ports.store.history(key))

    def _is_superseded(self, rollout: Rollout) -> bool:
        """Whether another replica has decided since: an abort there must not be undone by what we were about to do."""
        stored = self._ports.store.load(rollout.key, rollout.spec.id)
        return stored is None or stored.revision != rollout.revision

    def _route(self, rollout: Rollout, action: SetRoutes, is_current: IsCurrent) -> None:
        """Write the routes, by ``bot.adapters.istio``.

        An abort, or a step back, that meets a rival's write in the same moment writes over it, once.
        """
        urgent = rollout.phase is Phase.ABORTING or rollout.goes_home
        for last in (not urgent, True):
            try:
                self._ports.mesh.route(
                    rollout.spec.target,
                    action.routes,
                    rollout.spec.id,
                    rollout.spec.recorded,
                    taking_from=action.taking_from,
                    held_before=action.held_before,
                    is_current=is_current,
                )
            except Contended:
                if last:
                    raise
            else:
                return

    # --- helpers of the commands -------------------------------------------------------------------------------------

    def _reconcile_after_command(self, saved: Rollout) -> Rollout:
        """The command is stored and will be carried out; doing so now is only sooner."""
        try:
            with contained(said("controller.doing_reconcile", service=saved.spec.service)):
                return self._reconcile(saved, self._read(saved))
        except Fault as fault:
            self._telemetry.failed(saved, fault)
            return self._ports.store.load(saved.key, saved.spec.id) or saved

    def _give_way(self, begun: Rollout) -> None:
        """Two starts about one Deployment, at the same moment on two replicas: whoever sees the other gives way.

        Both do where both were stored before either looked. That is meant: neither has moved anybody, and one of them
        can be started again, while two that went on would take each other's images back.

        Raises:
            Refusal: there is another one, and this one was aborted before it moved anybody.
        """
        rivals = tuple(conflicts(begun, self._ports.store.live()))
        if rivals:
            self.decide(begun.key, Abort(rivals[0]), By(id=BOT), ButtonToken.of(begun))
            spec = begun.spec
            raise Refusal(said("controller.aborted_at_once", service=spec.service, version=spec.version), rivals)

    def _is_left(self, rollout: Rollout, event: Event, by: By, button_token: ButtonToken | None) -> bool:
        """Whether the rollout has ended, and what it left behind is to go; unless that very click has been served."""
        served = button_token is not None and was_clicked_already(
            rollout, event, by.id, button_token, self._ports.clock.now()
        )
        return rollout.ended and isinstance(event, Abandon) and not served

    def _refuse_second(self, known: ServiceConfig) -> None:
        live = self._ports.store.active(known.key)
        if live is not None:
            command = TypedIn(f"status {known.name}")
            where, version = status_text(live), live.spec.version
            raise Refusal(said("controller.already_rolling_out", version=version, where=where, command=command))


def _drifted(rollout: Rollout) -> bool:
    """Somebody else's change is theirs until a person says restore; only an abort writes over it."""
    return rollout.drift is not None and rollout.phase is not Phase.ABORTING
