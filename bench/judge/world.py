"""Simulated traffic that goes where it is sent: requests, errors and latencies in steps of 5 s, for many runs at once.

The same world as ``traffic``'s, but who answers a request is decided step by step, so that what a judge says can move
users. Slow noise and pod bursts are per pod, of which the primary has four and the canary one; wander is per version.
Histograms have eight bounds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.judge import traffic
from bench.judge.scenarios import Noise, Scenario
from bench.judge.traffic import (
    HISTORY_SECONDS,
    HISTORY_STEPS,
    LOST_SHARE,
    MEDIAN_MS,
    OUTAGE_SECONDS,
    PER_SCRAPE,
    SCRAPE,
    SCRAPES,
    SECONDS,
    SIGMA,
    STEP,
    STEPS,
    Floats,
    Rng,
    Side,
    Traffic,
)

Bools = NDArray[np.bool_]
Whole = NDArray[np.int64]

BOUNDS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
REQUESTS, ERRORS, LATENCY = 0, 1, 2  # columns; then requests slower than each of BOUNDS
SLOWER = 3
COLUMNS = SLOWER + len(BOUNDS)
PRIMARY_PODS, CANARY_PODS = 4, 1
TIDE_SECONDS = 2400
PER_POD = frozenset({Noise.DRIFT, Noise.BURSTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is drawn from, by (run, step), and what a scraper will do.

    Attributes:
        requests: of the service.
        buckets: the chance of each bucket of a canary's answer (run, step, bucket).
        history: the primary's hour in rows (run, row, column).
        phases: steps between a version's scrape and the bot's reading (canary and primary, run).
        lost: scrapes that are (canary and primary, run, scrape).
    """

    scenario: Scenario
    requests: Whole
    canary: Floats
    primary: Floats
    slower: Floats
    buckets: Floats
    history: Floats
    phases: Whole
    lost: Bools
    rng: Rng

    @property
    def runs(self) -> int:
        """How many rollouts."""
        return len(self.requests)

    @property
    def copied(self) -> float:
        """The share of the requests that a mirror copies; the others never fail."""
        return self.scenario.copied


def world(scenario: Scenario, runs: int, seeds: Sequence[int]) -> World:
    """So many runs of each seed, one seed after the other; the same for the same arguments."""
    each = [_of_seed(scenario, runs, seed) for seed in seeds]
    rng = np.random.default_rng([*seeds, 3, zlib.crc32(scenario.name.encode())])
    requests, canary, primary, slower, history = (np.concatenate(one) for one in zip(*each, strict=True))
    return World(
        scenario=scenario,
        requests=requests,
        canary=canary,
        primary=primary,
        slower=slower,
        buckets=_buckets(slower),
        history=history,
        phases=rng.integers(0, PER_SCRAPE, (2, len(requests))),
        lost=_lost(scenario, len(requests), rng),
        rng=rng,
    )


def _of_seed(scenario: Scenario, runs: int, seed: int) -> tuple[Whole, Floats, Floats, Floats, Floats]:
    rng = np.random.default_rng([seed, 2, zlib.crc32(scenario.name.encode())])
    tide = _tide(scenario, runs, rng)
    base = np.full((runs, HISTORY_STEPS + STEPS), scenario.base)
    primary = _share(scenario, base, tide, PRIMARY_PODS, rng)
    canary = _share(scenario, traffic.bad_share(scenario, runs), tide[:, -STEPS:], CANARY_PODS, rng)
    slower = np.where(np.arange(STEPS) * STEP >= scenario.onset, scenario.slower, 1.0) * np.ones((runs, 1))
    now = primary[:, HISTORY_STEPS:]
    traffic.disturb(scenario, canary, now, slower, rng)
    requests = rng.poisson(scenario.rps * STEP * tide)
    past, rows = requests[:, :HISTORY_STEPS], (runs, HISTORY_SECONDS // SCRAPE, PER_SCRAPE, COLUMNS)
    answered = _answers(scenario, past, primary[:, :HISTORY_STEPS] * scenario.copied, LIKE_THE_PRIMARY, rng)
    return requests[:, HISTORY_STEPS:], canary, now, slower, answered.reshape(rows).sum(axis=2)


def _tide(scenario: Scenario, runs: int, rng: Rng) -> Floats:
    """Load over history and run, 1 on average; a period of 40 min, half up and down."""
    steps = np.arange(HISTORY_STEPS + STEPS)
    if scenario.noise is not Noise.DIURNAL:
        return np.ones((runs, len(steps)))
    phase = rng.uniform(0, 2 * np.pi, (runs, 1))
    return np.asarray(1 + 0.5 * np.sin(2 * np.pi * steps * STEP / TIDE_SECONDS + phase))


def _share(scenario: Scenario, share: Floats, tide: Floats, pods: int, rng: Rng) -> Floats:
    """Of errors, with the noise of one version by itself: of each pod where it is the pods'."""
    if scenario.noise not in PER_POD:
        return traffic.noisy(scenario, share, tide, pods, rng)
    return np.asarray(np.mean([traffic.noisy(scenario, share, tide, 1, rng) for _ in range(pods)], axis=0))


def _lost(scenario: Scenario, runs: int, rng: Rng) -> Bools:
    """One in seven of each version's scrapes, and both in an outage of two minutes."""
    if scenario.noise is not Noise.LOST:
        return np.zeros((2, runs, SCRAPES), bool)
    began = rng.integers(0, SCRAPES - OUTAGE_SECONDS // SCRAPE, (runs, 1))
    at = np.arange(SCRAPES)
    outage = (at >= began) & (at < began + OUTAGE_SECONDS // SCRAPE)
    return np.asarray(outage | (rng.random((2, runs, SCRAPES)) < LOST_SHARE))


def _buckets(slower: Floats) -> Floats:
    """The chance of each bucket where answers take so many times as long as the primary's."""
    beyond = [1 - traffic.phi(np.log(bound / (MEDIAN_MS * slower)) / SIGMA) for bound in BOUNDS]
    tails = np.stack([np.ones_like(slower), *beyond, np.zeros_like(slower)], axis=-1)
    return np.asarray(-np.diff(tails, axis=-1))


LIKE_THE_PRIMARY = _buckets(np.ones(()))


def _answers(scenario: Scenario, requests: Whole, share: Floats, buckets: Floats, rng: Rng) -> Floats:
    """Counts of any shape, with columns after it; the sum of latencies is left at zero."""
    counts = np.zeros((*requests.shape, COLUMNS))
    counts[..., REQUESTS] = requests
    counts[..., ERRORS] = traffic.errors(scenario, requests.astype(float), share, rng)
    in_buckets = rng.multinomial(requests, buckets)
    counts[..., SLOWER:] = in_buckets[..., :0:-1].cumsum(axis=-1)[..., ::-1]
    return counts


@dataclass(slots=True)
class Served:
    """What was answered so far: running totals (run, step, column), and of users at the canary (run, step).

    ``latency``: whether the sum of latencies is drawn as well, for those who go by a mean.
    """

    canary: Floats
    primary: Floats
    failed: Floats
    latency: bool

    @classmethod
    def nothing(cls, runs: int, *, latency: bool) -> Served:
        """Before the first step."""
        totals = np.zeros((2, runs, STEPS + 1, COLUMNS))
        return cls(totals[0], totals[1], np.zeros((runs, STEPS + 1)), latency)

    def step(self, world: World, at: int, share: Floats) -> None:
        """One step: ``share`` of the users are sent to the canary, by run; NaN: it gets copies, below 0: nothing."""
        requests, mirrored = world.requests[:, at], np.isnan(share)
        there = world.rng.binomial(requests, np.clip(np.nan_to_num(share), 0, 1))
        copies = requests if world.copied >= 1 else world.rng.binomial(requests, world.copied)
        canary = np.where(mirrored, copies, there)
        bad = world.canary[:, at]
        if world.scenario.users_only:
            bad = np.where(mirrored, world.scenario.base, bad)
        theirs = world.primary[:, at] * world.copied
        ours = _answers(world.scenario, canary, bad, world.buckets[:, at], world.rng)
        others = _answers(world.scenario, requests - there, theirs, LIKE_THE_PRIMARY, world.rng)
        if self.latency:
            slower = world.slower[:, at]
            ours[:, LATENCY] = traffic.latency_sum(ours[:, REQUESTS], slower, world.rng)
            others[:, LATENCY] = traffic.latency_sum(others[:, REQUESTS], np.ones(()), world.rng)
        self.canary[:, at + 1] = self.canary[:, at] + ours
        self.primary[:, at + 1] = self.primary[:, at] + others
        excess = np.where(mirrored, 0.0, ours[:, ERRORS] - world.scenario.base * ours[:, REQUESTS])
        self.failed[:, at + 1] = self.failed[:, at] + excess

    def scraped(self, world: World) -> Traffic:
        """The same as those see it that never move it: totals at each scrape, with the columns that peers know."""
        columns = [REQUESTS, ERRORS, LATENCY, *(SLOWER + BOUNDS.index(bound) for bound in traffic.BOUNDS)]
        sides = []
        for totals, phase, lost in zip((self.canary, self.primary), world.phases, world.lost, strict=True):
            at = np.arange(1, SCRAPES + 1) * PER_SCRAPE - phase[:, None]
            found = np.take_along_axis(totals[..., columns], at[..., None], axis=1)
            found[lost] = np.nan
            sides.append(Side(np.concatenate([np.zeros_like(found[:, :1]), found], axis=1)))
        return Traffic(sides[0], sides[1], world.history[..., columns], world.scenario.base)


def last_step(seconds: float) -> int:
    """The step before which what was said at this time has moved traffic: one tick later."""
    return min(int(min(seconds, SECONDS)) // STEP + 1, STEPS) if math.isfinite(seconds) else STEPS
