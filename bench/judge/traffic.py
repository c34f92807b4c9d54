"""Simulated traffic of many runs at once: requests, errors and latencies in steps of 5 s, and what a scraper sees.

Latency is log-normal with a median of 80 ms and a 99th percentile of 323 ms. Versions are scraped every 15 s, each at
its own moment, so that what hits both shows on one of them first. The primary has an hour of history.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bench.judge.scenarios import Noise, Scenario

Floats = NDArray[np.float64]
Rng = np.random.Generator

STEP = 5  # seconds
SCRAPE = 15
SECONDS = 1800
HISTORY_SECONDS = 3600
STEPS, HISTORY_STEPS = SECONDS // STEP, HISTORY_SECONDS // STEP
PER_SCRAPE = SCRAPE // STEP
SCRAPES = SECONDS // SCRAPE

MEDIAN_MS, SIGMA = 80.0, math.log(323 / 80) / 2.326
BOUNDS = (100.0, 250.0, 500.0)
REQUESTS, ERRORS, LATENCY = 0, 1, 2  # columns; then requests slower than each of BOUNDS
COLUMNS = 3 + len(BOUNDS)

PODS = 10
BURST_SHARE, BURST_SECONDS, BURST_EVERY = 0.35, 35, 2100
CLUSTER_SIZE = 6
DRIFT_SD, DRIFT_SECONDS = 0.8, {Noise.DRIFT: 60, Noise.WANDER: 300}
INCIDENT_SHARE, INCIDENT_SECONDS = 0.15, 240
BLIP_SHARE = 0.3
BLIP_SECONDS = {Noise.BLIP20: 20, Noise.BLIP45: 45, Noise.BLIP60: 60, Noise.BLIP90: 90}
LOST_SHARE, OUTAGE_SECONDS = 0.15, 120


@dataclass(frozen=True, slots=True)
class Side:
    """One version as scraped: running totals (run, scrape, column), NaN where a scrape was lost; the first is zero."""

    scraped: Floats


@dataclass(frozen=True, slots=True)
class Traffic:
    """Both versions, the primary's hour before in rows of 15 s (run, row, column), and its true share of errors."""

    canary: Side
    primary: Side
    history: Floats
    base: float

    def of(self, runs: slice) -> Traffic:
        """Some of the runs."""
        canary, primary = Side(self.canary.scraped[runs]), Side(self.primary.scraped[runs])
        return Traffic(canary, primary, self.history[runs], self.base)


@dataclass(frozen=True, slots=True)
class _Load:
    """What is drawn from: requests expected, share of errors and latency factor, each (run, step)."""

    requests: Floats
    share: Floats
    slower: Floats


def simulate(scenario: Scenario, runs: int, seed: int) -> Traffic:
    """The same for the same scenario, number of runs and seed."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.name.encode())])
    tide = _tide(scenario, runs, rng)
    share_c, share_p = _split(scenario)
    primary_share = noisy(scenario, np.full((runs, HISTORY_STEPS + STEPS), scenario.base), tide, PODS, rng)
    canary_share = noisy(scenario, bad_share(scenario, runs), tide[:, -STEPS:], _canary_pods(scenario), rng)
    history_share, primary_share = primary_share[:, :HISTORY_STEPS], primary_share[:, HISTORY_STEPS:]
    slower = np.where(np.arange(STEPS) * STEP >= scenario.onset, scenario.slower, 1.0) * np.ones((runs, 1))
    disturb(scenario, canary_share, primary_share, slower, rng)

    ones = np.ones((runs, 1))
    per_step = scenario.rps * STEP * tide * scenario.copied
    past = _draw(scenario, _Load(per_step[:, :HISTORY_STEPS], history_share, ones), None, rng)
    primary = _draw(scenario, _Load(per_step[:, -STEPS:] * share_p, primary_share, ones), None, rng)
    copies = np.where(np.isnan(share_c), primary[..., REQUESTS], np.nan)  # a mirrored request reaches both
    if scenario.copied < 1:  # and the others are answered by the primary alone, as fast, and none of them fails
        others = scenario.rps * STEP * tide * (1 - scenario.copied)
        rest = _draw(scenario, _Load(others, np.zeros_like(others), ones), None, rng)
        past, primary = past + rest[:, :HISTORY_STEPS], primary + rest[:, HISTORY_STEPS:]
    load = _Load(per_step[:, -STEPS:] * np.nan_to_num(share_c), canary_share, slower)
    canary = _draw(scenario, load, copies, rng)
    rows = past.reshape(runs, HISTORY_STEPS // PER_SCRAPE, PER_SCRAPE, COLUMNS).sum(axis=2)
    lost = _lost(scenario, runs, rng)
    return Traffic(_scraped(canary, lost, rng), _scraped(primary, lost, rng), rows, scenario.base)


def _split(scenario: Scenario) -> tuple[Floats, Floats]:
    """Both versions' share of the requests by step; NaN: the canary gets copies of the primary's."""
    canary = np.empty(STEPS)
    began = 0
    for _, end, share in scenario.stages:
        canary[began // STEP : end // STEP] = np.nan if share is None else share
        began = end
    return canary, 1 - np.nan_to_num(canary)


def bad_share(scenario: Scenario, runs: int) -> Floats:
    """The canary's share of errors by step, as bad as it is from its onset on."""
    bad = scenario.share if scenario.share is not None else scenario.base * scenario.times + scenario.points
    return np.where(np.arange(STEPS) * STEP >= scenario.onset, bad, scenario.base) * np.ones((runs, 1))


def _canary_pods(scenario: Scenario) -> int:
    share = max(share or 0.2 for _, _, share in scenario.stages)
    return max(1, round(PODS * share))


def _tide(scenario: Scenario, runs: int, rng: Rng) -> Floats:
    """Load over history and run, 1 on average."""
    steps = np.arange(HISTORY_STEPS + STEPS)
    if scenario.noise is not Noise.DIURNAL:
        return np.ones((runs, len(steps)))
    phase = rng.uniform(0, 2 * np.pi, (runs, 1))
    return np.asarray(1 + 0.5 * np.sin(2 * np.pi * steps * STEP / SECONDS + phase))


def noisy(scenario: Scenario, share: Floats, tide: Floats, pods: int, rng: Rng) -> Floats:
    """Noise of one version by itself (and the tide, which both have in common)."""
    runs, steps = share.shape
    if scenario.noise is Noise.DIURNAL:
        return share * tide
    if (seconds := DRIFT_SECONDS.get(scenario.noise)) is not None:
        return np.minimum(share * np.exp(DRIFT_SD * _wander(runs, steps, seconds, rng) - DRIFT_SD**2 / 2), 1.0)
    if scenario.noise is Noise.BURSTS:
        started = rng.binomial(pods, STEP / BURST_EVERY, (runs, steps))
        lasting = BURST_SECONDS // STEP
        bursting = sum(np.pad(started, ((0, 0), (ago, 0)))[:, :steps] for ago in range(lasting))
        return np.minimum(share + BURST_SHARE * np.minimum(bursting / pods, 1.0), 1.0)
    return share


def _wander(runs: int, steps: int, seconds: float, rng: Rng) -> Floats:
    """A stationary walk around zero that forgets in so many seconds; unit variance."""
    keep = math.exp(-STEP / seconds)
    shocks = rng.normal(size=(runs, steps)) * math.sqrt(1 - keep**2)
    path = np.empty((runs, steps))
    path[:, 0] = rng.normal(size=runs)
    for step in range(1, steps):
        path[:, step] = keep * path[:, step - 1] + shocks[:, step]
    return path


def disturb(scenario: Scenario, canary: Floats, primary: Floats, slower: Floats, rng: Rng) -> None:
    """Events, written into both versions' shares and the canary's latency."""
    runs = len(canary)
    match scenario.noise:
        case Noise.INCIDENT:
            for run, began in enumerate(rng.integers(300 // STEP, 1200 // STEP, runs)):
                during = slice(began, began + INCIDENT_SECONDS // STEP)
                canary[run, during] = np.maximum(canary[run, during], INCIDENT_SHARE)
                primary[run, during] = np.maximum(primary[run, during], INCIDENT_SHARE)
        case Noise.BLIP20 | Noise.BLIP45 | Noise.BLIP60 | Noise.BLIP90:
            lasting = BLIP_SECONDS[scenario.noise] // STEP
            for run, began in enumerate(rng.integers(300 // STEP, 1500 // STEP, runs)):
                canary[run, began : began + lasting] = BLIP_SHARE
        case Noise.SLOW45:
            for run, began in enumerate(rng.integers(300 // STEP, 1500 // STEP, runs)):
                slower[run, began : began + 45 // STEP] *= 3
        case Noise.COLD:
            slower[:, : 60 // STEP] *= 3
            canary[:, : 20 // STEP] += 0.02
        case Noise.NODE:
            slower *= rng.uniform(1.0, 1.1, (runs, 1))
        case _:
            pass


def _draw(scenario: Scenario, load: _Load, copies: Floats | None, rng: Rng) -> Floats:
    """Counts by step: (run, step, column)."""
    drawn = rng.poisson(load.requests).astype(float)
    requests = drawn if copies is None else np.where(np.isnan(copies), drawn, copies)
    counts = np.empty((*requests.shape, COLUMNS))
    counts[..., REQUESTS] = requests
    counts[..., ERRORS] = errors(scenario, requests, load.share, rng)
    counts[..., LATENCY] = latency_sum(requests, load.slower, rng)
    slower_than, chance = requests, np.ones(())
    for place, bound in enumerate(BOUNDS):
        tail = 1 - phi(np.log(bound / (MEDIAN_MS * load.slower)) / SIGMA)
        slower_than = rng.binomial(slower_than.astype(int), np.minimum(tail / chance, 1.0)).astype(float)
        counts[..., LATENCY + 1 + place] = slower_than
        chance = tail
    return counts


def errors(scenario: Scenario, requests: Floats, share: Floats, rng: Rng) -> Floats:
    """Drawn one by one, or in clusters."""
    if scenario.noise is not Noise.CLUSTER:
        return rng.binomial(requests.astype(int), share).astype(float)
    clusters = rng.poisson(requests * share / CLUSTER_SIZE)
    more = rng.negative_binomial(np.maximum(clusters, 1), 1 / CLUSTER_SIZE)  # beyond the first of each
    return np.minimum(np.where(clusters > 0, clusters + more, 0), requests)


def latency_sum(requests: Floats, slower: Floats, rng: Rng) -> Floats:
    """Milliseconds of all requests together: a log-normal with the sum's mean and variance."""
    n = np.maximum(requests, 1.0)
    spread = np.log1p((math.exp(SIGMA**2) - 1) / n)
    mean = n * MEDIAN_MS * math.exp(SIGMA**2 / 2) * slower
    total = mean * np.exp(np.sqrt(spread) * rng.normal(size=requests.shape) - spread / 2)
    return np.where(requests > 0, total, 0.0)


def phi(values: Floats) -> Floats:
    """The normal distribution function, elementwise."""
    unique, where = np.unique(values, return_inverse=True)
    return np.array([NormalDist().cdf(value) for value in unique])[where].reshape(values.shape)


def _lost(scenario: Scenario, runs: int, rng: Rng) -> NDArray[np.bool_]:
    """Scrapes of both versions that an outage swallows."""
    if scenario.noise is not Noise.LOST:
        return np.zeros((runs, SCRAPES), bool)
    began = rng.integers(0, SCRAPES - OUTAGE_SECONDS // SCRAPE, (runs, 1))
    at = np.arange(SCRAPES)
    return np.asarray((at >= began) & (at < began + OUTAGE_SECONDS // SCRAPE))


def _scraped(counts: Floats, outage: NDArray[np.bool_], rng: Rng) -> Side:
    """Running totals as they were when this version was last scraped before each 15 s."""
    runs = len(counts)
    totals = np.concatenate([np.zeros((runs, 1, COLUMNS)), np.cumsum(counts, axis=1)], axis=1)
    phase = rng.integers(0, PER_SCRAPE, (runs, 1))  # steps between this version's scrape and our look
    at = np.arange(1, SCRAPES + 1) * PER_SCRAPE - phase
    scraped = np.take_along_axis(totals, at[..., None], axis=1)
    lost = outage | ((rng.random((runs, SCRAPES)) < LOST_SHARE) & outage.any())
    scraped[lost] = np.nan
    return Side(np.concatenate([np.zeros((runs, 1, COLUMNS)), scraped], axis=1))
