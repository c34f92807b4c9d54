"""The store as the leader's own work sees it: only while the lease is ours, and every write carries its number.

People's commands need none of this: they may come to any replica, and compare-and-set keeps them apart. What nobody
asked for (looking, deciding, acting) is done by one replica. One that was paused or cut off, and does not know yet that
another has taken over, is stopped here, by its own clock; should its write be on its way already, by the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.controller.ports import Lease, Store
from bot.model.errors import Fault
from bot.model.rollout import Rollout, RolloutId
from bot.model.story import Entry
from bot.words.sentence import Text, said


class LeadersStore:
    """The port ``Store`` over another one, for what a leader does by itself.

    What such work begins with, and every write of it, raises ``Fault`` when the lease is not ours (any more). What
    people asked for is filed without a lease, and what is only shown to people is read without one.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease

    def create(self, rollout: Rollout, entries: Sequence[Entry], *, fence: int | None = None) -> Rollout:
        """See ``Store``; the fence is the lease's own."""
        return self._store.create(rollout, entries, fence=fence or self._fence())

    def file(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        """See ``Store``: what a person asked for, which needs no lease."""
        return self._store.file(rollout, entries)

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        """See ``Store``; the fence is the lease's own."""
        return self._store.save(rollout, entries, fence=fence or self._fence())

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        """See ``Store``. Every action begins with this, and a tick with ``live``: neither begins without the lease."""
        self._fence()
        return self._store.load(key, rollout_id)

    def active(self, key: str) -> Rollout | None:
        """See ``Store``."""
        self._fence()
        return self._store.active(key)

    def busy(self) -> Mapping[str, RolloutId]:
        """See ``Store``."""
        self._fence()
        return self._store.busy()

    def live(self, of: Mapping[str, RolloutId] | None = None) -> Sequence[Rollout]:
        """See ``Store``."""
        self._fence()
        return self._store.live(of)

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        """See ``Store``."""
        return self._store.story(key, rollout_id)

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """See ``Store``."""
        return self._store.history(key, limit)

    def refusals(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """See ``Store``."""
        return self._store.refusals(key, limit)

    def unreadable(self, key: str, limit: int = 10) -> Mapping[RolloutId, Text]:
        """See ``Store``."""
        return self._store.unreadable(key, limit)

    def set_aside(self, key: str, rollout_id: RolloutId) -> bool:
        """See ``Store``."""
        self._fence()
        return self._store.set_aside(key, rollout_id)

    def ping(self) -> None:
        """See ``Store``."""
        self._store.ping()

    def _fence(self) -> int:
        fence = self._lease.fence
        if fence is None:
            raise Fault("Redis", said("controller.only_listens"))
        return fence
