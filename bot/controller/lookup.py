"""What may be asked of services, rollouts and freezes. Reads only: nothing is changed, and nothing is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.controller import abandoning
from bot.controller.decisions import ButtonToken
from bot.controller.draft import NO_OVERRIDES, Order, make_draft
from bot.controller.names import Known, concerned, key_of, name_of, unknown
from bot.controller.ports import Ports
from bot.controller.preview import Plan, make_plan_of
from bot.model.freeze import Freeze
from bot.model.rollout import Phase, Rollout, RolloutId, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry
from bot.rollout import again
from bot.rollout.plans import Overrides
from bot.words.sentence import Text


class Lookup:
    """The side of the controller that anybody may use at any time: it takes no lock."""

    def __init__(self, *, services: Mapping[str, ServiceConfig], trouble: Text, ports: Ports) -> None:
        self._catalogue = Known(services, trouble)
        self._ports = ports

    @property
    def _services(self) -> Mapping[str, ServiceConfig]:
        return self._catalogue.services

    def use(self, services: Mapping[str, ServiceConfig], trouble: Text = "") -> None:
        """Know these services from now on, here and in every twin. Live rollouts keep what they began with."""
        self._catalogue.replace(services, trouble)

    def plan(self, service: str, version: str, *, overrides: Overrides = NO_OVERRIDES) -> Plan:
        """Every object a rollout would write, stage by stage, without writing anything.

        Raises:
            Refusal: there is no such plan: the service is unknown or its objects are ambiguous.
            Fault: the cluster could not be read.
        """
        known, others = self._service(service), tuple(self._services.values())
        order = Order(service=known, version=version, by=UserId("plan"), overrides=overrides, others=others)
        draft = make_draft(order, RolloutId("plan"), self._ports, self._ports.clock.now())
        return make_plan_of(draft, self._ports)

    def versions(self, service: str) -> Sequence[str]:
        """Every version that the service has a Deployment for, the newest first.

        Raises:
            Refusal: there is no such service.
            Fault: the cluster could not be read.
        """
        return self._ports.snapshots.versions(self._service(service))

    def active(self, service: str) -> Rollout | None:
        """The service's live rollout."""
        return self._ports.store.active(self._key(service))

    def shown_by(self, button_token: ButtonToken) -> Rollout | None:
        """The rollout that a button or a form showed, live or ended."""
        return concerned(self._ports.store, button_token.key, button_token)

    def token_without_rollout(self, service: str) -> ButtonToken:
        """What a form shows that is about a service without a live rollout."""
        return ButtonToken(key=self._key(service), rollout_id=abandoning.NOBODY, stage=0, evidence=0)

    def live(self) -> Sequence[Rollout]:
        """Every live rollout, oldest first."""
        return self._ports.store.live()

    def names(self) -> Sequence[str]:
        """What a service may be called: the names of ``services.yaml``, and of whatever is live."""
        return tuple(dict.fromkeys((*self._services, *map(name_of, self._ports.store.busy()))))

    def story(self, rollout: Rollout) -> Sequence[Entry]:
        """What happened in a rollout, oldest first."""
        return self._ports.store.story(rollout.key, rollout.spec.id)

    def history(self, service: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's rollouts, newest first, without starts that were refused."""
        return self._ports.store.history(self._key(service), limit)

    def newest_release(self, service: str) -> Rollout | None:
        """The service's newest rollout that was meant to release something: a drill is none."""
        return next((one for one in self.history(service) if not one.spec.drill), None)

    def retries(self, service: str) -> Sequence[str]:
        """How the stages are typed at which the service's last rollout may begin again; none where it may not."""
        last = self.newest_release(service)
        if last is None or last.phase is not Phase.ABORTED or last.spec.back_to:
            return ()
        return [again.typed(stage) for stage in again.choices(last)]

    def refusals(self, service: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's starts that were refused, newest first."""
        return self._ports.store.refusals(self._key(service), limit)

    def unreadable(self, service: str) -> Mapping[RolloutId, Text]:
        """Those of the service's newest rollouts whose records cannot be read, and why."""
        return self._ports.store.unreadable(self._key(service))

    def button_token(self, rollout: Rollout) -> str:
        """The value of every button that is shown for the rollout as it is now."""
        return str(ButtonToken.of(rollout))

    @property
    def trouble(self) -> Text:
        """Why ``services.yaml`` is not used as it is now; "" when it is."""
        return self._catalogue.trouble

    def services(self) -> Sequence[ServiceConfig]:
        """Every service of ``services.yaml``."""
        return tuple(self._services.values())

    def freezes(self) -> Sequence[Freeze]:
        """Every freeze that is not over, the one of all services first."""
        return self._ports.freezes.current(self._ports.clock.now())

    def _service(self, name: str) -> ServiceConfig:
        """The service of ``services.yaml``, by ``name`` or ``namespace/name``."""
        for service in self._services.values():
            if name in {service.name, service.key}:
                return service
        raise unknown(name, self._services, self.trouble)

    def _key(self, name: str) -> str:
        return key_of(name, self._ports.store.busy(), self._services, self.trouble)
