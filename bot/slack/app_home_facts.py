"""What the App Homes show, read once for all readers, and then each reader's own page."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from bot.controller.controller_port import ControllerPort
from bot.controller.ports import Clock
from bot.model.freeze import Freeze
from bot.model.rollout import Phase, Rollout
from bot.model.service import ServiceConfig
from bot.slack import wording
from bot.slack.accounts import Person
from bot.slack.app_home import Live, Page, home
from bot.slack.approvers import Approvers
from bot.slack.forms import View
from bot.slack.voices import Voices

FEW = 5  # past rollouts of each service


@dataclass(frozen=True, slots=True, kw_only=True)
class AppHomeFacts:
    """What is on the App Homes of all people; see ``app_home.Page``."""

    live: tuple[Rollout, ...]
    services: tuple[tuple[ServiceConfig, Rollout | None], ...]
    past: tuple[Rollout, ...]
    frozen: tuple[Freeze, ...]

    @property
    def decided(self) -> Hashable:
        """What of it is shown at once when it changes; figures alone are not."""
        live = tuple(
            (one.spec.id, one.phase, one.stage, one.evidence, one.asked_at, one.approvals, one.paused_by, one.drift)
            for one in self.live
        )
        services = tuple((service.name, last and last.spec.id) for service, last in self.services)
        return live, services, tuple(one.spec.id for one in self.past), self.frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class AppHomePages:
    """Makes the pages.

    Attributes:
        card: where a rollout's card is, "" where nobody knows.
        heard: seconds since Slack was last heard of; None while it is not connected.
    """

    controller: ControllerPort
    approvers: Approvers
    clock: Clock
    voices: Voices
    card: Callable[[Rollout], str] = lambda _rollout: ""
    heard: Callable[[], float | None] = lambda: 0.0

    def facts(self) -> AppHomeFacts:
        """What is the same for everybody.

        Raises:
            Fault: it cannot be read now.
        """
        services = self.controller.services()
        histories = {service.key: self.controller.history(service.key) for service in services}
        last = [(service, next(filter(_promoted, histories[service.key]), None)) for service in services]
        past = [one for history in histories.values() for one in history[:FEW] if one.ended]
        past.sort(key=lambda rollout: rollout.ended_at or 0.0, reverse=True)
        live, frozen = tuple(self.controller.live()), tuple(self.controller.freezes())
        return AppHomeFacts(live=live, services=tuple(last), past=tuple(past), frozen=frozen)

    def page(self, person: Person, facts: AppHomeFacts) -> View:
        """The App Home of this person."""
        page = Page(
            live=[self._live_for(person, rollout) for rollout in facts.live],
            services=facts.services,
            past=facts.past,
            frozen=facts.frozen,
            heard=self.heard(),
            now=self.clock.now(),
        )
        return home(page, self.voices.of_reader(self.approvers.language(person)))

    def _live_for(self, person: Person, rollout: Rollout) -> Live:
        may = self._may_decide(person, rollout)
        yours = may and wording.needs_somebody(rollout)
        return Live(rollout=rollout, yours=yours, may_decide=may, card=self.card(rollout))

    def _may_decide(self, person: Person, rollout: Rollout) -> bool:
        rule = rollout.approvals_rule
        own = person.id == rollout.spec.started_by and not rule.own and wording.needs_approval(rollout)
        return not own and self.approvers.may_approve(person, rule)


def _promoted(rollout: Rollout) -> bool:
    return rollout.phase is Phase.PROMOTED
