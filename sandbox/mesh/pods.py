"""The pods: a small real HTTP server per Pod object, with the sidecar's metrics beside it.

A server answers as Bookinfo's reviews of the version its image holds, misbehaves as ``Faults`` says, and counts
what arrives as Istio's destination reporter does: live requests and mirrored copies alike, which it cannot tell
apart. Whom Envoy sends here is decided in ``xds``.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aiohttp import web

from sandbox.mesh.faults import Faults
from sandbox.mesh.metrics import (
    GATEWAY_AS_SOURCE,
    METRICS_PATH,
    IstioMetrics,
    destination_labels,
    service_labels,
)
from sandbox.mesh.objects import Pod, Service
from sandbox.mesh.scrapes import Scrapes
from sandbox.mesh.tally import Tally
from sandbox.ports import LOOPBACK
from sandbox.serving import Listener

PodKey = tuple[str, str]  # namespace, name
Received = tuple[str, str]  # version, workload

USUAL_LATENCY_MS = 8.0
LATENCY_SPREAD = 0.35  # sigma of the lognormal: nine of ten answers within 5-15 ms

# A pod's process outlives its object a little, as a real one drains: Envoy hears of the end a moment later.
LINGER_SECONDS = 1.0

STARS: Mapping[str, str | None] = MappingProxyType({"v1": None, "v2": "black", "v3": "red"})


class PodServer:
    """One pod: its HTTP server, and its sidecar's counters. Lives on the mesh's loop."""

    def __init__(
        self, pod: Pod, service: Service | None, faults: Faults, scrapes: Scrapes, received: Tally[Received]
    ) -> None:
        self.pod = pod
        self.port = 0
        self._faults = faults
        self._scrapes = scrapes
        self._received = received
        self._metrics = IstioMetrics()
        # Like a sidecar, which reads its pod's labels once: relabelling later does not change what it reports.
        self._labels = {
            "reporter": "destination",
            **GATEWAY_AS_SOURCE,
            **destination_labels(pod),
            **service_labels(service),
            "request_protocol": "http",
            "grpc_response_status": "",
            "connection_security_policy": "mutual_tls",
        }
        # With cancellation a caller that gives up is noticed, and reported as Istio reports it: code 0, flag DC.
        server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        self._listener = Listener(web.ServerRunner(server, shutdown_timeout=0.5))

    async def open(self) -> None:
        """Listen on a free port."""
        self.port = await self._listener.open(LOOPBACK)

    async def close(self) -> None:
        """Stop listening; requests under way may finish."""
        await self._listener.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == METRICS_PATH:
            return await self._scrapes.answer(self.pod.workload, self.pod.name, self._metrics.exposition)
        self._received.add((self.pod.version, self.pod.workload))
        started = time.monotonic()
        code, flags = 0, "DC"
        try:
            response = await self._work(request)
            code, flags = response.status, "-"
            return response
        finally:
            outcome = {"response_code": str(code), "response_flags": flags}
            self._metrics.record(self._labels | outcome, (time.monotonic() - started) * 1000)

    async def _work(self, request: web.BaseRequest) -> web.Response:
        pod = self.pod
        fault = self._faults.on(version=pod.version, workload=pod.workload)
        await request.read()
        usual = random.lognormvariate(math.log(USUAL_LATENCY_MS), LATENCY_SPREAD)
        await asyncio.sleep((usual + fault.latency_ms) / 1000)
        headers = {"x-version": pod.version, "x-workload": pod.workload, "x-pod": pod.name}
        if random.random() < fault.error_share:
            return web.json_response({"error": f"{pod.name} could not read the reviews"}, status=500, headers=headers)
        return web.json_response(_reviews(pod), headers=headers)


class PodServers:
    """The servers of all Pod objects. Used on the mesh's loop only."""

    def __init__(self, faults: Faults, scrapes: Scrapes, received: Tally[Received]) -> None:
        self._faults = faults
        self._scrapes = scrapes
        self._received = received
        self._servers: dict[PodKey, PodServer] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def current(self) -> list[PodServer]:
        """The servers of the pods that exist."""
        return list(self._servers.values())

    async def follow(self, pods: Iterable[Pod], services: Iterable[Service]) -> None:
        """Start what appeared, end what is gone or crashed, keep the rest."""
        wanted = {(pod.namespace, pod.name): pod for pod in pods}
        for key in list(self._servers):
            pod = wanted.get(key)
            if pod is None:
                self._let_go(self._servers.pop(key), LINGER_SECONDS)
            elif not pod.running:
                self._let_go(self._servers.pop(key), 0)
        known_services = tuple(services)
        for key, pod in wanted.items():
            if key in self._servers:
                self._servers[key].pod = pod
            elif pod.running:
                self._servers[key] = await self._open(pod, known_services)

    async def close(self) -> None:
        """End all servers."""
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await asyncio.gather(*(server.close() for server in self._servers.values()))
        self._servers.clear()

    async def _open(self, pod: Pod, services: tuple[Service, ...]) -> PodServer:
        first = next((service for service in services if service.selects(pod)), None)
        server = PodServer(pod, first, self._faults, self._scrapes, self._received)
        await server.open()
        return server

    def _let_go(self, server: PodServer, after: float) -> None:
        async def leave() -> None:
            try:
                await asyncio.sleep(after)
            finally:
                await server.close()

        task = asyncio.ensure_future(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _reviews(pod: Pod) -> dict[str, object]:
    texts = {
        "Reviewer1": ("An extremely entertaining play by Shakespeare.", 5),
        "Reviewer2": ("Absolutely fun and entertaining.", 4),
    }
    color = STARS.get(pod.version)
    reviews: list[dict[str, object]] = [
        {"reviewer": reviewer, "text": text} | ({"rating": {"stars": stars, "color": color}} if color else {})
        for reviewer, (text, stars) in texts.items()
    ]
    return {"id": "0", "podname": pod.name, "reviews": reviews}
