"""The mesh as a whole: follows the cluster's objects, and keeps pods, gateway and scrape targets as they demand.

One loop runs all pods and the gateway's metrics page. A change in the store is a signal, no more: everything is read
again and written as a whole, so nothing depends on the order or number of signals.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web

from sandbox.mesh.faults import Fault, Faults
from sandbox.mesh.gateway import Gateway, RouteInForce
from sandbox.mesh.objects import JsonObject, Pod, Store, pod_of, service_of
from sandbox.mesh.pods import PodServers
from sandbox.mesh.scrapes import GATEWAY, Scrapes
from sandbox.mesh.tally import Tally
from sandbox.mesh.xds import Endpoint, View
from sandbox.ports import LOOPBACK
from sandbox.serving import Listener, Loop

KINDS = frozenset({"Pod", "Service", "VirtualService", "DestinationRule", "Gateway"})
POLL_SECONDS = 0.02


class MeshError(Exception):
    """The mesh does not do what the cluster's objects say; the message says what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The mesh at one moment, for a live view. Rates are requests per second over the last five."""

    routes: tuple[RouteInForce, ...]  # as Envoy has them; empty while it does not answer
    pods: tuple[Pod, ...]
    live: dict[str, float]  # users' requests, by the code version that answered
    received: dict[str, float]  # at the pods, by code version: users' requests and mirrored copies
    faults: tuple[Fault, ...]
    rejected: int  # configurations Envoy refused
    problem: str | None  # why the latest objects are not in force


class Mesh:
    """Pods, Envoy, metrics and scrape targets of one cluster, while the ``with`` block lasts."""

    def __init__(
        self, store: Store, directory: Path, *, debounce_seconds: float = 0.08, targets: Path | None = None
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.faults = Faults()
        self.scrapes = Scrapes()
        self.targets = targets or directory / "targets.json"
        self._store = store
        self._debounce_seconds = debounce_seconds
        self._received: Tally[tuple[str, str]] = Tally()
        self._answered: Tally[tuple[str, str]] = Tally()
        self.gateway = Gateway(directory / "gateway", self._answered)
        self._pods = PodServers(self.faults, self.scrapes, self._received)
        self._loop = Loop("mesh")
        page = web.Server(self._gateway_metrics, loop=self._loop.loop, access_log=None)
        self._metrics = Listener(web.ServerRunner(page, shutdown_timeout=0.2))
        self._dirty = asyncio.Event()
        # Changes the store has told of, and the last of them that Envoy's files contain.
        self._lock = threading.Lock()
        self._notified = 0
        self._applied = 0
        self._closed = False
        self._problem: str | None = None

    @property
    def gateway_url(self) -> str:
        """Where users send their requests."""
        return self.gateway.url

    @property
    def sidecar_url(self) -> str:
        """Where a caller inside the mesh sends its requests."""
        return self.gateway.sidecar_url

    def start(self) -> Self:
        """Start everything and follow the store from now on; returns when the first configuration is in force."""
        self._store.subscribe(self._changed)
        try:
            self._loop.call(self._begin())
            self.gateway.start()
            self._loop.start(self._follow())
            self.settle()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End Envoy first, then the pods."""
        with self._lock:
            self._closed = True
        self.gateway.stop()
        self._loop.call(self._end())
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until Envoy has in force what the store holds now."""
        notified = self._notify()  # not only what we were told: the store may still be handing out its last changes
        deadline = time.monotonic() + timeout
        waiting = threading.Event()
        while self._applied < notified or not self.gateway.settled():
            if self._problem or time.monotonic() > deadline:
                reason = self._problem or f"Envoy refused {self.gateway.rejected} configurations so far"
                raise MeshError(f"The mesh is not as the cluster's objects say: {reason}.")
            waiting.wait(POLL_SECONDS)

    def received(self, version: str | None = None, workload: str | None = None) -> int:
        """Requests that reached pods since the start, live and mirrored, of one code version or workload or all."""
        return sum(
            count
            for (its_version, its_workload), count in self._received.totals().items()
            if version in {None, its_version} and workload in {None, its_workload}
        )

    def load(self, workload: str, *, cost: float) -> float:
        """What its pods use, all together, in percent of one pod's request: ``cost`` for each request a second."""
        received = self._received.per_second().items()
        return cost * sum(rate for (_, its_workload), rate in received if its_workload == workload)

    def snapshot(self) -> Snapshot:
        """How things stand, for a live view."""
        try:
            routes, rejected = self.gateway.routes_in_force(), self.gateway.rejected
        except OSError:
            routes, rejected = (), 0
        return Snapshot(
            routes=routes,
            pods=tuple(pod_of(obj) for obj in self._store.list("Pod") if _is_served(obj)),
            live=_by_version(self._answered),
            received=_by_version(self._received),
            faults=self.faults.current(),
            rejected=rejected,
            problem=self._problem,
        )

    def _changed(self, _event: str, obj: JsonObject) -> None:
        """Called on the writer's thread after every change in the store: hand over and return."""
        if obj.get("kind") in KINDS:
            self._notify()

    def _notify(self) -> int:
        with self._lock:
            if not self._closed:
                self._notified += 1
                self._loop.soon(self._dirty.set)
            return self._notified

    async def _begin(self) -> None:
        await self._metrics.open(LOOPBACK)
        await self._apply()

    async def _end(self) -> None:
        await self._pods.close()
        await self._metrics.close()

    async def _follow(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(self._debounce_seconds)  # one push for a burst of changes, as istiod does
            self._dirty.clear()
            try:
                await self._apply()
                self._problem = None
            except (KeyError, TypeError, ValueError) as unreadable:
                # Envoy keeps what it has, as it would if istiod could not read an object.
                self._problem = f"an object cannot be read ({unreadable!r})"

    async def _apply(self) -> None:
        """Bring servers, Envoy's files and scrape targets in line with the store."""
        notified = self._notified
        pods = [pod_of(obj) for obj in self._store.list("Pod") if _is_served(obj)]
        services = tuple(service_of(obj) for obj in self._store.list("Service"))
        await self._pods.follow(pods, services)
        servers = self._pods.current()
        self.gateway.apply(
            View(
                virtual_services=self._store.list("VirtualService"),
                destination_rules=self._store.list("DestinationRule"),
                gateways=self._store.list("Gateway"),
                services=services,
                endpoints=tuple(Endpoint(pod=server.pod, port=server.port) for server in servers if server.pod.ready),
            )
        )
        scraped = [(server.port, server.pod.namespace, server.pod.name) for server in servers]
        self._write_targets([(self._metrics.port, "istio-system", GATEWAY), *scraped])
        self._applied = notified

    def _write_targets(self, scraped: list[tuple[int, str, str]]) -> None:
        targets = [
            {"targets": [f"{LOOPBACK}:{port}"], "labels": {"namespace": namespace, "pod": pod}}
            for port, namespace, pod in scraped
        ]
        content = json.dumps(targets, indent=2)
        if not self.targets.exists() or self.targets.read_text() != content:
            aside = self.targets.with_suffix(".new")
            aside.write_text(content)
            os.replace(aside, self.targets)  # noqa: PTH105 - Path.replace hides that the move is the point

    async def _gateway_metrics(self, _request: web.BaseRequest) -> web.StreamResponse:
        return await self.scrapes.answer(GATEWAY, GATEWAY, self.gateway.metrics.exposition)


def _is_served(pod: JsonObject) -> bool:
    """Whether it is an application's; the gateway's own pod is only there to be asked about."""
    return bool(pod["metadata"]["namespace"] != "istio-system")


def _by_version(tally: Tally[tuple[str, str]]) -> dict[str, float]:
    by_version: dict[str, float] = {}
    for (version, _), rate in tally.per_second().items():
        by_version[version] = by_version.get(version, 0.0) + rate
    return by_version
