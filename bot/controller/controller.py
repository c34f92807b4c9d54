"""The controller: what people ask for and what the scheduler looks at, through one door.

Decide purely, save, then act. Every command and every tick of one service runs alone (``_alone``); what another
process did meanwhile is found by the store's compare-and-set, and the work is done again on what is stored then.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from bot.controller import observe
from bot.controller.adoption import adopt
from bot.controller.commands import Seen
from bot.controller.ports import Ports
from bot.controller.starting import NO_OVERRIDES, Order, Plan, last_checks, make_draft, make_plan_of
from bot.rollout import machine
from bot.rollout.desired import Action, ApplyTemplate, Release, ScaleCanaryDown, SetRoutes, Wait, next_action
from bot.rollout.errors import Fault, Refusal, Stale
from bot.rollout.model import Entry, HoldCause, Judgement, Phase, Rollout, RolloutId, Sight, Template, UserId
from bot.rollout.plans import Overrides
from bot.rollout.service import Service

# A look that changed something is followed by another at once, so that a stage does not wait for the next tick. The
# longest chain is an advance: leave, set routes, settle, and an action of the next stage.
LOOKS_PER_TICK = 5
SAVES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is told to whoever measures us; every field is a plain function. The defaults measure nothing."""

    ticked: Callable[[float, float], None] = lambda _seconds, _lag: None
    judged: Callable[[Rollout, Judgement], None] = lambda _rollout, _judgement: None
    changed: Callable[[Rollout, Rollout, Sequence[Entry]], None] = lambda _before, _after, _entries: None
    acted: Callable[[Rollout, Action], None] = lambda _rollout, _action: None
    failed: Callable[[Rollout, Fault], None] = lambda _rollout, _fault: None


class Controller:
    """Commands, and the tick."""

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        ports: Ports,
        new_id: Callable[[], RolloutId],
        watch: Watch = Watch(),  # frozen
        threads: int = 8,
    ) -> None:
        self._services = services
        self._ports = ports
        self._new_id = new_id
        self._watch = watch
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="look")

    # --- commands ----------------------------------------------------------------------------------------------------

    def start(
        self, service: str, version: str, *, by: UserId, channel: str = "", overrides: Overrides = NO_OVERRIDES
    ) -> Rollout:
        """Preflight, and the mirror goes on. ``channel`` empty: the service's own.

        Raises:
            Refusal: with every reason at once; the refused start is kept in the service's history.
            Fault: the cluster or the store could not be reached; nothing has changed.
        """
        known = self._service(service)
        with self._alone(known.key):
            now = self._ports.clock.now()
            self._refuse_second(known)
            order = Order(service=known, version=version, by=by, channel=channel, overrides=overrides)
            draft = make_draft(order, self._new_id(), self._ports, now)
            reasons = last_checks(draft, self._ports)
            if reasons:
                refused, entries = machine.refuse(draft.rollout, reasons, now)
                self._ports.store.create(refused, entries)
                raise Refusal(f"{service} {version} was not started; nothing has changed.", reasons)
            begun, entries = machine.begin(draft.rollout, now, draft.scene.warnings)
            stored = self._ports.store.create(begun, entries)
            self._watch.changed(draft.rollout, stored, entries)
            return self._look_after_command(stored)

    def plan(self, service: str, version: str, *, overrides: Overrides = NO_OVERRIDES) -> Plan:
        """Every object a rollout would write, stage by stage, without writing anything.

        Raises:
            Refusal: there is no such plan: the service is unknown or its objects are ambiguous.
            Fault: the cluster could not be read.
        """
        order = Order(service=self._service(service), version=version, by=UserId("plan"), overrides=overrides)
        draft = make_draft(order, RolloutId("plan"), self._ports, self._ports.clock.now())
        return make_plan_of(draft, self._ports)

    def approve(self, service: str, *, by: UserId, evidence: str | None = None) -> Rollout:
        """Let the current stage be left; see ``machine.approve``. ``evidence`` is the clicked button's value."""
        seen = None if evidence is None else Seen.read(evidence)

        def change(rollout: Rollout, now: float) -> machine.Change:
            if seen is not None and seen.rollout_id != rollout.id:
                raise Refusal("That button belongs to an earlier rollout. The newest card has the ones that count.")
            return machine.approve(rollout, by, now, (seen.stage, seen.evidence) if seen else None)

        return self._command(service, change)

    def abort(self, service: str, *, by: UserId, reason: str) -> Rollout:
        """Everyone back to the healthy side, now; see ``machine.abort``.

        A rollout that the store has forgotten is aborted from its marks in the cluster.
        """
        said = reason.strip().rstrip(".") or "no reason given"
        known = self._service(service)
        with self._alone(known.key):
            marks = (
                self._ports.mesh.marks(known.namespace, known.virtual_service) if self._is_forgotten(known) else None
            )
            if marks is None:
                return self._command(service, lambda rollout, now: machine.abort(rollout, by, f"{said}.", now))
            now = self._ports.clock.now()
            found = adopt(known, marks, by, self._ports, now)
            aborting, entries = machine.abort(found, by, f"{said}. Its state was lost; its marks were not.", now)
            stored = self._ports.store.create(aborting, entries)
            self._watch.changed(found, stored, entries)
            return self._look_after_command(stored)

    def pause(self, service: str, *, by: UserId) -> Rollout:
        """See ``machine.pause``."""
        return self._command(service, lambda rollout, now: machine.pause(rollout, by, now))

    def resume(self, service: str, *, by: UserId) -> Rollout:
        """See ``machine.resume``."""
        return self._command(service, lambda rollout, now: machine.resume(rollout, by, now))

    def retry(self, service: str, *, by: UserId) -> Rollout:
        """See ``machine.retry``."""
        return self._command(service, lambda rollout, now: machine.retry(rollout, by, now))

    def accept(self, service: str, *, by: UserId) -> Rollout:
        """See ``machine.accept``."""
        return self._command(service, lambda rollout, now: machine.accept(rollout, by, now))

    def restore(self, service: str, *, by: UserId) -> Rollout:
        """See ``machine.restore``."""
        return self._command(service, lambda rollout, now: machine.restore(rollout, by, now))

    # --- questions ---------------------------------------------------------------------------------------------------

    def active(self, service: str) -> Rollout | None:
        """The service's live rollout."""
        return self._ports.store.active(self._service(service).key)

    def live(self) -> Sequence[Rollout]:
        """Every live rollout, oldest first."""
        return self._ports.store.live()

    def story(self, rollout: Rollout) -> Sequence[Entry]:
        """What happened in a rollout, oldest first."""
        return self._ports.store.story(rollout.key, rollout.id)

    def history(self, service: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's rollouts, newest first."""
        return self._ports.store.history(self._service(service).key, limit)

    def evidence(self, rollout: Rollout) -> str:
        """The value of every button that is shown for the rollout as it is now."""
        return str(Seen.of(rollout))

    def services(self) -> Sequence[Service]:
        """Every service of ``services.yaml``."""
        return tuple(self._services.values())

    # --- the tick ----------------------------------------------------------------------------------------------------

    def sweep(self, live: Sequence[Rollout]) -> None:
        """Look at each of these rollouts once, several at a time. One that fails does not keep the others waiting."""
        started = self._ports.clock.now()
        for _ in self._pool.map(self.tick, live):
            pass
        self._watch.ticked(self._ports.clock.now() - started, 0.0)

    def tick(self, rollout: Rollout) -> None:
        """Look at one rollout, decide, save, act. Faults are told to the watch; the next tick tries again."""
        try:
            with self._alone(rollout.key):
                stored = self._ports.store.load(rollout.key, rollout.id)
                if stored is not None and not stored.ended:
                    self._look_on(stored)
        except Fault as fault:
            self._watch.failed(rollout, fault)

    def close(self) -> None:
        """Wait for looks under way."""
        self._pool.shutdown(wait=True)

    def _look_on(self, rollout: Rollout) -> Rollout:
        """Look, and look again while looking changes something."""
        for _ in range(LOOKS_PER_TICK):
            sight = self._see(rollout)
            now = self._ports.clock.now()
            judgement = observe.judge(rollout, self._ports.metrics, now)
            self._watch.judged(rollout, judgement)
            decided, entries = machine.look(rollout, sight, judgement, now)
            saved = self._save(rollout, decided, entries) if decided != rollout else rollout
            moved = (saved.phase, saved.stage, saved.settled_at) != (rollout.phase, rollout.stage, rollout.settled_at)
            rollout = saved
            acted = sight is not None and self._act(rollout, sight)
            if rollout.ended or not (acted or moved):
                break
        return rollout

    def _see(self, rollout: Rollout) -> Sight | None:
        try:
            return observe.see(rollout, self._ports.mesh, self._ports.workloads)
        except Fault as fault:
            self._watch.failed(rollout, fault)
            return None

    def _save(self, before: Rollout, after: Rollout, entries: Sequence[Entry]) -> Rollout:
        saved = self._ports.store.save(after, entries)
        self._watch.changed(before, saved, entries)
        return saved

    def _act(self, rollout: Rollout, sight: Sight) -> bool:
        """Do the next thing; True when something was done. A fault is left to the next tick."""
        action = next_action(rollout, sight)
        if action is None or isinstance(action, Wait) or _drifted(rollout):
            return False
        try:
            self._do(rollout, action)
        except Fault as fault:
            self._watch.failed(rollout, fault)
            return False
        self._watch.acted(rollout, action)
        return True

    def _do(self, rollout: Rollout, action: Action) -> None:
        mesh, workloads, target = self._ports.mesh, self._ports.workloads, rollout.target
        match action:
            case SetRoutes(routes=routes):
                mesh.route(target, routes, rollout.id, rollout.recorded)
            case ApplyTemplate(template=template):
                workloads.apply(target, rollout.upgraded if template is Template.UPGRADED else rollout.recorded)
            case ScaleCanaryDown():
                workloads.scale_canary_down(target)
            case Release(routes=routes):
                mesh.release(target, routes, rollout.id)
            case Wait():
                pass

    # --- the small print ---------------------------------------------------------------------------------------------

    def _command(self, service: str, change: Callable[[Rollout, float], machine.Change]) -> Rollout:
        known = self._service(service)
        with self._alone(known.key):
            for _ in range(SAVES):
                rollout = self._ports.store.active(known.key)
                if rollout is None:
                    raise Refusal(f"{service} has no rollout. Start one with `start {service} VERSION`.")
                changed, entries = change(rollout, self._ports.clock.now())
                try:
                    saved = self._save(rollout, changed, entries)
                except Stale:
                    continue  # somebody else's command or tick came between; decide again on what is stored now
                return self._look_after_command(saved)
        raise Fault("Redis", f"{service} is changing too fast to be changed; try again.")

    def _look_after_command(self, saved: Rollout) -> Rollout:
        """The command is stored and will be carried out; doing so now is only sooner."""
        try:
            return self._look_on(saved)
        except Fault as fault:
            self._watch.failed(saved, fault)
            return self._ports.store.load(saved.key, saved.id) or saved

    def _is_forgotten(self, known: Service) -> bool:
        return self._ports.store.active(known.key) is None

    def _refuse_second(self, known: Service) -> None:
        live = self._ports.store.active(known.key)
        if live is not None:
            where = f"({live.version}, {machine.describe(live)})"
            raise Refusal(f"{known.name} already has a rollout {where}. See `status {known.name}`.")

    def _service(self, name: str) -> Service:
        service = self._services.get(name)
        if service is None:
            known = ", ".join(sorted(self._services)) or "none"
            raise Refusal(f"There is no service {name} in services.yaml. Known: {known}.")
        return service

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        with self._locks[key]:
            yield


def _drifted(rollout: Rollout) -> bool:
    """Somebody else's change is theirs until a person says restore; only an abort writes over it."""
    return rollout.hold is not None and rollout.hold.cause is HoldCause.DRIFT and rollout.phase is not Phase.ABORTING
