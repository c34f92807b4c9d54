"""What one reconcile of the judge costs a rollout, at its dearest: three bursty metrics, four stages, two hours.

A reconcile reads the stored state, judges one interval and stores the state again. Every interval is timed; of several
passes over the same intervals the cheapest counts, because other processes only ever add to it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time

from bot.analysis.judge import clients
from bot.analysis.judge.clients import Row
from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.saved import load, save
from bot.analysis.judge.second import compact, single
from bot.analysis.judge.settings import JudgeSettings
from bot.model.figures import CLIENT_CODES, CLIENT_ERRORS, SideFigures
from bot.model.judge_settings import SECOND
from bot.model.service import ClientLimits

STAGES = {"mirror": 1.0, "5": 0.05, "20": 0.2, "50": 0.5}  # the canary's requests over the service's
ROWS = 120  # of each stage: half an hour
SCRAPE, LIMITS = 15.0, ClientLimits()
SINCE = 1_767_225_600.25
REQUESTS = 1200  # of the service in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of CPU of a reconcile's parts, the largest state in bytes, and answers that storing it changed.

    ``clients`` is all that client errors take: load, row and save.
    """

    load: float
    row: float
    save: float
    clients: float
    largest: int
    differing: int

    @property
    def total(self) -> float:
        """All parts."""
        return self.load + self.row + self.save + self.clients


def cost(passes: int = 5) -> Cost:
    """Measured now."""
    settings, rng = JudgeSettings(), random.Random(1)  # figures, not secrets
    begun = start(settings, [_bursty(rng, REQUESTS, every=16) for _ in range(240)])
    intervals = list(_intervals(rng))
    least, largest, differing = [math.inf] * 4, 0, 0
    for _ in range(passes):
        kept, text, spent, differing = begun, save(begun), [0.0] * 4, 0
        others = clients.save(clients.start(settings, []))
        for interval in intervals:
            kept, one = step(kept, interval, settings)
            began = process_time()
            state = load(text)
            loaded = process_time()
            state, two = step(state, interval, settings)
            judged = process_time()
            text = save(state)
            saved = process_time()
            row = Row(seconds=SCRAPE, subject=interval.canary, reference=interval.primary)
            others = clients.save(clients.step(clients.load(others), row, LIMITS, settings))
            parts = (loaded - began, judged - loaded, saved - judged, process_time() - saved)
            spent = [*map(sum, zip(spent, parts, strict=True))]
            largest, differing = max(largest, len((text + others).encode())), differing + (one != two)
        least = min(least, spent, key=sum)
    load_ms, row_ms, save_ms, clients_ms = (1000 * seconds / len(intervals) for seconds in least)
    return Cost(load=load_ms, row=row_ms, save=save_ms, clients=clients_ms, largest=largest, differing=differing)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondCost:
    """Of the second edition: milliseconds of CPU by part, the largest state, and rulings that storing changed.

    ``alone``: a row of the same run where nobody is ever taken home; ``first``: one under the first edition.
    """

    load: float
    row: float
    save: float
    alone: float
    first: float
    largest: int
    differing: int

    @property
    def total(self) -> float:
        """What a reconcile takes."""
        return self.load + self.row + self.save


def cost_second(passes: int = 5) -> SecondCost:
    """Measured now, on the same intervals."""
    settings, rng = SECOND, random.Random(1)  # figures, not secrets
    history = [_bursty(rng, REQUESTS, every=16) for _ in range(240)]
    begun, intervals = single.start(settings, history), list(_intervals(rng))
    least, largest, differing = [math.inf] * 3, 0, 0
    beside = [math.inf] * 2
    for _ in range(passes):
        kept, text, spent, differing = begun, compact.save(begun), [0.0] * 3, 0
        compact.load.cache_clear()  # in production every row's state is a new one
        for interval in intervals:
            users = interval.stage != "mirror"
            kept, one = single.step(kept, interval, settings, users=users)
            began = process_time()
            trace = compact.load(text, settings)
            loaded = process_time()
            trace, two = single.step(trace, interval, settings, users=users)
            judged = process_time()
            text = compact.save(trace)
            parts = (loaded - began, judged - loaded, process_time() - judged)
            spent = [*map(sum, zip(spent, parts, strict=True))]
            largest = max(largest, len(text.encode()))
            differing += (one.outcome, one.log_e, one.shield) != (two.outcome, two.log_e, two.shield)
        least = min(least, spent, key=sum)
        beside = [*map(min, beside, (_alone(begun, intervals), _first(history, intervals)))]
    load_ms, row_ms, save_ms, alone_ms, first_ms = (1000 * seconds / len(intervals) for seconds in (*least, *beside))
    return SecondCost(
        load=load_ms,
        row=row_ms,
        save=save_ms,
        alone=alone_ms,
        first=first_ms,
        largest=largest,
        differing=differing,
    )


def _alone(begun: single.Trace, intervals: Sequence[Interval]) -> float:
    """Seconds of all rows in a rollout that takes nobody home."""
    began = process_time()
    for interval in intervals:
        begun, _ = single.step(begun, interval, SECOND, users=interval.stage != "mirror", alone=True)
    return process_time() - began


def _first(history: Sequence[SideFigures], intervals: Sequence[Interval]) -> float:
    """Seconds of all rows under the first edition."""
    settings = JudgeSettings()
    state = start(settings, history)
    began = process_time()
    for interval in intervals:
        state, _ = step(state, interval, settings)
    return process_time() - began


def _intervals(rng: random.Random) -> Iterator[Interval]:
    """Bursts on either side, and a scrape in twenty lost; always short of an abort, which would end the work."""
    t = SINCE
    for stage, share in STAGES.items():
        for _ in range(ROWS):
            t += rng.uniform(14.9, 15.1)
            canary = _bursty(rng, REQUESTS * share, every=24)
            primary = _bursty(rng, REQUESTS * (1 - share % 1), every=8)
            lost = rng.random()
            yield Interval(
                t=round(t, 3),
                stage=stage,
                canary=canary if lost > 0.05 else None,  # noqa: PLR2004
                primary=primary if lost < 0.95 else None,  # noqa: PLR2004
            )


def _bursty(rng: random.Random, requests: float, *, every: int) -> SideFigures:
    """About so many requests; one row in ``every`` has many bad ones, each kind at its own time."""
    n = round(rng.gauss(requests, math.sqrt(requests)))

    def bad(usually: float) -> int:
        share = usually * (rng.uniform(5, 20) if rng.random() < 1 / every else 1)
        return min(n, max(0, round(rng.gauss(n * share, math.sqrt(n * share)))))

    slowest = bad(0.001)
    slower = max(slowest, bad(0.008))
    slow = max(slower, bad(0.03))
    buckets = {50.0: n * 0.4, 100.0: n - slow, 250.0: n - slower, 500.0: n - slowest, math.inf: n}
    refused = {code: float(bad(0.002)) for code in CLIENT_CODES}
    return SideFigures(
        requests=n, errors=bad(0.002), buckets=buckets, client_errors={CLIENT_ERRORS: sum(refused.values()), **refused}
    )
