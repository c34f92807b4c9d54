"""Client errors by simulation: how often a canary that refuses like its primary is told of, and how soon another is.

Half an hour in rows of 15 s; each version is scraped at its own moment, so a crawler that comes to both shows on one
first. Callers get 401, 403, 404 and 429 in fixed proportions, and crawlers 404.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np

from bench.judge.traffic import SCRAPE, STEP, STEPS, Floats, Rng
from bot.analysis.judge.clients import Row, load, save, start, step
from bot.analysis.judge.settings import JudgeSettings
from bot.model.figures import CLIENT_ERRORS, SideFigures
from bot.model.service import ClientLimits

PROPORTIONS = {"401": 0.2, "403": 0.1, "404": 0.6, "429": 0.1}
PER_SCRAPE = SCRAPE // STEP
HISTORY_ROWS = 240
CRAWLER_SHARE, CRAWLER_SECONDS, CRAWLER_EVERY = 0.5, 60, 300
LIMITS = ClientLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """One row of the table.

    Attributes:
        base: the share of client errors that callers get anyhow.
        split: the canary's share of the requests; None: it gets copies.
        copied: the share of the requests that is copied; the others get no client error.
        times: by code, how many times as often the canary answers it.
        share: by code, or the share it answers it with.
        crawler: whether one comes now and then, to both versions.
        cold: seconds from the start in which the canary refuses a fifth with 401.
        onset: seconds from which on ``times`` and ``share`` hold.
    """

    name: str
    rps: float
    base: float = 0.02
    split: float | None = None
    copied: float = 1.0
    times: dict[str, float] = field(default_factory=dict)
    share: dict[str, float] = field(default_factory=dict)
    crawler: bool = False
    cold: int = 0
    onset: int = 0

    @property
    def is_bad(self) -> bool:
        """Whether it ought to be told."""
        return bool(self.times or self.share) and not self.name.startswith("within")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of so many runs: when each was first told (infinite: never), in seconds, and how often it came back."""

    scenario: Refusals
    first: tuple[float, ...]
    flaps: float

    @property
    def share(self) -> float:
        """Of runs in which it was ever told."""
        return sum(math.isfinite(one) for one in self.first) / len(self.first)

    @property
    def median(self) -> float:
        """Seconds to the first word."""
        return median(self.first)


def scenarios() -> Iterator[Refusals]:
    """Canaries like their primaries first, then those that are not."""
    for rps in (1, 10, 100):
        for split in (None, 0.2, 0.05):
            yield Refusals(name="like its primary", rps=rps, split=split)
    yield Refusals(name="like its primary, a fifth refused", rps=100, base=0.2, split=0.2)
    yield Refusals(name="like its primary, hardly any", rps=100, base=0.0005, split=0.2)
    yield Refusals(name="like its primary, 30 % not copied", rps=100, copied=0.7)
    for rps in (10, 100):
        yield Refusals(name="crawlers", rps=rps, split=0.2, crawler=True)
        yield Refusals(name="crawlers, mirror", rps=rps, crawler=True)
    yield Refusals(name="cold for 20 s", rps=100, split=0.2, cold=20)
    for code, part in PROPORTIONS.items():
        allowed = {code: LIMITS.tolerance + LIMITS.slack / (0.02 * part)}
        yield Refusals(name=f"within, {code} just at its limit", rps=100, times=allowed)
    for rps in (1, 10, 100):
        yield Refusals(name="404 to everything, mirror", rps=rps, share={"404": 1.0})
        yield Refusals(name="404 to everything, 20 %", rps=rps, split=0.2, share={"404": 1.0})
        yield Refusals(name="401 to 5 %", rps=rps, split=0.2, share={"401": 0.05})
    yield Refusals(name="401 to nobody any more (0.4 %)", rps=100, split=0.2, times={"401": 0.0})
    yield Refusals(name="403 three times (0.2 %)", rps=100, times={"403": 3.0})
    yield Refusals(name="404 to 20 % from minute 15", rps=100, split=0.2, share={"404": 0.2}, onset=900)
    yield Refusals(name="404 to 20 % under crawlers", rps=100, split=0.2, share={"404": 0.2}, crawler=True)


def work_out(scenario: Refusals, runs: int, seed: int) -> Finding:
    """So many half hours."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(scenario).encode())])
    settings, first, flaps = JudgeSettings(), [], 0
    for _ in range(runs):
        findings = _run(scenario, rng, settings)
        first.append(next((SCRAPE * number for number, won in enumerate(findings, 1) if won), math.inf))
        flaps += sum(after and not before for before, after in pairwise(findings))
    return Finding(scenario=scenario, first=tuple(first), flaps=flaps / runs)


def _run(scenario: Refusals, rng: Rng, settings: JudgeSettings) -> list[bool]:
    """After each row, whether anything is told."""
    crawling = _crawling(scenario, HISTORY_ROWS * PER_SCRAPE + STEPS, rng)
    past = _rows(_counts(scenario, rng, scenario.rps, crawling[:-STEPS], bad=False, others=True), 0)
    state = start(settings, past)
    canary_rps = scenario.rps * (scenario.copied if scenario.split is None else scenario.split)
    primary_rps = scenario.rps * (1 - (scenario.split or 0.0))
    phases = rng.integers(0, PER_SCRAPE, 2)
    canary = _rows(_counts(scenario, rng, canary_rps, crawling[-STEPS:], bad=True), int(phases[0]))
    primary = _rows(_counts(scenario, rng, primary_rps, crawling[-STEPS:], bad=False, others=True), int(phases[1]))
    findings = []
    for number, (one, two) in enumerate(zip(canary, primary, strict=True)):
        row = Row(seconds=SCRAPE, subject=one, reference=two, first=number == 0, limited=scenario.copied < 1)
        state = load(save(step(state, row, LIMITS, settings)))
        findings.append(bool(state.won))
    return findings


def _crawling(scenario: Refusals, steps: int, rng: Rng) -> Floats:
    """The crawlers' share of the requests by step, the same on both sides."""
    began = rng.random(steps) < (STEP / CRAWLER_EVERY if scenario.crawler else 0.0)
    lasting = CRAWLER_SECONDS // STEP
    busy = np.convolve(began, np.ones(lasting))[:steps] > 0
    return np.where(busy, CRAWLER_SHARE, 0.0)


def _counts(scenario: Refusals, rng: Rng, rps: float, crawling: Floats, *, bad: bool, others: bool = False) -> Floats:
    """By step: requests, then each code's answers. Copies are drawn for themselves: that is the harder case."""
    at = np.arange(len(crawling)) * STEP
    requests = rng.poisson(rps * STEP, len(crawling))
    asked = rng.binomial(requests, scenario.copied) if others else requests
    shares = np.array([[scenario.base * part] for part in PROPORTIONS.values()]) * np.ones(len(crawling))
    if bad:
        for place, code in enumerate(PROPORTIONS):
            worse = scenario.share.get(code, shares[place] * scenario.times.get(code, 1.0))
            shares[place] = np.where(at >= scenario.onset, worse, shares[place])
        shares[0] = np.where(at < scenario.cold, 0.2, shares[0])
    shares *= 1 - crawling
    shares[list(PROPORTIONS).index("404")] += crawling
    left, rest = asked, np.ones(len(crawling))
    counted = [requests]
    for share in shares:
        drawn = rng.binomial(left, np.clip(share / np.maximum(rest, 1e-12), 0, 1))
        counted.append(drawn)
        left, rest = left - drawn, rest - share
    return np.stack(counted, axis=-1).astype(float)


def _rows(counts: Floats, phase: int) -> list[SideFigures]:
    """As scraped ``phase`` steps before each 15 s; the first row is that much shorter."""
    totals = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    ends = np.arange(1, len(counts) // PER_SCRAPE + 1) * PER_SCRAPE - phase
    rows = np.diff(np.concatenate([np.zeros((1, counts.shape[1])), totals[ends]]), axis=0)
    return [_side(row) for row in rows.tolist()]


def _side(row: list[float]) -> SideFigures:
    requests, *codes = row
    found = dict(zip(PROPORTIONS, codes, strict=True))
    return SideFigures(requests=requests, errors=0, client_errors={CLIENT_ERRORS: sum(codes), **found})
