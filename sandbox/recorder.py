"""What the mesh did and what users saw, written down from the outside: the scenarios' only witness.

Nothing here asks the bot. Routes come from the objects in the cluster with the moment they changed, answers from the
users' ledger, copies from the pods that received them.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

from sandbox.mesh.mesh import Mesh
from sandbox.mesh.users import Ledger, Request
from sandbox.sides import place_of

PROPAGATION = 1.0  # seconds after a write until every request follows it; Envoy takes about 0.2
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time during which the routes were the same (``time.monotonic()``).

    Attributes:
        canary: percent of users on the canary's subset.
        mirror: whether copies were made.
    """

    start: float
    end: float
    canary: int
    mirror: bool

    @property
    def steady(self) -> tuple[float, float]:
        """The part of it in which every request followed these routes."""
        return self.start + PROPAGATION, self.end

    @property
    def seconds(self) -> float:
        """Length of the steady part."""
        return self.end - self.start - PROPAGATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counts at a moment: requests that reached pods by code version, and requests users have had answered."""

    at: float
    received: dict[str, int]
    sent: int


class Recorder:
    """Follows one VirtualService, one Deployment and the pods while the ``with`` block lasts."""

    def __init__(self, world: Any, *, canary_subset: str = "v2", primary: str = "reviews-v1") -> None:
        self._store = world.kube.store
        self._mesh: Mesh = world.mesh
        self._ledger: Ledger = world.ledger
        self._subset = canary_subset
        self._primary = primary
        self._lock = threading.Lock()
        self._changes: list[tuple[float, int, bool]] = []
        self._samples: list[Sample] = []
        self._ready: list[tuple[float, str, bool]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._note_routes(self._store.get("VirtualService", "default", "reviews"))
        self._store.subscribe(self._changed)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def spans(self) -> list[Span]:
        """Every time of constant routes, in order; the last one ends now."""
        with self._lock:
            changes = list(self._changes)
        ends = [at for at, _, _ in changes[1:]] + [time.monotonic()]
        return [
            Span(start=at, end=end, canary=canary, mirror=mirror)
            for (at, canary, mirror), end in zip(changes, ends, strict=True)
        ]

    def copies_and_requests(self, span: Span) -> tuple[int, int]:
        """Copies the canary received and requests users sent in the steady part of a mirroring span."""
        start, end = span.steady
        with self._lock:
            inside = [sample for sample in self._samples if start <= sample.at <= end]
        if not inside:
            return 0, 0
        first, last = inside[0], inside[-1]
        return last.received.get(self._subset, 0) - first.received.get(self._subset, 0), last.sent - first.sent

    def share(self, span: Span) -> tuple[int, int]:
        """Answers users got from the canary's version, and all their answers, in the steady part."""
        versions = self._ledger.by_version(*span.steady)
        return versions.get(self._subset, 0), sum(versions.values())

    def primary_upgraded_at(self, image: str) -> float | None:
        """When the primary was first seen complete on an image that contains ``image``."""
        with self._lock:
            return next((at for at, found, complete in self._ready if complete and image in found), None)

    def _changed(self, _event: str, thing: dict[str, Any]) -> None:
        name = thing["metadata"]["name"]
        if thing["kind"] == "VirtualService" and name == "reviews":
            self._note_routes(thing)
        elif thing["kind"] == "Deployment" and name == self._primary:
            self._note_primary(thing)

    def _note_routes(self, thing: dict[str, Any]) -> None:
        canary, mirror = routes_of(thing, self._subset)
        with self._lock:
            if not self._changes or self._changes[-1][1:] != (canary, mirror):
                self._changes.append((time.monotonic(), canary, mirror))

    def _note_primary(self, thing: dict[str, Any]) -> None:
        status, spec = thing.get("status", {}), thing["spec"]
        complete = (
            status.get("observedGeneration") == thing["metadata"]["generation"]
            and status.get("updatedReplicas", 0) == status.get("replicas", 0) == spec["replicas"]
            and status.get("availableReplicas", 0) == spec["replicas"]
        )
        image = spec["template"]["spec"]["containers"][0]["image"]
        with self._lock:
            self._ready.append((time.monotonic(), image, complete))

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            received = {self._subset: self._mesh.received(version=self._subset)}
            sample = Sample(at=time.monotonic(), received=received, sent=len(self._ledger))
            with self._lock:
                self._samples.append(sample)


def _is(entry: dict[str, Any], version: str) -> bool:
    """Whether an entry is a version's, by its subset or by the end of its host."""
    return place_of(entry["destination"]).rpartition("-")[2] == version


def routes_of(thing: dict[str, Any], canary: str) -> tuple[int, bool]:
    """The canary's share in percent, and whether any route makes copies."""
    routes = thing["spec"]["http"]
    destinations = routes[-1].get("route") or []
    if len(destinations) == 1:
        return (100 if _is(destinations[0], canary) else 0), any(r.get("mirror") for r in routes)
    share = sum(d.get("weight", 0) for d in destinations if _is(d, canary))
    mirrored = any(
        (route.get("mirror") and (route.get("mirrorPercentage") or {}).get("value", 100) > 0) or route.get("mirrors")
        for route in routes
    )
    return share, mirrored


def binomial_interval(n: int, share: float, z: float = 3.29) -> tuple[float, float]:
    """Counts that a fair split of ``n`` requests yields 99.9 times in 100 (normal approximation, half a count wide)."""
    spread = z * math.sqrt(n * share * (1 - share)) + 0.5
    return n * share - spread, n * share + spread


def failed(requests: list[Request]) -> int:
    """How many of them were errors."""
    return sum(request.failed for request in requests)
