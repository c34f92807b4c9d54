"""The law: over a rollout the rows add up to what the targets served, or the side was said to be unknown.

Targets, scrapes and arrivals are drawn; the bot reads, judges and keeps as it does in production. Here time is an
argument and PromQL is evaluated by a model that is held against a real Prometheus elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import Query, Sample, Series
from bot.controller import observe
from bot.controller.ports import Window
from bot.model.figures import CLIENT_ERRORS, Figures, SideFigures
from bot.model.rollout import Phase, Rollout, RolloutId
from bot.model.service import GateLimits, MetricsSource
from sandbox.promql import Matrix, evaluate
from tests.contract.drawn import (
    INTERVAL,
    SETTLING,
    TIMEOUT,
    TRAFFIC,
    Pod,
    Scraped,
    Scraper,
    Store,
    hidden_restarts,
    pods,
    scrape,
)
from tests.contract.examples import rollout, target

pytestmark = pytest.mark.sandbox  # it takes a minute

START = 1_750_000_000.0
TOGETHER = 10  # rollouts in one Prometheus
FEW = 3.0  # requests
ON_THE_WAY = 20.0  # seconds that a sample may take until it is read, with a clock that is ahead

# Who scrapes, of whom a query may be answered; and by how much the bot's clock is ahead.
LAG = 35.0
SETUPS: Mapping[str, tuple[Sequence[Sequence[Scraper]], float]] = {
    "plain": ([[Scraper(labels={})]], 0.0),
    "failing": ([[Scraper(labels={}, failing=0.08)]], 0.0),
    "clock ahead": ([[Scraper(labels={}, failing=0.03)]], 5.0),
    "clock far ahead": ([[Scraper(labels={}, failing=0.03)]], 25.0),
    "clock behind": ([[Scraper(labels={}, failing=0.03)]], -5.0),
    "two jobs": (
        [[Scraper(labels={"job": "pods", "instance": "a"}), Scraper(labels={"job": "mesh"}, failing=0.05)]],
        0.0,
    ),
    "two jobs that add labels of their own": (
        [[Scraper(labels={"job": "pods", "team": "shop"}), Scraper(labels={"job": "mesh"}, failing=0.05)]],
        0.0,
    ),
    "two replica labels": (
        [[Scraper(labels={"prometheus_replica": "a"}, failing=0.03), Scraper(labels={"prometheus_replica": "b"})]],
        0.0,
    ),
    "two replicas behind a balancer": (
        [[Scraper(labels={}, away=0.01)], [Scraper(labels={}, failing=0.03, away=0.01)]],
        0.0,
    ),
    "two replicas that miss scrapes of their own": (
        [[Scraper(labels={}, failing=0.1, away=0.0, together=True)] for _ in range(2)],
        0.0,
    ),
    "one of two replicas lags": (
        [[Scraper(labels={}, away=0.01)], [Scraper(labels={}, failing=0.03, lag=8.0, longest=2.0, away=0.01)]],
        0.0,
    ),
    "lagging": ([[Scraper(labels={}, failing=0.03, lag=LAG)]], 0.0),
}


@dataclass(slots=True)
class Model:
    """The part of a link that reads; each query is answered by any of the stores.

    ``between``: seconds from one answer to the next one that rests on it.
    """

    stores: Sequence[Store]
    rng: random.Random
    between: float = 0.0

    def ask(self, asked: Mapping[str, Query]) -> dict[str, tuple[Sample, ...]]:
        return {name: tuple(self._answer(query)) for name, query in asked.items()}

    def now(self) -> float:
        return self.stores[0].now

    def ask_series(self, asked: Mapping[str, Query]) -> dict[str, list[Series]]:
        for store in self.stores:
            store.now += self.between
        return {name: self._series(query) for name, query in asked.items()}

    def _series(self, query: Query) -> list[Series]:
        answer = self._answer(query)
        if isinstance(answer, Matrix):
            return [(labels, dict(points)) for labels, points in answer.series]
        return [(labels, {query.at or 0.0: value}) for labels, value in answer]

    def _answer(self, query: Query) -> Any:
        store = self.rng.choice(self.stores)
        at = store.now if query.at is None else query.at
        return evaluate(store, query.text, at, closed=self.rng.random() < 0.5)


@dataclass(slots=True)
class Course:
    """A rollout with what was really served, and whether a side was said to be unknown in a row that was kept."""

    rollout: Rollout
    seen: Mapping[str, Sequence[Sequence[Scraped]]]  # by Deployment: what each replica of Prometheus found of its pods
    unknown: set[str] = field(default_factory=set)

    def served(self, name: str, end: float) -> tuple[Sequence[float], Sequence[float]]:
        """Requests, errors and client errors since the start, as had been scraped by ``end``: at least, and at most.

        Of each pod, one replica may have answered at the start, and another at the end, or when it went.
        """
        start = self.rollout.settled_at or 0.0
        least, most = [0.0] * 3, [0.0] * 3
        for replicas in zip(*self.seen[name], strict=True):
            begun, ended = (
                list(zip(*(_counted(found.by(at)) for found in replicas), strict=True)) for at in (start, end)
            )
            for place in range(3):
                least[place] += min(ended[place]) - max(begun[place])
                most[place] += max(ended[place]) - min(begun[place])
        return least, most


def courses(
    rng: random.Random,
    scrapers: Sequence[Sequence[Scraper]],
    delay: float | None = None,
    lives: Callable[[random.Random, str, float], list[Pod]] = pods,
) -> tuple[list[Course], list[Store]]:
    """Rollouts with their targets, all scraped, by each Prometheus at its own times."""
    stores, found = [Store() for _ in scrapers], []
    for number in range(TOGETHER):
        at = target(f"n{number}")
        own = replace(
            rollout(phase=Phase.MIRRORING, stage=0, at=at, gates=GateLimits()),
            spec=replace(
                rollout(phase=Phase.MIRRORING, stage=0, at=at, gates=GateLimits()).spec,
                id=RolloutId(f"r{number}"),
                metrics=MetricsSource(scrape_interval=INTERVAL, read_delay=delay),
            ),
            settled_at=START + rng.choice([0.0, 7.5]),
        )
        seen: dict[str, list[Sequence[Scraped]]] = {}
        for workload in (at.primary_deployment, at.canary_deployment):
            drawn = lives(rng, workload, START)
            seen[workload] = [
                [_observed(rng, store, of, pod, at.namespace) for pod in drawn]
                for store, of in zip(stores, scrapers, strict=True)
            ]
        found.append(Course(rollout=own, seen=seen))
    return found, stores


def _observed(rng: random.Random, store: Store, scrapers: Sequence[Scraper], pod: Pod, namespace: str) -> Scraped:
    """What any of these scrapers found of the pod."""
    found = [scrape(rng, store, scraper, pod, namespace, START) for scraper in scrapers]
    return Scraped([one for truth in found for one in truth.seen])


def read_on(rng: random.Random, found: list[Course], stores: Sequence[Store], ahead: float) -> None:
    """Ticks until everything has arrived, as a bot does them."""
    model = Model(stores, rng)
    metrics = PrometheusMetrics(model, stopwatch=model.now)  # type: ignore[arg-type]  # the part that reads
    now = START
    while now < START + TRAFFIC + SETTLING - 2 * INTERVAL:
        now += rng.choice([2.0, 10.0, 10.0, 10.0, 35.0])
        for store in stores:
            store.now = now
        readings = observe.read([one.rollout for one in found], metrics, now + ahead)
        for one in found:
            reading = readings.get(one.rollout.spec.id)
            judgement, analysis_state = observe.judge(one.rollout, reading, now + ahead)
            if analysis_state.until != one.rollout.analysis_state.until and isinstance(reading, Figures):
                _note_unknown(one, reading.primary, reading.canary)
            one.rollout = replace(one.rollout, analysis_state=analysis_state, judgement=judgement)


def _note_unknown(one: Course, primary: SideFigures | None, canary: SideFigures | None) -> None:
    names = one.rollout.spec.target.primary_deployment, one.rollout.spec.target.canary_deployment
    one.unknown |= {name for name, side in zip(names, (primary, canary), strict=True) if side is None}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("setup", SETUPS)
def test_rows_add_up_to_what_was_served(setup: str, seed: int) -> None:
    rng = random.Random(f"{setup} {seed}")  # noqa: S311  # not a secret
    scrapers, ahead = SETUPS[setup]
    found, stores = courses(rng, scrapers, LAG + TIMEOUT if setup == "lagging" else None)
    read_on(rng, found, stores, ahead)

    wrong, known = [], 0
    for one in found:
        sums = one.rollout.analysis_state.sums
        assert sums is not None
        for name, side in (
            (one.rollout.spec.target.primary_deployment, sums.primary),
            (one.rollout.spec.target.canary_deployment, sums.canary),
        ):
            counted = _counts(side)
            until = (
                one.rollout.analysis_state.until or 0.0
            )  # what is scraped later is of rows that are still to be read
            least, _ = one.served(name, until - ON_THE_WAY)
            _, most = one.served(name, until)
            # A counter that reads the same after a restart as before it is not known to have restarted.
            bounds = [(low - FEW, high + FEW) for low, high in zip(least, most, strict=True)]
            if name not in one.unknown:
                known += 1
            if not all(low <= count <= high for count, (low, high) in zip(counted, bounds, strict=True)):
                wrong.append((one.rollout.spec.id, name, counted, bounds, name in one.unknown))
    assert [case for case in wrong if not case[-1]] == []
    # Of two sides of each: to say of everything that it is unknown is no answer. Where replicas answer in turn, a side
    # is unknown whenever its counters begin again or are relabelled: most of these do.
    assert known >= (TOGETHER if len(stores) == 1 else 2)


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_that_one_missed_scrape_hides_is_counted_or_the_side_is_unknown(seed: int) -> None:
    """By the next scrape counters of a young pod may read more than before it: nothing fell."""
    rng = random.Random(f"hidden {seed}")  # noqa: S311  # not a secret
    found, (store,) = courses(rng, [[Scraper(labels={})]], lives=hidden_restarts)
    read_on(rng, found, [store], 0.0)

    known = 0
    for one in found:
        sums = one.rollout.analysis_state.sums
        assert sums is not None
        until = one.rollout.analysis_state.until or 0.0
        for name, side in zip(_names(one), (sums.primary, sums.canary), strict=True):
            if name not in one.unknown:
                known += 1
                assert _counts(side) == pytest.approx(one.served(name, until)[1], abs=FEW), (name, one.rollout.spec.id)
    assert known < 2 * TOGETHER


@pytest.mark.parametrize("between", [0.0, 3.0])
@pytest.mark.parametrize("ahead", [-2.0, 0.0, 2.0])
def test_whoever_keeps_no_delay_and_no_annotations_is_told_right_or_nothing(ahead: float, between: float) -> None:
    """Windows that end at their caller's "now", as no bot reads them: a scrape that is on its way is never a zero, and
    neither is one that arrives while it is looked at.
    """
    rng = random.Random(f"hasty {ahead}")  # noqa: S311  # not a secret
    found, (store,) = courses(rng, [[Scraper(labels={}, away=0.0)]])
    model = Model([store], rng, between)
    metrics = PrometheusMetrics(model, stopwatch=model.now)  # type: ignore[arg-type]  # the part that reads
    known = 0
    for _ in range(12):
        store.now = START + rng.uniform(60.0, TRAFFIC)
        until = store.now + ahead
        since = until - rng.uniform(15.0, 45.0)
        readings = metrics.read([Window(rollout=one.rollout, since=since, until=until) for one in found])
        for one in found:
            figures = readings[one.rollout.spec.id]
            assert isinstance(figures, Figures)
            for name, side in zip(_names(one), (figures.primary, figures.canary), strict=True):
                (pods_observed,) = one.seen[name]
                if side is None or any(pod.is_new(since - INTERVAL, until) for pod in pods_observed):
                    continue  # of a pod that was never scraped, nobody knows that its first scrape is on its way
                known += 1
                truth = [
                    sum(column) for column in zip(*(_grown(pod, since, until) for pod in pods_observed), strict=True)
                ]
                assert _counts(side) == pytest.approx(truth, abs=FEW), (one.rollout.spec.id, name, store.now - START)
    assert known >= 2 * TOGETHER


def _grown(pod: Scraped, since: float, until: float) -> list[float]:
    return [later - earlier for later, earlier in zip(_counted(pod.by(until)), _counted(pod.by(since)), strict=True)]


def _names(one: Course) -> tuple[str, str]:
    return one.rollout.spec.target.primary_deployment, one.rollout.spec.target.canary_deployment


def _counts(side: SideFigures | None) -> tuple[float, ...]:
    if side is None:
        return 0.0, 0.0, 0.0
    return side.requests, side.errors, side.client_errors.get(CLIENT_ERRORS, 0.0)


def _counted(served: Mapping[str, int]) -> tuple[float, ...]:
    return float(sum(served.values())), float(served["500"]), float(served["404"])
