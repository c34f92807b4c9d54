"""Channels that are closed when the test says so."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model.errors import Fault


@dataclass
class FakeChannels:
    """The port ``Channels``: ``why`` says by channel why it is closed. While ``outage`` is set every call raises it."""

    why: dict[str, str] = field(default_factory=dict)
    outage: Fault | None = None
    asked: list[str] = field(default_factory=list)

    def closed(self, channel: str) -> str | None:
        self.asked.append(channel)
        if self.outage:
            raise self.outage
        return self.why.get(channel)
