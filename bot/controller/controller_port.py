"""What a room for people asks of the controller. Every method raises ``Refusal`` or ``Fault`` or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bot.controller.decisions import ButtonToken, By, Event, Overrides
from bot.controller.preview import Plan
from bot.model.freeze import Freeze
from bot.model.rollout import Rollout, RolloutId, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry
from bot.words.sentence import Text


class ControllerPort(Protocol):
    """The controller as people use it: ``bot.controller.controller.Controller``.

    Services go by ``name`` or ``namespace/name``; live ones come first.
    """

    def start(
        self, service: str, version: str, *, by: UserId, channel: str, overrides: Overrides, because: str = ""
    ) -> Rollout:
        """Begin a rollout; its card goes to ``channel``, or to the service's own where that is empty.

        ``because`` is why, as somebody typed it; "" where they did not say.
        """

    def rollback(self, service: str, *, by: By) -> Rollout:
        """Take the service's last promotion back, if it is possible and theirs to ask."""

    def drill(self, service: str, version: str, *, by: UserId) -> Rollout:
        """Rehearse an abort of that version, if the service is marked for it."""

    def retry(self, service: str, *, by: UserId, stage: str, because: str) -> Rollout:
        """Begin the service's last rollout, which was aborted, again at that stage; "" is where it stopped."""

    def newest_release(self, service: str) -> Rollout | None:
        """The service's newest rollout that was meant to release something: a drill is none."""

    def retries(self, service: str) -> Sequence[str]:
        """How the stages are typed at which it may begin again; none where it may not."""

    def decide(self, service: str, event: Event, by: By, button_token: ButtonToken | None = None) -> Rollout:
        """Do what somebody decided about a rollout, if it is possible and theirs to decide.

        ``button_token`` is what the button or form showed; None for a typed command.
        """

    def freezes(self) -> Sequence[Freeze]:
        """Every freeze that is not over, the one of all services first."""

    def freeze(self, scope: str, *, by: UserId, reason: str, seconds: float | None) -> tuple[Freeze, Freeze | None]:
        """Let nothing of ``scope`` start for so long, or until somebody ends it; tells which freeze it replaces."""

    def unfreeze(self, freeze: Freeze, *, by: UserId) -> None:
        """End this freeze; refused when it has changed since it was read."""

    def active(self, service: str) -> Rollout | None:
        """The service's live rollout."""

    def shown_by(self, button_token: ButtonToken) -> Rollout | None:
        """The rollout that a button or a form showed, live or ended."""

    def token_without_rollout(self, service: str) -> ButtonToken:
        """What a form shows that is about a service without a live rollout."""

    def live(self) -> Sequence[Rollout]:
        """Every live rollout, oldest first."""

    def story(self, rollout: Rollout) -> Sequence[Entry]:
        """Everything that happened to it, oldest first."""

    def history(self, service: str) -> Sequence[Rollout]:
        """The service's rollouts, newest first, without starts that were refused."""

    def refusals(self, service: str) -> Sequence[Rollout]:
        """The service's starts that were refused, newest first."""

    def names(self) -> Sequence[str]:
        """What a service may be called: the names of ``services.yaml``, and of whatever is live."""

    def unreadable(self, service: str) -> Mapping[RolloutId, Text]:
        """The service's rollouts whose records cannot be read, and why."""

    @property
    def trouble(self) -> Text:
        """Why ``services.yaml`` could not be read; "" when it could."""

    def services(self) -> Sequence[ServiceConfig]:
        """Every service of ``services.yaml``."""

    def versions(self, service: str) -> Sequence[str]:
        """Every version that the service has a Deployment for, the newest first; empty where no list can be made."""

    def plan(self, service: str, version: str) -> Plan:
        """What a start would do."""

    def button_token(self, rollout: Rollout) -> str:
        """The value of every button on the rollout's card (``bot.controller.decisions.ButtonToken``)."""
