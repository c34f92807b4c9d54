"""Whether anybody would be told of a service's rollouts, and could approve them: its channel, its approvers' groups.

Found out before somebody needs it, by ``canary-bot check`` and once a minute for readiness. What Slack does not say at
the moment is no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from bot.controller.containment import Broken, contained
from bot.model.errors import Fault
from bot.model.service import ServiceConfig
from bot.slack.approvers import Approvers
from bot.slack.channels import Channels
from bot.words.sentence import Sentence, Text, said

MOST_NAMED = 5  # services in one sentence

log = structlog.get_logger(__name__)


class Audience:
    """The channels and approvers of all services."""

    def __init__(
        self,
        services: Sequence[ServiceConfig],
        channels: Channels,
        approvers: Approvers,
        failed: Callable[[str, Exception], None] = lambda _about, _error: None,
    ) -> None:
        """``failed`` is told of what we could not make sense of: of which service, and what was raised."""
        self._services = services
        self._channels = channels
        self._approvers = approvers
        self._failed = failed
        self._found: dict[str, tuple[Text, ...]] = {}

    def use(self, services: Sequence[ServiceConfig]) -> None:
        """Find out about these from now on."""
        self._services = services

    def findings(self) -> Iterator[tuple[ServiceConfig, list[Text], list[Fault]]]:
        """What is wrong with each service's channel and approvers, and what Slack does not say of them now."""
        channels = dict(self._channels.each(service.channel for service in self._services))
        names = {name for service in self._services for name in service.approvals.approvers}
        groups = {name: self._group(name) for name in sorted(names)}
        for service in self._services:
            asked = [channels[service.channel], *(groups[name] for name in service.approvals.approvers)]
            wrong = [one for one in asked if isinstance(one, str | Sentence)]
            yield service, wrong, [one for one in asked if isinstance(one, Fault)]

    def check(self) -> None:
        """Find out, and remember it for ``trouble``; to be called about once a minute."""
        found = dict[str, tuple[Text, ...]]()
        for service, reasons, unknown in self.findings():
            found[service.name] = tuple(reasons)
            for fault in unknown:
                if isinstance(fault, Broken):  # Slack's own silence is told where it is asked for what is needed
                    self._failed(f"people of {service.name}", fault)
        for name, wrong in found.items():
            if wrong and wrong != self._found.get(name):
                log.warning("slack.nobody_notified", service=name, reasons=wrong)
        self._found = found

    def trouble(self) -> Text | None:
        """What the last check has found, as one text; None when nothing. Asks nobody."""
        named = [
            said("slack.of_service", service=name, wrong=wrong) for name, wrong in sorted(self._found.items()) if wrong
        ]
        more = [said("slack.more_services", n=len(named) - MOST_NAMED)] if len(named) > MOST_NAMED else []
        return said("slack.of_services", services=(*named[:MOST_NAMED], *more)) if named else None

    def _group(self, name: str) -> Text | Fault | None:
        try:
            with contained(said("slack.doing_find_out", about=name)):
                return self._approvers.wrong(name)
        except Fault as fault:
            return fault
