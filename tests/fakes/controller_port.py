"""The controller as the listeners see it: the real rules on a store in memory, without a cluster.

engine = FakeEngine(a_service())
engine.begin("reviews", "v2")                # a live rollout
engine.change("reviews", asked_at=10.0)      # put it where the test needs it
engine.outage = Refusal("...")               # every command raises it
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from bot.controller.abandoning import NOBODY
from bot.controller.decisions import Abort, Approve, ButtonToken, By, Event, decide_on
from bot.controller.names import concerned, key_of, name_of
from bot.controller.preview import Plan, PlannedStage
from bot.model.errors import Refusal
from bot.model.freeze import Freeze
from bot.model.rollout import Rollout, RolloutId, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry
from bot.rollout import again, decide
from bot.rollout.plans import Overrides
from bot.words.rendering import plain
from bot.words.sentence import Text
from tests.builders import MAYA, a_rollout, a_service, changed
from tests.fakes.clock import FakeClock
from tests.fakes.freezes import InMemoryFreezes
from tests.fakes.store import InMemoryStore

NO_OVERRIDES = Overrides()


def a_plan(stages: Iterable[tuple[str, str]], warnings: Sequence[str] = ()) -> Plan:
    """What a start would do, by each stage's name and sentence."""
    planned = [PlannedStage(name=name, called=name, sentence=sentence, objects=()) for name, sentence in stages]
    return Plan(planned=planned, reasons=(), warnings=warnings)


class FakeController:
    """``bot.controller.controller_port.ControllerPort``; ``asked`` remembers each command as (what, service, who)."""

    def __init__(self, *services: ServiceConfig) -> None:
        self.clock = FakeClock()
        self.store = InMemoryStore()
        self.frozen = InMemoryFreezes()
        self.outage: Exception | None = None
        self.asked: list[tuple[str, str, str]] = []
        self.reasons: list[str] = []
        self.overrides: Overrides | None = None
        self.before_answer: Callable[[], object] = lambda: None
        self.trouble = ""
        self.deployed: dict[str, tuple[str, ...]] = {}  # the versions that a service has Deployments for
        self._services = {service.name: service for service in services or (a_service(),)}
        self._ids = count(1)
        self._done = threading.Condition()

    # For tests

    def begin(self, service: str = "reviews", version: str = "v2", by: UserId = MAYA, **changes: Any) -> Rollout:
        """A live rollout that mirrors, by routes that are written."""
        now = self.clock.now()
        draft = a_rollout(
            self._known(service),
            id=RolloutId(f"r-{next(self._ids)}"),
            version=version,
            started_by=by,
            started_at=now,
        )
        begun, entries = decide.enter_first_stage(draft, now)
        return self.store.create(changed(begun, **{"settled_at": now} | changes), entries)

    def change(self, service: str, *entries: Entry, **changes: Any) -> Rollout:
        """Put the live rollout somewhere else."""
        return self.store.save(changed(self._live(service), **changes), entries)

    def forget(self, *names: str) -> None:
        """These services leave services.yaml."""
        for name in names:
            del self._services[name]

    def wait_until(self, predicate: Callable[[], object], timeout: float = 10) -> None:
        """Wait for commands of other threads."""
        with self._done:
            if not self._done.wait_for(predicate, timeout):
                raise TimeoutError(f"Nothing of the kind was asked within {timeout:g} s.")

    # The port

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
        self._ask("start", service, by)
        self.overrides = overrides
        more = {"channel": channel} if channel else {}
        return self._notify(self.begin(service, version, by, because=because, **more))

    def rollback(self, service: str, *, by: By) -> Rollout:
        self._ask("rollback", service, by.id)
        begun = self.begin(service, "v2", by.id)
        return self.store.save(replace(begun, spec=replace(begun.spec, back_to="v1")))

    def drill(self, service: str, version: str, *, by: UserId) -> Rollout:
        self._ask(f"drill {version}", service, by)
        return self.store.save(changed(self.begin(service, version, by), drill=True))

    def retry(self, service: str, *, by: UserId, stage: str, because: str) -> Rollout:
        self._ask(f"retry from {stage or 'where it stopped'}", service, by)
        last = next(iter(self.history(service)))
        chosen = next((one for one in again.choices(last) if one.name == stage), again.choices(last)[-1])
        begun = self.begin(service, last.spec.version, by, because=because)
        return self.store.save(changed(begun, again=again.taken_up(last, chosen)))

    def newest_release(self, service: str) -> Rollout | None:
        return next((one for one in self.history(service) if not one.spec.drill), None)

    def retries(self, service: str) -> Sequence[str]:
        last = next(iter(self.history(service)), None)
        return [] if last is None else [again.typed(stage) for stage in again.choices(last)]

    def decide(self, service: str, event: Event, by: By, button_token: ButtonToken | None = None) -> Rollout:
        if self.outage is not None:
            raise self.outage
        rollout = concerned(self.store, self._key(service) if button_token is None else button_token.key, button_token)
        if rollout is None:
            raise Refusal(f"{name_of(service)} has no rollout.")
        by.refuse_strangers(event, rollout.spec.approvals_rule)
        event = Approve(by.shown(rollout)) if isinstance(event, Approve) else event
        changed, entries = decide_on(rollout, event, by.id, button_token, self.clock.now())
        if changed is rollout:
            return rollout
        self._ask(type(event).__name__.lower(), rollout.spec.service, by.id)
        if isinstance(event, Abort):
            self.reasons.append(plain(event.reason))
        return self._notify(self.store.save(changed, entries))

    def freezes(self) -> Sequence[Freeze]:
        return self.frozen.current(self.clock.now())

    def freeze(self, scope: str, *, by: UserId, reason: str, seconds: float | None) -> tuple[Freeze, Freeze | None]:
        self._ask("freeze", scope, by)
        now = self.clock.now()
        until = None if seconds is None else now + seconds
        freeze = Freeze(scope=scope, by=by, since=now, until=until, reason=reason)
        return freeze, self.frozen.freeze(freeze)

    def unfreeze(self, freeze: Freeze, *, by: UserId) -> None:
        self._ask("unfreeze", freeze.scope, by)
        if not self.frozen.unfreeze(freeze, by=by, now=self.clock.now()):
            raise Refusal(f"The freeze of {plain(freeze.what)} has just changed.")

    def active(self, service: str) -> Rollout | None:
        return self.store.active(self._key(service))

    def shown_by(self, button_token: ButtonToken) -> Rollout | None:
        return concerned(self.store, button_token.key, button_token)

    def token_without_rollout(self, service: str) -> ButtonToken:
        return ButtonToken(key=self._key(service), rollout_id=NOBODY, stage=0, evidence=0)

    def names(self) -> Sequence[str]:
        return tuple(dict.fromkeys((*self._services, *map(name_of, self.store.busy()))))

    def live(self) -> Sequence[Rollout]:
        self.before_answer()
        return self.store.live()

    def story(self, rollout: Rollout) -> Sequence[Entry]:
        return self.store.story(rollout.key, rollout.spec.id)

    def history(self, service: str) -> Sequence[Rollout]:
        return self.store.history(self._key(service))

    def refusals(self, service: str) -> Sequence[Rollout]:
        return self.store.refusals(self._key(service))

    def unreadable(self, service: str) -> Mapping[RolloutId, Text]:
        return self.store.unreadable(self._known(service).key)

    def services(self) -> Sequence[ServiceConfig]:
        return tuple(self._services.values())

    def versions(self, service: str) -> Sequence[str]:
        return self.deployed.get(self._known(service).name, ())

    def plan(self, service: str, version: str) -> Plan:
        self._ask("plan", service, UserId(""))
        stages = [(stage.name, f"routes {stage.routes}") for stage in a_rollout(self._known(service)).spec.plan]
        return a_plan(stages, warnings=(f"{version} has one ready pod only.",))

    def button_token(self, rollout: Rollout) -> str:
        return str(ButtonToken.of(rollout))

    def _notify(self, rollout: Rollout) -> Rollout:
        with self._done:
            self._done.notify_all()
        return rollout

    def _ask(self, what: str, service: str, by: UserId) -> None:
        if self.outage is not None:
            raise self.outage
        self.asked.append((what, service, by))

    def _known(self, service: str) -> ServiceConfig:
        if service not in self._services:
            raise Refusal(f"There is no service {service}.")
        return self._services[service]

    def _key(self, service: str) -> str:
        return key_of(service, self.store.busy(), self._services)

    def _live(self, service: str) -> Rollout:
        rollout = self.active(service)
        if rollout is None:
            raise Refusal(f"{service} has no rollout.")
        return rollout
