"""The cluster and Prometheus in a process of their own, so that what they cost is not counted as ours."""

from __future__ import annotations

import json
import multiprocessing
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import web

from bench import cluster
from bench.figures import Figures
from sandbox.kube.api import Api
from sandbox.kube.resources import ISTIO_VERSIONS, Served
from sandbox.kube.store import Store
from sandbox.serving import Serving

TOKEN = "bench-token"  # noqa: S105  # made up, and only good here
START_SECONDS = 60
COUNTS = "/counts"
CLOCK = "/clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """How many the world outside has answered so far."""

    prometheus: int
    kubernetes: int
    streams: int  # watches opened or resumed, which no sweep waits for
    heartbeats: int  # nor for these; the only writes while nothing changes

    @classmethod
    def so_far(cls, prometheus_url: str) -> Requests:
        """As the stand-ins count them; asking is not counted."""
        with urllib.request.urlopen(prometheus_url + COUNTS, timeout=10) as answer:  # noqa: S310  # ours, on loopback
            return cls(**json.load(answer))

    def __sub__(self, earlier: Requests) -> Requests:
        return Requests(
            prometheus=self.prometheus - earlier.prometheus,
            kubernetes=self.kubernetes - earlier.kubernetes,
            streams=self.streams - earlier.streams,
            heartbeats=self.heartbeats - earlier.heartbeats,
        )


def set_clock(prometheus_url: str, now: float) -> None:
    """From now on it is ``now`` (epoch seconds) where samples are stamped; until then it is as late as it is."""
    with urllib.request.urlopen(prometheus_url + CLOCK, str(now).encode(), timeout=10):  # noqa: S310  # ours, on loopback
        pass


class StandIns:
    """A world of so many services in mid-rollout, while the block lasts."""

    def __init__(self, services: int, now: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._wire, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, services, now), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        if not self._wire.poll(START_SECONDS):
            self._process.kill()
            raise TimeoutError("The stand-ins did not start in time.")
        self.kubernetes_url, self.prometheus_url = self._wire.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.send(("stop",))
        self._process.join(10)
        self._process.kill()

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig for the cluster."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bench", "cluster": {"server": self.kubernetes_url}}],
            "users": [{"name": "bench", "user": {"token": TOKEN}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "current-context": "bench",
        }
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def spoil(self, number: int) -> float:
        """Make that service's canary fail half of its requests; when that became visible."""
        return float(self._ask("spoil", number))

    def accepted(self) -> dict[str, float]:
        """When the first write of each VirtualService that brought users home was accepted, by name."""
        answer = self._ask("accepted")
        return {str(name): float(at) for name, at in answer.items()}

    def _ask(self, *question: object) -> Any:
        self._wire.send(question)
        return self._wire.recv()


def _serve(wire: Connection, services: int, now: float) -> None:
    store = Store(history=50_000)
    for number in range(services):
        for obj in cluster.objects(number, now):
            store.put(obj)
    places = [cluster.place(number) for number in range(services)]
    figures = Figures((space, f"{name}-{version}") for space, name in places for version in ("v1", "v2"))
    api = Api(store, Served(ISTIO_VERSIONS), token=TOKEN, bookmark_seconds=2.0)

    application = figures.application()

    async def counts(_: web.Request) -> web.Response:
        streams, beats = api.requests["watch"], api.requests["PUT"]
        others = sum(api.requests.values()) - streams - beats
        return web.json_response(
            {"prometheus": figures.requests, "kubernetes": others, "streams": streams, "heartbeats": beats}
        )

    async def set_clock(request: web.Request) -> web.Response:
        figures.set_clock(float(await request.text()))
        return web.Response()

    application.router.add_get(COUNTS, counts)
    application.router.add_post(CLOCK, set_clock)
    with Serving(api.application(), name="kube-api") as kube, Serving(application, name="figures") as asked:
        wire.send((kube.url, asked.url))
        answers: dict[str, Callable[..., object]] = {
            "spoil": lambda number: _spoil(figures, number),
            "accepted": lambda: _accepted(api),
        }
        while (question := wire.recv()) != ("stop",):
            name, *arguments = question
            wire.send(answers[name](*arguments))


def _spoil(figures: Figures, number: int) -> float:
    namespace, name = cluster.place(number)
    return figures.spoil((namespace, f"{name}-v2"))


def _accepted(api: Api) -> dict[str, float]:
    writes = [record for record in reversed(api.audit) if (record.kind, record.code) == ("VirtualService", 200)]
    return {record.name: record.time.timestamp() for record in writes if _goes_home(record.body)}


def _goes_home(vs: Any) -> bool:
    """Whether a write takes every user off the canary; a heartbeat leaves them where they are."""
    return not any(one.get("weight") for one in vs["spec"]["http"][0]["route"] if one["destination"]["subset"] == "v2")
