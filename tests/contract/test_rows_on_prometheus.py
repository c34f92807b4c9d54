"""The law on a real Prometheus: over a rollout the rows add up to what its pods served, or the side was unknown.

Two hundred rollouts at once, each with pods of its own whose lives and manners are drawn. Prometheus scrapes them all,
and the bot reads, judges and keeps their rows together, as it does in production.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.controller import observe
from bot.model.figures import CLIENT_ERRORS, Figures, SideFigures
from bot.model.rollout import Phase, Rollout, RolloutId
from bot.model.service import GateLimits, MetricsSource
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, answers, find_program
from tests.contract import served
from tests.contract.drawn import CODES
from tests.contract.examples import rollout, target

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(400)]  # more than a minute, in real time

ROLLOUTS = 200
TWICE = 4  # one pod of so many is scraped by two jobs, one of which adds a label of its own
STARTS = (0.0, 0.7, 1.4)  # seconds; windows of several times are read beside each other
TICKS = (1.0, 2.0, 4.0)
SKEWS = (5.0, 5.0, 0.0, -5.0)  # seconds that the clock of whoever looks is ahead of Prometheus's
EXACT = 1e-3
LONGEST = 60.0  # seconds that the last rows may take


@dataclass(slots=True)
class Course:
    """A rollout with its pods, and the sides that were said to be unknown in a row that was kept."""

    rollout: Rollout
    pods: Mapping[str, Sequence[served.Target]]
    unknown: set[str] = field(default_factory=set)

    def truth(self, workload: str) -> tuple[float, ...]:
        counts = [pod.served(self.rollout.settled_at or 0.0) for pod in self.pods[workload]]
        total = {code: sum(one[code] for one in counts) for code in CODES}
        return float(sum(total.values())), float(total["500"]), float(total["404"])

    def take(self, reading: Figures, now: float) -> None:
        judgement, analysis_state = observe.judge(self.rollout, reading, now)
        if analysis_state.until != self.rollout.analysis_state.until:
            sides = {_primary(self.rollout): reading.primary, _canary(self.rollout): reading.canary}
            self.unknown |= {name for name, side in sides.items() if side is None}
        self.rollout = replace(self.rollout, analysis_state=analysis_state, judgement=judgement)


def _primary(of: Rollout) -> str:
    return of.spec.target.primary_deployment


def _canary(of: Rollout) -> str:
    return of.spec.target.canary_deployment


@pytest.fixture
def start() -> float:
    return time.time() + served.WARM


@pytest.fixture
def courses(start: float) -> list[Course]:
    rng = random.Random(f"{start}")  # noqa: S311  # not a secret
    return [_drawn(random.Random(rng.random()), number, start) for number in range(ROLLOUTS)]  # noqa: S311  # the same


def _drawn(rng: random.Random, number: int, start: float) -> Course:
    at = target(f"n{number}")
    own = replace(
        rollout(phase=Phase.MIRRORING, stage=0, at=at, gates=GateLimits()),
        spec=replace(
            rollout(phase=Phase.MIRRORING, stage=0, at=at, gates=GateLimits()).spec,
            id=RolloutId(f"r{number}"),
            metrics=MetricsSource(scrape_interval=served.INTERVAL),
        ),
        settled_at=start + rng.choice(STARTS),
    )
    names = (at.primary_deployment, at.canary_deployment)
    return Course(rollout=own, pods={name: served.draw(rng, name, at.namespace, start) for name in names})


@pytest.fixture
def metrics(courses: Sequence[Course], tmp_path: Path) -> Iterator[PrometheusMetrics]:
    targets = [pod for course in courses for pods in course.pods.values() for pod in pods]
    exporter = served.Exporter(served_at := free_port(), targets)
    exporter.start()
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(json.dumps(_config(served_at, len(targets))))
    argv = [
        find_program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    ]
    program = Program(argv, log=tmp_path / "prometheus.log", ready=answers(port, "/-/ready")).start()
    connection = PrometheusConnection(f"http://{LOOPBACK}:{port}", query_seconds=15.0, read_seconds=20.0)
    yield PrometheusMetrics(connection)
    connection.close()
    program.stop()
    exporter.stop()


def _config(port: int, targets: int) -> Mapping[str, object]:
    return {
        "global": {"scrape_interval": f"{served.INTERVAL:g}s", "scrape_timeout": f"{served.TIMEOUT * 1000:g}ms"},
        "scrape_configs": [
            _job("pods", port, range(targets), {}),
            _job("mesh", port, range(0, targets, TWICE), {"team": "shop"}),
        ],
    }


def _job(name: str, port: int, targets: Iterable[int], labels: Mapping[str, str]) -> Mapping[str, object]:
    """Who scrapes some of them, and the labels that it adds to all that it finds."""
    return {
        "job_name": name,
        "static_configs": [
            {
                "targets": [f"{LOOPBACK}:{port}"],
                "labels": {"__metrics_path__": f"/{n}", "instance": f"{name}-{n}", **labels},
            }
            for n in targets
        ],
    }


def test_rows_add_up_on_a_real_prometheus(start: float, courses: Sequence[Course], metrics: PrometheusMetrics) -> None:
    _read_on(courses, metrics, start + served.TRAFFIC + served.SETTLING)

    wrong, known = [], 0
    for course in courses:
        sums = course.rollout.analysis_state.sums
        assert sums is not None
        for name, side in ((_primary(course.rollout), sums.primary), (_canary(course.rollout), sums.canary)):
            if name in course.unknown:
                continue
            known += 1
            counted, truth = _counts(side), course.truth(name)
            if any(abs(count - true) > EXACT for count, true in zip(counted, truth, strict=True)):
                lives = [pod.notified() for pod in course.pods[name]]
                wrong.append(f"{name} of {course.rollout.spec.id}: {counted} for {truth} of {lives}")
    assert "\n".join(wrong) == ""
    assert known > ROLLOUTS  # of two sides of each: to say of everything that it is unknown is no answer


def _read_on(courses: Sequence[Course], metrics: PrometheusMetrics, end: float) -> None:
    """Ticks at drawn times until everything that was served has been read."""
    rng, pause = random.Random(f"{end}"), threading.Event()  # noqa: S311  # not a secret
    while any((course.rollout.analysis_state.until or 0.0) < end for course in courses):
        now = time.time() + rng.choice(SKEWS)
        assert now < end + LONGEST, "rows stopped being kept"
        readings = observe.read([course.rollout for course in courses], metrics, now)
        for course in courses:
            reading = readings.get(course.rollout.spec.id)
            if isinstance(reading, Figures):  # a busy Prometheus may not answer in time: the next reconcile reads it
                course.take(reading, now)
        pause.wait(rng.choice(TICKS))


def _counts(side: SideFigures | None) -> tuple[float, ...]:
    if side is None:
        return 0.0, 0.0, 0.0
    return side.requests, side.errors, side.client_errors.get(CLIENT_ERRORS, 0.0)
