"""The watchdog's loop: listens for heartbeats, and brings users to safety where one has fallen silent.

It knows the Kubernetes API and nothing else. When a rollout counts as left alone and where its users are safe is
decided in ``bot.rollout.deadman``; here it is listened, looked, written once, and said once.

One that has just started waits a whole limit from the first heartbeat it sees: how old a heartbeat is could only be
told by comparing clocks. A bot that asks for more patience than that is given it. Any number may run: each write is
conditional on the silence it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.cluster.objects import NamespacedName
from bot.controller import adoptable
from bot.controller.containment import Broken
from bot.controller.ports import Failsafe, Mesh, Workloads
from bot.controller.record_from_annotations import ANYTHING
from bot.model.errors import Cause, Contended, Fault, Unreadable
from bot.model.observation import FailsafeAction, FailsafeRecord, Heartbeat, RolloutAnnotations
from bot.model.rollout import Routes
from bot.model.service import ServiceConfig
from bot.rollout.deadman import Heard, action, failsafe_sentence, hear, left_alone, safe_routes
from bot.words.sentence import Text, said

LONGEST_PAUSE = 10.0  # seconds between two reconciles that may count as silence; the rest is time we did not listen
REPORTS = 3  # within the limit: how often it says that it watches
RECHECK = 5.0  # seconds until a silent rollout that needs nothing is looked at again: pods come and go

REASONS = {
    FailsafeAction.HOME: "BroughtHome",
    FailsafeAction.MIRROR: "MirrorEnded",
    FailsafeAction.KEPT: "KeptOnCanary",
    FailsafeAction.CANARY: "BroughtToCanary",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What the watchdog tells whoever measures it; every field is a plain function. The defaults measure nothing."""

    listened: Callable[[Sequence[float]], None] = lambda _silences: None
    acted: Callable[[NamespacedName, FailsafeAction, Text], None] = lambda _place, _action, _sentence: None
    left: Callable[[NamespacedName, Text], None] = lambda _place, _sentence: None
    failed: Callable[[NamespacedName, Fault], None] = lambda _place, _fault: None


class Watchdog:
    """Watches these VirtualServices. ``reconcile`` is called about every second, by one thread."""

    def __init__(
        self,
        *,
        services: Sequence[ServiceConfig],
        mesh: Mesh,
        workloads: Workloads,
        failsafe: Failsafe,
        limit: float,
        now: Callable[[], float],
        stopwatch: Callable[[], float],
        witness: Witness = Witness(),  # frozen
    ) -> None:
        """``now`` is for what people read; ``stopwatch`` counts seconds that no clock setting changes."""
        self._services: dict[NamespacedName, list[ServiceConfig]] = {}
        self.use(services)
        self._mesh = mesh
        self._workloads = workloads
        self._failsafe = failsafe
        self._limit = limit
        self._now = now
        self._stopwatch = stopwatch
        self._witness = witness
        self._heard: dict[NamespacedName, Heard] = {}
        self._known: dict[NamespacedName, RolloutAnnotations] = {}  # as they were read while a bot lived
        self._rests: dict[NamespacedName, float] = {}  # until when nothing need be done
        self._notified: dict[
            NamespacedName, tuple[str, str]
        ] = {}  # about which heartbeat, and the reason of the newest Event
        self._report_at: float | None = None
        self.trouble: Text = ""  # the newest failure as a sentence, "" when the last reconcile went well

    def use(self, services: Sequence[ServiceConfig]) -> None:
        """Watch over these as well. What has left ``services.yaml`` may have a live rollout, and is watched on."""
        keys: dict[NamespacedName, list[ServiceConfig]] = {}
        for service in services:
            for key in service.virtual_service_keys:
                keys.setdefault(key, []).append(service)
        self._services = self._services | keys

    def reconcile(self) -> None:
        """Look at each VirtualService once. One that fails keeps no other waiting."""
        trouble: Text = ""
        for key in tuple(self._services):
            try:
                self._reconcile_at(key)
            except Contended:
                continue  # somebody wrote it; if that was the bot, its heartbeat has changed
            except Fault as fault:
                trouble = fault.sentence
                self._witness.failed(key, fault)
            except Exception as error:  # noqa: BLE001  # whatever it was, the other objects are looked at
                broken = Broken(error, said("controller.doing_look", name="/".join(key)))
                trouble = broken.sentence
                self._witness.failed(key, broken)
        self.trouble = trouble
        self._witness.listened([heard.silence for heard in self._heard.values()])
        self._report()

    def _report(self) -> None:
        """Say in every namespace that it is watched, for `canary-bot check`. Nothing else hangs on it."""
        now = self._stopwatch()
        if self._report_at is not None and now < self._report_at:
            return
        self._report_at = now + self._limit / REPORTS
        for namespace, name in {key[0]: key for key in self._services}.values():
            try:
                self._failsafe.watch(namespace, self._limit)
            except Contended:
                continue  # another one has just said so
            except Fault as fault:
                self._witness.failed((namespace, name), fault)
            except Exception as error:  # noqa: BLE001  # nothing hangs on it, so nobody is kept waiting by it
                self._witness.failed(
                    (namespace, name), Broken(error, said("controller.doing_watch", namespace=namespace))
                )

    def _reconcile_at(self, key: NamespacedName) -> None:
        heartbeat = self._mesh.heartbeat(*key)
        if heartbeat is None:
            for remembered in (self._heard, self._known, self._notified):
                remembered.pop(key, None)
            return
        at = self._stopwatch()
        heard = hear(self._heard.get(key), heartbeat.owner, heartbeat.beat, at, LONGEST_PAUSE)
        self._heard[key] = heard
        self._learn(key, heard)
        if heard.silence < max(self._limit, heartbeat.limit):
            self._rests.pop(key, None)
        elif at >= self._rests.get(key, at):
            self._help(key, heartbeat, heard)
            self._rests[key] = at + RECHECK

    def _help(self, key: NamespacedName, heartbeat: Heartbeat, heard: Heard) -> None:
        annotations = self._believed(key, heard)
        if annotations is None:
            return
        live = self._routes_at(key, annotations)
        # Which image was being promoted is not known here, and makes no difference: it is not the recorded one.
        primary, canary = self._workloads.observe(annotations.target, annotations.recorded, ANYTHING, ANYTHING)
        safe = safe_routes(live, primary, canary)
        doing = None if safe is None else action(live, safe)
        if safe is None:
            self._let_be(key, heard, "LeftAsItIs", left_alone(heard.silence, annotations.target, at_home=False))
        elif doing is None and heartbeat.failsafe_record is None:
            self._let_be(key, heard, "LeftAtHome", left_alone(heard.silence, annotations.target, at_home=True))
        elif doing is not None and (doing is not FailsafeAction.KEPT or heartbeat.failsafe_record is None):
            self._act(key, annotations, heard, safe, doing)

    def _routes_at(self, key: NamespacedName, annotations: RolloutAnnotations) -> Routes | None:
        """What this very object says: each of several has its own heartbeat, and its users are brought home by it."""
        status = self._mesh.observe(annotations.target)
        found = [one.routes for one in status.each if one.name == "/".join(key)]
        return found[0] if found else status.routes

    def _learn(self, key: NamespacedName, heard: Heard) -> None:
        """Read the annotations with a beat, so that whoever damages them later does not take home away from users."""
        known = self._known.get(key)
        if heard.silence > 0 or (known is not None and known.owner == heard.owner):
            return
        with suppress(Fault):  # what is wrong with them is said when they are needed; the next beat is another try
            if (found := self._mesh.annotations(*key)) is not None:
                self._known[key] = found

    def _believed(self, key: NamespacedName, heard: Heard) -> RolloutAnnotations | None:
        """What is needed to bring users to safety; None where the object is another rollout's by now.

        Raises:
            Fault: nobody can know it, or it could not be read. Where only a person can help, an Event says so.
        """
        try:
            annotations = self._annotations(key, heard)
            if annotations.owner != heard.owner:
                return None
            self._refuse_what_is_nobodys(key, annotations)
        except Fault as fault:
            if isinstance(fault, Unreadable) or fault.cause is Cause.REFUSED:
                self._say(key, heard, "RescueFailed", said("controller.rescue_failed", why=fault.sentence))
            raise
        return annotations

    def _annotations(self, key: NamespacedName, heard: Heard) -> RolloutAnnotations:
        """As they are; where they are damaged, as they were when this rollout's bot gave a sign of life."""
        known = self._known.get(key)
        if known is not None and known.owner != heard.owner:
            known = None
        try:
            found = self._mesh.annotations(*key) or known
        except Unreadable:
            if known is None:
                raise
            return known
        if found is None:
            bare = said("controller.bare_annotation", name="/".join(key), owner=heard.owner)
            raise Unreadable("Kubernetes", bare)
        return found

    def _refuse_what_is_nobodys(self, key: NamespacedName, annotations: RolloutAnnotations) -> None:
        """Whoever may edit the object may write annotations: what can be known without them is not theirs to say."""
        odd = [adoptable.odd(service, annotations.target) for service in self._services[key]]
        where = "/".join(key)
        if odd and odd[0] is not None and all(odd):
            raise Fault("Kubernetes", said("controller.forged_place", name=where, odd=odd[0]), Cause.REFUSED)
        unknown = self._unknown_images(annotations)
        if unknown:
            primary = annotations.target.primary_deployment
            wrong = said("controller.forged_image", name=where, image=unknown[0], primary=primary)
            raise Fault("Kubernetes", wrong, Cause.REFUSED)

    def _unknown_images(self, annotations: RolloutAnnotations) -> list[str]:
        """As ``adoptable``; of a Deployment that is gone nobody can tell, and routes alone are written here."""
        try:
            return adoptable.unknown_images(annotations, self._workloads)
        except Fault as fault:
            if fault.cause is not Cause.MISSING:
                raise
            return []

    def _act(
        self, key: NamespacedName, annotations: RolloutAnnotations, heard: Heard, safe: Routes, doing: FailsafeAction
    ) -> None:
        failsafe_record = FailsafeRecord(at=self._now(), silence=heard.silence, action=doing)
        try:
            self._failsafe.apply(annotations, heard.beat, safe, failsafe_record)
        except Contended:
            raise
        except Fault as fault:
            self._say(key, heard, "RescueFailed", said("controller.rescue_failed", why=fault.sentence))
            raise
        sentence = failsafe_sentence(failsafe_record, *annotations.target.deployments)
        self._witness.acted(key, doing, sentence)
        self._say(key, heard, REASONS[doing], sentence)

    def _let_be(self, key: NamespacedName, heard: Heard, reason: str, sentence: Text) -> None:
        if self._notified.get(key) != (heard.beat, reason):
            self._witness.left(key, sentence)
            self._say(key, heard, reason, sentence)

    def _say(self, key: NamespacedName, heard: Heard, reason: str, sentence: Text) -> None:
        """Once for each silence and reason. Words are not tried twice: what was done is on the object itself."""
        if self._notified.get(key) == (heard.beat, reason):
            return
        self._notified[key] = (heard.beat, reason)
        try:
            self._failsafe.notify(*key, reason, sentence)
        except Fault as fault:
            self._witness.failed(key, fault)
