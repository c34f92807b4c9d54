"""Short-lived permissions Slack hands out: trigger ids (3 s, once) and response addresses (30 min, five times)."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.slack.model import Message

TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS = 30 * 60.0
RESPONSE_USES = 5


@dataclass(slots=True, kw_only=True)
class ResponseTicket:
    """Where an answer to a response_url goes: one channel, one person, perhaps one message to replace."""

    channel: str
    user: str
    message: Message | None
    expires: float
    uses_left: int = RESPONSE_USES


@dataclass(slots=True)
class Tickets:
    """The permissions in circulation."""

    clock: Callable[[], float]
    _triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _responses: dict[str, ResponseTicket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new_trigger(self, user: str) -> str:
        """A trigger id for what ``user`` just did."""
        trigger = f"{secrets.randbelow(10**12)}.{secrets.token_hex(8)}"
        self._triggers[trigger] = (user, self.clock() + TRIGGER_SECONDS)
        return trigger

    def use_trigger(self, trigger: str) -> tuple[str, str | None]:
        """The user behind a trigger id and, if it can no longer be used, Slack's error."""
        with self._lock:
            user, expires = self._triggers.get(trigger, ("", None))
            if expires is None:
                return "", "invalid_trigger_id"
            if trigger in self._used:
                return user, "exchanged_trigger_id"
            if self.clock() > expires:
                return user, "expired_trigger_id"
            self._used.add(trigger)
            return user, None

    def new_response(self, *, channel: str, user: str, message: Message | None = None) -> str:
        """The secret part of a response_url."""
        token = secrets.token_hex(12)
        expires = self.clock() + RESPONSE_SECONDS
        self._responses[token] = ResponseTicket(channel=channel, user=user, message=message, expires=expires)
        return token

    def use_response(self, token: str) -> tuple[ResponseTicket | None, str | None]:
        """The ticket behind a response_url and, if it can no longer be used, Slack's error."""
        with self._lock:
            ticket = self._responses.get(token)
            if ticket is None:
                return None, "invalid_url"
            if self.clock() > ticket.expires:
                return None, "expired_url"
            if ticket.uses_left == 0:
                return None, "used_url"
            ticket.uses_left -= 1
            return ticket, None
