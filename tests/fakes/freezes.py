"""Freezes in memory.

freezes = InMemoryFreezes()
freezes.freeze(a_freeze("reviews", until=20.0))
freezes.outage = Fault("Redis", "cannot be reached.")   # every call raises it, and nothing changes
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.model import freeze as rules
from bot.model.errors import Fault
from bot.model.freeze import Freeze, FreezeAction, FreezeLine
from bot.model.rollout import UserId


class InMemoryFreezes:
    """The port ``Freezes``."""

    def __init__(self) -> None:
        self.outage: Fault | None = None
        self._now: dict[str, Freeze] = {}
        self._story: list[FreezeLine] = []

    def current(self, now: float) -> Sequence[Freeze]:
        self._answer()
        live = rules.current(self._now.values(), now)
        self._now = {freeze.scope: freeze for freeze in live}
        return live

    def freeze(self, freeze: Freeze) -> Freeze | None:
        self._answer()
        replaced = self._now.get(freeze.scope)
        if replaced == freeze:
            return None
        self._now[freeze.scope] = freeze
        self._story.append(FreezeLine(at=freeze.since, by=freeze.by, action=FreezeAction.FROZE, freeze=freeze))
        return replaced if replaced is not None and not replaced.is_over(freeze.since) else None

    def unfreeze(self, freeze: Freeze, *, by: UserId, now: float) -> bool:
        self._answer()
        line = FreezeLine(at=now, by=by, action=FreezeAction.UNFROZE, freeze=freeze)
        if self._now.get(freeze.scope) != freeze:
            return self._story[-1:] == [line]
        del self._now[freeze.scope]
        self._story.append(line)
        return True

    def story(self) -> Sequence[FreezeLine]:
        self._answer()
        return list(self._story)

    def _answer(self) -> None:
        if self.outage is not None:
            raise self.outage
