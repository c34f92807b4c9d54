"""Webhooks that answer what the test says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.model.errors import Fault
from bot.model.webhooks import Webhook


@dataclass
class FakeWebhooks:
    """The port ``WebhookCaller``.

    Attributes:
        failures: by a webhook's name, what each of its next calls raises; None is a yes, and so is an empty list.
        unreachable: webhooks that cannot be connected to, and why.
        calls: every call: the webhook's name, its key and what it was told.
        during: what happens while a call is under way.
    """

    failures: dict[str, list[Fault | None]] = field(default_factory=lambda: defaultdict(list))
    unreachable: dict[str, Fault] = field(default_factory=dict)
    calls: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    during: Callable[[Webhook], None] = lambda _webhook: None

    def call(self, webhook: Webhook, key: str, body: Mapping[str, Any], now: float) -> None:  # noqa: ARG002  # the port's
        self.calls.append((webhook.name, key, body))
        self.during(webhook)
        several = self.failures.get(webhook.name, [])
        failure = several.pop(0) if several else None
        if failure is not None:
            raise failure

    def connect(self, webhook: Webhook) -> None:
        if webhook.name in self.unreachable:
            raise self.unreachable[webhook.name]

    def called(self, name: str) -> list[str]:
        """The keys with which it was called, oldest first."""
        return [key for hook, key, _ in self.calls if hook == name]
