"""Pods that a real Prometheus scrapes, with drawn lives: what each has served is known, and what of it was scraped.

One server answers for all of them, each at an address of its own. A pod may answer late, fail, hang beyond the
time-out, restart, be replaced, come late, go early, or be relabelled. Its answers are kept as they were given: they are
the truth.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.ports import LOOPBACK
from tests.contract.drawn import CODES, Pod

INTERVAL, TIMEOUT = 2.0, 1.8  # seconds
LATEST = 1.2  # seconds; a busy machine adds to it, and what comes after the time-out was not scraped
WARM, TRAFFIC, SETTLING = 12.0, 45.0, 3 * INTERVAL  # seconds before the start, of traffic after it, and without any
QUIET_BEFORE, QUIET_AFTER = 5.0, 3.0  # seconds around the start without requests: no scrape is on both sides of it

PHRASES = {200: "OK", 500: "Internal Server Error", 503: "Service Unavailable"}


Count = tuple[float, str, int, int]  # time, code, life, count


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a scrape is answered with, after so many seconds, and what it counts."""

    status: int
    text: str = ""
    seconds: float = 0.0
    counts: Sequence[Count] = ()


@dataclass(slots=True)
class Target:
    """One pod with the manners in which it is scraped, and every answer that it gave."""

    pod: Pod
    namespace: str
    start: float
    delay: float
    failing: float
    hanging: float
    rng: random.Random
    given: list[Count] = field(default_factory=list)

    def answer(self, at: float) -> Answer | None:
        """None for an answer that never comes."""
        if not self.pod.is_there(at):
            return Answer(status=503)
        chance = 1.0 if self._is_quiet(at) else self.rng.random()
        if chance < self.hanging:
            return None
        if chance < self.hanging + self.failing:
            return Answer(status=500)
        life, lines, counts = bisect_right(self.pod.starts, at), list[str](), list[Count]()
        for code in CODES:
            count = self._reads(code, at)
            if count:
                lines += self._lines(code, count, self.pod.named(at))
                counts.append((at, code, life, count))
        lines.sort()
        seconds = self.delay * self.rng.uniform(0.5, 1.0)
        return Answer(status=200, text="\n".join([*lines, ""]), seconds=seconds, counts=counts)

    def _is_quiet(self, at: float) -> bool:
        """Whether it answers every scrape: around the start, and once there is no traffic any more."""
        since = at - self.start
        return -QUIET_BEFORE - INTERVAL < since < QUIET_AFTER or since > TRAFFIC

    def _reads(self, code: str, at: float) -> int:
        began = max(start for start in self.pod.starts if start <= at)
        until = min(at, self.start + TRAFFIC)
        busy = self._busy(until) - self._busy(max(began, self.pod.since[code]))
        return int(self.pod.rates[code] * max(0.0, busy))

    def _busy(self, at: float) -> float:
        """Seconds with requests before a moment."""
        begin, end = self.start - QUIET_BEFORE, self.start + QUIET_AFTER
        return min(at, begin) + max(0.0, at - end)

    def _lines(self, code: str, count: int, name: str) -> list[str]:
        labels = {
            "reporter": "destination",
            "destination_workload_namespace": self.namespace,
            "destination_workload": self.pod.workload,
            "source_workload": "istio-ingressgateway",
            "response_code": code,
            "grpc_response_status": "",
            "pod": self.pod.name,
            "namespace": self.namespace,
            "app_kubernetes_io_version": name,
        }
        own = ",".join(f'{label}="{value}"' for label, value in labels.items())
        buckets = [
            f'istio_request_duration_milliseconds_bucket{{{own},le="{bound}"}} {count // share}'
            for bound, share in (("100", 2), ("+Inf", 1))
        ]
        return [*buckets, f"istio_requests_total{{{own}}} {count}"]

    def notified(self) -> str:
        """Its life in seconds since the start, for whoever reads that it was counted wrongly."""
        pod = self.pod
        starts = [round(at - self.start, 1) for at in pod.starts]
        names = [round(at - self.start, 1) for at, _ in pod.names[1:]]
        manners = f"delay {self.delay}, failing {self.failing}, hanging {self.hanging}"
        return f"{pod.name}: starts {starts}, until {pod.until - self.start:.1f}, renamed {names}, {manners}"

    def served(self, since: float) -> dict[str, int]:
        """Requests by code after ``since``, as far as they were shown to anybody."""
        found = {}
        for code in CODES:
            lives: dict[int, int] = {}
            before: dict[int, int] = {}
            for at, of, life, count in self.given:
                if of == code:
                    lives[life] = max(lives.get(life, 0), count)
                    if at <= since:
                        before[life] = max(before.get(life, 0), count)
            found[code] = sum(count - before.get(life, 0) for life, count in lives.items())
        return found


class Exporter:
    """Answers scrapes of all targets, on a thread of its own; target ``n`` is at ``/n``."""

    def __init__(self, port: int, targets: Sequence[Target]) -> None:
        self.targets = targets
        self.open: set[asyncio.Transport] = set()
        self._port = port
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="exporter", daemon=True)

    def start(self) -> None:
        self._thread.start()
        listening = self._loop.create_server(lambda: _Connection(self), LOOPBACK, self._port, backlog=2048)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10.0)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in list(self.open):
            transport.abort()
        await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    """Requests come one after another, without bodies.

    Whoever scrapes hangs up on what came after the time-out, and only then: an answer after which the connection is
    lost was not scraped, and one after which it stays open or is used again was.
    """

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._came = b""
        self._last: tuple[Target, Sequence[Count]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._exporter.open.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._exporter.open.discard(self._transport)
        if self._last is not None:
            target, counts = self._last
            for count in counts:
                target.given.remove(count)

    def data_received(self, data: bytes) -> None:
        self._came += data
        while b"\r\n\r\n" in self._came:
            head, _, self._came = self._came.partition(b"\r\n\r\n")
            target = self._exporter.targets[int(head.split(b" ", 2)[1].lstrip(b"/"))]
            answer, self._last = target.answer(time.time()), None
            if answer is not None:
                asyncio.get_running_loop().call_later(answer.seconds, self._send, target, answer)

    def _send(self, target: Target, answer: Answer) -> None:
        if self._transport.is_closing():
            return
        status = f"HTTP/1.1 {answer.status} {PHRASES[answer.status]}"
        head = f"{status}\r\nContent-Type: text/plain; version=0.0.4\r\n"
        self._transport.write(f"{head}Content-Length: {len(answer.text)}\r\n\r\n{answer.text}".encode())
        target.given += answer.counts
        self._last = target, answer.counts


def draw(rng: random.Random, workload: str, namespace: str, start: float) -> list[Target]:
    """A side's pods around a rollout that starts at ``start``."""
    drawn = []
    for number in range(rng.choice([1, 1, 2])):
        pods = _lives(rng, f"{workload}-{number}", workload, start)
        delay, failing, hanging = _manners(rng)
        drawn += [
            Target(pod=pod, namespace=namespace, start=start, delay=delay, failing=failing, hanging=hanging, rng=rng)
            for pod in pods
        ]
    return drawn


def _manners(rng: random.Random) -> tuple[float, float, float]:
    """How late it answers, in seconds, and the shares of scrapes that fail and that hang."""
    return rng.choice([0.0, 0.5, LATEST]), rng.choice([0.0, 0.0, 0.1]), rng.choice([0.0, 0.0, 0.05])


def _lives(rng: random.Random, name: str, workload: str, start: float) -> list[Pod]:
    end = start + TRAFFIC
    began, until, names = start - 60.0, end + 10 * SETTLING, [(0.0, "a")]
    moment = rng.uniform(start + 2 * QUIET_AFTER, end - 8.0)
    starts = [began]
    kind = rng.choice(["steady", "restarts", "comes", "goes", "renamed", "replaced"])
    if kind == "restarts":
        starts.append(moment)
    elif kind == "comes":
        starts = [moment]
    elif kind in {"goes", "replaced"}:
        until = moment
    elif kind == "renamed":
        names.append((moment, "b"))
    rates = {"200": rng.uniform(1, 60), "404": rng.uniform(0, 2), "500": rng.uniform(0, 3)}
    since = {code: 0.0 if code == "200" or rng.random() < 0.6 else rng.uniform(start, end) for code in CODES}
    own = _pod(name, workload, rates, since, starts, until, names)
    if kind != "replaced":
        return [own]
    follows = max(start + QUIET_AFTER, until + rng.uniform(-10, 5))
    return [own, _pod(f"{name}n", workload, rates, dict.fromkeys(CODES, 0.0), [follows], end + 10 * SETTLING, names)]


def _pod(
    name: str,
    workload: str,
    rates: Mapping[str, float],
    since: Mapping[str, float],
    starts: Sequence[float],
    until: float,
    names: Sequence[tuple[float, str]],
) -> Pod:
    return Pod(
        workload=workload,
        name=name,
        rates=rates,
        since=since,
        starts=tuple(starts),
        until=until,
        names=tuple(names),
    )
