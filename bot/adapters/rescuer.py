"""The port ``Rescuer``: the watchdog's one write, and the Event that tells of it.

One attempt each: after a conflict or without an answer the next look sees what is so, a second later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from bot.adapters import routes as edits
from bot.adapters.kube import WATCHDOG_MANAGER, Kube
from bot.controller.ports import Marks
from bot.rollout.errors import Contended, Fault, Refusal
from bot.rollout.model import Routes
from bot.rollout.sights import Rescue

LONGEST_NOTE = 1024  # characters, the API server's own limit


class KubeRescuer:
    """Writes to one cluster. ``now`` is seconds since the epoch, for the Event's time."""

    def __init__(self, kube: Kube, now: Callable[[], float]) -> None:
        self._kube = kube
        self._now = now

    def rescue(self, marks: Marks, beat: str, routes: Routes, rescue: Rescue) -> None:
        """Make the managed routes equal ``routes``, unless anybody has given a sign of life since ``beat``."""
        target = marks.target
        namespace, name = target.virtual_service_namespace, target.virtual_service
        vs = self._kube.get("VirtualService", namespace, name)  # never from a cache: this is what the write rests on
        pulse = None if vs is None else edits.pulse_of(vs)
        if vs is None or pulse is None or (pulse.owner, pulse.beat) != (marks.owner, beat):
            raise Contended("Kubernetes", f"VirtualService {namespace}/{name} is looked after again.")
        try:
            wanted = edits.rescued(vs, target, marks.owner, routes, rescue)
        except Refusal as refusal:
            raise Fault("Kubernetes", " ".join((refusal.sentence, *refusal.reasons))) from refusal
        self._kube.put(wanted)

    def tell(self, namespace: str, virtual_service: str, reason: str, sentence: str) -> None:
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
            "message": sentence[:LONGEST_NOTE],
            "type": "Warning",
            "source": {"component": WATCHDOG_MANAGER},
            "reportingComponent": WATCHDOG_MANAGER,
            "reportingInstance": "",
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        self._kube.create(event)
