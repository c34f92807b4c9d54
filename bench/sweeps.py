"""What a sweep costs with so many live rollouts: requests, CPU, memory, and how long after it is due each is judged."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import cluster
from bench.percentiles import percentile
from bench.stand_ins import Requests, StandIns, set_clock
from bot import bootstrap, logs
from bot.controller.rounds import TURNS, Rounds
from bot.controller.telemetry import Telemetry
from bot.model.errors import Fault
from bot.model.figures import Judgement
from bot.model.rollout import Rollout
from bot.settings.env import read_settings
from sandbox.catalogue import reviews, services_yaml
from sandbox.redis import Redis

REST_SECONDS = 1.0  # without a request
TICK_SECONDS = 10.0  # of the rollouts' time between two sweeps, however quickly they follow each other here


class SteppingClock:
    """The time of rollouts: it goes on by a tick a sweep, so that each sweep finds as much new as in production.

    ``notify`` hears of each step, for whoever stamps samples: a row that ends after their time is counted another way.
    """

    def __init__(self, now: float, notify: Callable[[float], None]) -> None:
        self._now = now
        self._notify = notify
        notify(now)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def step(self) -> None:
        """The next tick."""
        self._now += TICK_SECONDS
        self._notify(self._now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the measured process is told."""

    rollouts: int
    seconds: float
    now: float
    directory: Path
    env: dict[str, str]


def sweeps(rollouts: int, seconds: float, directory: Path) -> dict[str, float]:
    """Sweep again and again for about so many seconds, at least twice, in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with a_place(rollouts, seconds, directory) as job, ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, job).result()


@contextmanager
def a_place(rollouts: int, seconds: float, directory: Path, signing_key: str = "") -> Iterator[Job]:
    """Redis and stand-ins for one measured process, and what it is told."""
    # Whole seconds: Prometheus tells its time in milliseconds, and a row that ends after it is counted another way.
    now, name = float(int(time.time())), f"{rollouts}{'-signed' if signing_key else ''}"
    with StandIns(rollouts, now) as stand_ins, Redis(directory / f"redis-{name}", appendonly=False) as redis:
        env = {
            "PROMETHEUS_URL": stand_ins.prometheus_url,
            "REDIS_URL": redis.url,
            "KUBECONFIG": str(stand_ins.write_kubeconfig(directory / f"kubeconfig-{name}")),
            "SERVICES_FILE": str(services_file(directory)),
            "LOG_LEVEL": "error",
        } | ({"CANARY_SIGNING_KEY": signing_key} if signing_key else {})
        yield Job(rollouts=rollouts, seconds=seconds, now=now, directory=directory, env=env)


def services_file(directory: Path) -> Path:
    """A catalogue; live rollouts need none of its entries."""
    path = directory / "services.yaml"
    path.write_text(services_yaml({"reviews": reviews()}), encoding="utf-8")
    return path


class Sweeping:
    """Live rollouts, and a controller that sweeps over them when it is told to; what only a start costs is done."""

    def __init__(self, job: Job) -> None:
        settings = read_settings(job.env, job.directory / "no.env")
        logs.configure(settings.log_format, settings.log_level, sys.stderr)
        bootstrap.collect_less_often()
        connected = bootstrap.connect(settings, watching=True)
        self.idle = megabytes()
        self.lags, self._faults, self._unknown = list[float](), list[Fault](), 0
        self._counts = False  # the first windows are long, and the stub knows nothing of what was before
        for number in range(job.rollouts):
            connected.ports.store.create(cluster.rollout(number, job.now), ())
        watch = Telemetry(
            judged=self._note_judged,
            failed=lambda _rollout, fault: self._faults.append(fault),
        )
        self._clock = SteppingClock(job.now, partial(set_clock, job.env["PROMETHEUS_URL"]))
        # Time goes by a tick at once, and for all clocks alike.
        metrics = bootstrap.prometheus(settings.prometheus, stopwatch=self._clock.now)
        ports = replace(connected.ports, clock=self._clock, metrics=metrics)
        self._connected = replace(connected, ports=ports, stopwatch=self._clock.now)
        self._controller = bootstrap.make_controller(self._connected, watch)
        self._rounds, self._began = Rounds(TICK_SECONDS), 0.0
        self.sweep()  # the caches fill, connections are made, every heart beats for the first time
        await_rest(job.env["PROMETHEUS_URL"])
        self.sweep()  # the first beat changed each VirtualService, and hearts were due while this one rested
        await_rest(job.env["PROMETHEUS_URL"])
        self.lags.clear()
        self._counts = True

    def sweep(self) -> None:
        """A whole round; each turn begins when the one before it has ended, and lags are told by turn."""
        store = self._connected.ports.store
        self._clock.step()
        for _ in range(TURNS):
            self._began = time.monotonic()
            self._rounds.advance(self._clock.now())
            if not self._rounds.is_idle:
                busy = store.busy()
                self._controller.sweep(store.live({key: busy[key] for key in self._rounds.turn(busy)}))
        if self._faults:
            raise RuntimeError(f"{len(self._faults)} looks failed, such as: {self._faults[0]}")
        if self._unknown:
            raise RuntimeError(f"{self._unknown} looks knew nothing of a side, and cost less than they should")

    def _note_judged(self, _rollout: Rollout, judgement: Judgement) -> None:
        self.lags.append(time.monotonic() - self._began)
        known = judgement.figures
        self._unknown += self._counts and (known is None or known.canary is None or known.primary is None)

    def close(self) -> None:
        """Nothing runs any more."""
        self._controller.close()
        if self._connected.reads is not None:
            self._connected.reads.close()


def measure(job: Job) -> dict[str, float]:
    """Sweep in this process and tell what one sweep costs."""
    sweeping = Sweeping(job)
    asked, wall, cpu, count = Requests.so_far(job.env["PROMETHEUS_URL"]), time.monotonic(), time.process_time(), 0
    while count == 0 or time.monotonic() - wall < job.seconds:
        sweeping.sweep()
        count += 1
    wall, cpu = (time.monotonic() - wall) / count, (time.process_time() - cpu) / count
    asked = Requests.so_far(job.env["PROMETHEUS_URL"]) - asked
    sweeping.close()
    said = f"{job.rollouts} live rollouts: "
    return {
        f"{said}Prometheus requests per sweep": asked.prometheus / count,
        f"{said}Kubernetes requests per sweep": asked.kubernetes / count,
        f"{said}watches resumed per minute": asked.streams * 60 / (wall * count),
        f"{said}heartbeats per minute": asked.heartbeats * 60 / (wall * count),
        f"{said}CPU per sweep (ms)": cpu * 1000,
        f"{said}sweep takes (ms)": wall * 1000,
        f"{said}sweeps per second": 1 / wall,
        f"{said}looks per second": job.rollouts / wall,
        f"{said}tick lag, p50 (ms)": percentile(sweeping.lags, 50) * 1000,
        f"{said}tick lag, p99 (ms)": percentile(sweeping.lags, 99) * 1000,
        f"{said}peak memory (MB)": megabytes(),
        f"{said}memory for them (MB)": megabytes() - sweeping.idle,
    }


def await_rest(prometheus_url: str) -> None:
    """Wait until what the first sweep began beside itself has ended."""
    before, now = None, Requests.so_far(prometheus_url)
    while before is None or (now.kubernetes, now.heartbeats) != (before.kubernetes, before.heartbeats):
        time.sleep(REST_SECONDS)
        before, now = now, Requests.so_far(prometheus_url)


def megabytes() -> float:
    """This process's largest resident size so far."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)
