"""A row after one that told nothing of a side: it holds what was answered in it, and nothing of what came before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.controller import observe
from bot.controller.timers import caught_up, moved
from bot.model.figures import AnalysisState, Figures
from bot.model.rollout import Rollout
from bot.model.service import MetricsSource
from sandbox.figures import Figures as Prometheus
from sandbox.figures import Mood
from sandbox.traffic import Traffic
from tests.contract.examples import rollout, target
from tests.fakes.clock import FakeClock

INTERVAL, RATE = 5.0, 40.0  # seconds from scrape to scrape, and requests a second of each side
PRIMARY, CANARY = target().primary_deployment, target().canary_deployment


class World:
    """Both sides answer, all the time and alike, and a Prometheus tells what it scraped of them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        traffic = Traffic(self.clock.now)
        self.prometheus = Prometheus(traffic, canaries=frozenset({CANARY}), every=INTERVAL)
        traffic.now(rates={PRIMARY: RATE, CANARY: RATE})
        self.clock.advance(10 * INTERVAL)
        before = rollout()
        self.rollout = replace(
            before,
            spec=replace(before.spec, metrics=MetricsSource(scrape_interval=INTERVAL)),
            analysis_state=AnalysisState(until=self.clock.now() - INTERVAL),
        )

    def served(self, row: Figures) -> tuple[float, float]:
        """What both sides were seen to answer between a row's start and its end."""
        scraped = self.prometheus.scraped
        primary, canary = (scraped.served(one, row.end)[0] - scraped.served(one, row.start)[0] for one in SIDES)
        return primary, canary


SIDES = (PRIMARY, CANARY)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def metrics(world: World) -> Iterator[PrometheusMetrics]:
    with world.prometheus:
        metrics = PrometheusMetrics(PrometheusConnection(world.prometheus.url), stopwatch=world.clock.now)
        yield metrics
        metrics.close()


def read(world: World, metrics: PrometheusMetrics, ahead: float = 0.0) -> Figures:
    """The next row, kept; ``ahead``: seconds by which the clock of whoever reads is."""
    world.clock.advance(2 * INTERVAL)
    row = observe.read([world.rollout], metrics, world.clock.now() + ahead)[world.rollout.spec.id]
    assert isinstance(row, Figures)
    state = AnalysisState(until=row.end, watermarks=row.watermarks)
    world.rollout = replace(world.rollout, analysis_state=state)
    return row


def counted(row: Figures) -> tuple[float | None, float | None]:
    primary, canary = (None if side is None else side.requests for side in (row.primary, row.canary))
    return primary, canary


@pytest.mark.parametrize("before", [0, 2])
def test_counters_that_were_not_there_for_a_row_and_are_back(
    world: World, metrics: PrometheusMetrics, before: int
) -> None:
    """As of a balancer whose other Prometheus lacks the canary's series."""
    for _ in range(before):
        read(world, metrics)
    world.prometheus.mood = Mood.HALF
    assert read(world, metrics).canary is None

    world.prometheus.mood = Mood.WELL
    row = read(world, metrics)
    assert counted(row) == world.served(row)


def test_a_window_that_ended_long_after_the_newest_scrape(world: World, metrics: PrometheusMetrics) -> None:
    read(world, metrics)
    ahead = read(world, metrics, ahead=120.0)
    assert counted(ahead) == (None, None)

    world.clock.advance(120.0)
    row = read(world, metrics)
    assert row.start == ahead.end
    assert counted(row) == world.served(row)


@pytest.mark.parametrize("seconds", [20.0, 90.0])
def test_the_clock_was_set_and_is_right_again(world: World, metrics: PrometheusMetrics, seconds: float) -> None:
    read(world, metrics)
    world.rollout = moved(world.rollout, seconds, world.clock.now() + seconds)
    world.clock.advance(4 * INTERVAL)
    world.rollout = set_right(world.rollout, world.clock.now())

    row = read(world, metrics)
    assert counted(row) == world.served(row)


def set_right(ahead: Rollout, now: float) -> Rollout:
    """As by a leader that was never told that the clock was ahead."""
    return caught_up(ahead, now)
