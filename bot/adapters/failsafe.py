"""The port ``Failsafe``: what the watchdog writes of routes, and the Event that tells of it.

Two objects, in this order: the VirtualService is read, the Lease is read and taken over, the VirtualService is written.
Each write is conditional on what was read. A bot that lives renews the Lease, so it cannot be taken. One that comes
back after that finds it in other hands, and changes the VirtualService before anything else: then it cannot be written.
Where there is no Lease of the rollout's, the bot's next beat begins with the VirtualService as well.

One attempt each: after a conflict or without an answer the next reconcile sees what is so, a second later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from bot.adapters.kube import WATCHDOG_MANAGER, Kube
from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.model.errors import Contended, Fault, Refusal
from bot.model.observation import FailsafeRecord, RolloutAnnotations
from bot.model.rollout import Routes
from bot.model.signing import UNSIGNED, Signer
from bot.rollout.deadman import failsafe_sentence
from bot.words.rendering import plain
from bot.words.sentence import Text, said, together

LONGEST_NOTE = 1024  # characters, the API server's own limit


class KubeFailsafe:
    """Writes to one cluster. ``now`` is the Event's time, seconds since the epoch; ``signer`` signs what was done."""

    def __init__(self, kube: Kube, now: Callable[[], float], signer: Signer = UNSIGNED) -> None:
        self._kube = kube
        self._now = now
        self._signer = signer

    def apply(
        self, annotations: RolloutAnnotations, beat: str, routes: Routes, failsafe_record: FailsafeRecord
    ) -> None:
        """Make the managed routes equal ``routes``, unless anybody has given a sign of life since ``beat``."""
        target = annotations.target
        namespace, name = target.virtual_service_key
        vs = self._kube.get("VirtualService", namespace, name)  # never from a cache: this is what the write rests on
        lease = self._kube.get("Lease", namespace, heartbeat_lease.name_for(name))
        heard = heartbeat_lease.read(lease, annotations.owner)
        heartbeat = None if vs is None else virtual_services.heartbeat_of(vs, heard)
        if vs is None or heartbeat is None or (heartbeat.owner, heartbeat.beat) != (annotations.owner, beat):
            raise Contended("Kubernetes", said("adapters.alive_again", thing=f"VirtualService {namespace}/{name}"))
        try:
            sentence = plain(failsafe_sentence(failsafe_record, *target.deployments))
            wanted = virtual_services.with_failsafe_record(
                vs, target, annotations.owner, routes, failsafe_record, sentence, self._signer
            )
        except Refusal as refusal:
            raise Fault("Kubernetes", together((refusal.sentence, *refusal.reasons))) from refusal
        if lease is not None and heard is not None:
            self._kube.put(heartbeat_lease.taken(lease, self._now()))
        self._kube.put(wanted)

    def watch(self, namespace: str, limit: float) -> None:
        """Say that a watchdog watches over this namespace, and after how many seconds of silence it acts."""
        lease = self._kube.get("Lease", namespace, heartbeat_lease.WATCHING)
        wanted = heartbeat_lease.watching(lease, namespace, limit, self._now())
        if lease is None:
            self._kube.create(wanted)
        else:
            self._kube.put(wanted)

    def notify(self, namespace: str, virtual_service: str, reason: str, sentence: Text) -> None:
        """Post an Event about the VirtualService; nothing when it is gone."""
        vs = self._kube.get("VirtualService", namespace, virtual_service)
        if vs is None:
            return
        at = self._now()
        time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {key: vs["metadata"][key] for key in ("namespace", "name", "uid", "resourceVersion")}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            # The name is made as the field's own recorder makes it.
            "metadata": {"namespace": namespace, "name": f"{virtual_service}.{int(at * 1e9):x}"},
            "involvedObject": {"apiVersion": vs["apiVersion"], "kind": vs["kind"], **about},
            "reason": reason,
            "message": plain(sentence)[:LONGEST_NOTE],
            "type": "Warning",
            "source": {"component": WATCHDOG_MANAGER},
            "reportingComponent": WATCHDOG_MANAGER,
            "reportingInstance": "",
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        self._kube.create(event)
