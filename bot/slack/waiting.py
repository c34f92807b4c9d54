"""How long notifications have waited to be said, by a stopwatch.

What stamped them is a clock on some machine's wall, which may have been set since, and an hour that nobody has waited
is no reason to give words up. A process counts from when it first saw them; the next one begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.controller.ports import Notification


class Waiting:
    """The notifications that wait, and since when."""

    def __init__(self, steady: Callable[[], float]) -> None:
        """``steady``: seconds that never jump."""
        self._steady = steady
        self._since: dict[tuple[str, str], float] = {}

    def note(self, notifications: Iterable[Notification]) -> None:
        """These are all that wait now."""
        now = self._steady()
        keys = ((one.key, one.id) for one in notifications)
        self._since = {key: self._since.get(key, now) for key in keys}

    def seconds(self, notification: Notification) -> float:
        """How long one has waited; 0 for one that was not noted."""
        now = self._steady()
        return now - self._since.get((notification.key, notification.id), now)
