"""Forms of messages that a workspace does not take, remembered in memory: what several replicas share."""

from __future__ import annotations

from bot.model.errors import Fault
from tests.fakes.clock import FakeClock


class InMemoryRefusedForms:
    """``bot.slack.web_api.RefusedForms``; while ``down`` it cannot be asked."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self.down = False

    def seconds_left(self, form: str) -> float:
        self._ask()
        return max(0.0, self._until.get(form, 0.0) - self._clock.now())

    def remember(self, form: str, seconds: float) -> None:
        self._ask()
        self._until[form] = self._clock.now() + seconds

    def _ask(self) -> None:
        if self.down:
            raise Fault("Redis", "cannot be reached.")
