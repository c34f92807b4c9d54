"""Beating for rollouts at the API server: their Leases, and the order in which they and the VirtualService are written.

Whoever finds the Lease not in their own hands (there is none yet, the watchdog has taken it, it is an older rollout's)
first changes the heartbeat on the VirtualService, and takes the Lease after that. So a watchdog that read the
VirtualService before cannot write it any more once a beat has arrived, and one that reads it later sees the beat. In
between there is one request for each beat, to an object that nobody else reads.

Where we may not write Leases (an older Role), the heartbeat on the VirtualService is renewed instead, as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from bot.adapters.kube import Kube
from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.cluster.objects import Object
from bot.model.errors import Cause, Contended, Fault
from bot.model.rollout import RolloutId

LEFT_TO_US = frozenset({Cause.FORBIDDEN, Cause.MISSING, Cause.REFUSED})  # answers that will be the same next time

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class LeaseHeartbeats:
    """Beats in one cluster, for the bots that work with one store. Safe to share between threads."""

    def __init__(self, kube: Kube, now: Callable[[], float], stores: Sequence[str] = ()) -> None:
        """``now`` is what Leases say for people to read; ``stores`` are names of the store, today's first."""
        self._kube = kube
        self._now = now
        self._store = next(iter(stores), "")
        self._stores = frozenset(stores)
        self._held: dict[tuple[str, str], Object] = {}  # Leases as we wrote them last: the next write needs no read
        self._notified: set[tuple[str, str]] = set()

    def beat(self, vs: Object, owner: RolloutId, limit: float) -> None:
        """One more beat for the rollout that holds ``vs``; one write while the Lease is in our hands.

        Raises:
            Contended: somebody else wrote it meanwhile; the next beat looks again.
        """
        key = vs["metadata"]["namespace"], vs["metadata"]["name"]
        try:
            self._renew(key, vs, owner, limit)
        except Contended:
            raise
        except Fault as fault:
            if fault.cause not in LEFT_TO_US:
                raise
            self._on_the_object(key, owner)
            if key not in self._notified:
                log.warning("no_lease", virtual_service="/".join(key), sentence=fault.sentence)
            self._notified.add(key)

    def end(self, namespace: str, virtual_service: str, owner: RolloutId) -> None:
        """No more beats of ``owner``'s: its Lease goes, unless another rollout has it by now."""
        self._held.pop((namespace, virtual_service), None)
        lease = self._kube.get("Lease", namespace, heartbeat_lease.name_for(virtual_service))
        if lease is not None and heartbeat_lease.read(lease, owner) is not None:
            self._kube.delete(lease)

    def is_foreign(self, heard: heartbeat_lease.Life) -> bool:
        """Whether a bot with another store beats. Those that do not say are taken for our own."""
        return heard.store not in {"", *self._stores} and self._store != ""

    def _renew(self, key: tuple[str, str], vs: Object, owner: RolloutId, limit: float) -> None:
        lease = self._held.pop(key, None)
        if not heartbeat_lease.is_held(lease, owner, self._store):
            lease = self._kube.get("Lease", key[0], heartbeat_lease.name_for(key[1]))
        if not heartbeat_lease.is_held(lease, owner, self._store) and not self._on_the_object(key, owner):
            return
        wanted = heartbeat_lease.beaten(lease, vs, owner, self._store, limit, self._now())
        self._held[key] = self._kube.create(wanted) if lease is None else self._kube.put(wanted)

    def _on_the_object(self, key: tuple[str, str], owner: RolloutId) -> bool:
        """Change the heartbeat on the VirtualService itself; False where the rollout does not hold it any more."""
        vs = self._kube.get("VirtualService", *key)
        if vs is None or virtual_services.owner_of(vs) != owner:
            return False
        self._kube.put(virtual_services.beaten(vs, owner, self._now()))
        return True
