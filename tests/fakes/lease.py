"""A lease without a Redis: replicas of one test share a ``FakeLeases`` and each has a ``FakeLease`` of it."""

from __future__ import annotations

from bot.model.errors import Fault
from tests.fakes.clock import FakeClock

SECONDS = 10.0
CERTAIN = 0.9


class FakeLeases:
    """Who holds the lease, as the store sees it. While ``outage`` is set nobody can ask."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.outage: Fault | None = None
        self.owner = ""
        self.fence = 0
        self.until = 0.0

    def lease(self, owner: str) -> FakeLease:
        return FakeLease(self, owner)


class FakeLease:
    """One replica's side. ``fence`` is None until ``keep`` has got the lease, and once its time is over."""

    def __init__(self, leases: FakeLeases, owner: str) -> None:
        self._leases = leases
        self._owner = owner
        self._held: tuple[int, float] | None = None

    @property
    def fence(self) -> int | None:
        return self._held[0] if self._held and self._leases.clock.now() < self._held[1] else None

    def keep(self) -> None:
        leases, now = self._leases, self._leases.clock.now()
        if leases.outage is not None:
            raise leases.outage
        if leases.owner != self._owner and now < leases.until:
            self._held = None
            return
        if leases.owner != self._owner or now >= leases.until:
            leases.owner, leases.fence = self._owner, leases.fence + 1
        leases.until = now + SECONDS
        self._held = (leases.fence, now + SECONDS * CERTAIN)

    def release(self) -> None:
        self._held = None
        if self._leases.outage is not None:
            raise self._leases.outage
        if self._leases.owner == self._owner:
            self._leases.until = 0.0
