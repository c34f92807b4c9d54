"""The product's own judge, run over simulated scrapes row by row as the bot would."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bench.judge.scenarios import Scenario
from bench.judge.traffic import BOUNDS, ERRORS, LATENCY, REQUESTS, SCRAPE, SCRAPES, Floats, Side, Traffic
from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.verdict import Decision
from bot.model.figures import SideFigures

NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One rollout as judged: when it was aborted, by which metric, and when each stage first passed, in seconds."""

    aborted: float = NEVER
    by: str = ""
    passed: dict[str, float] = field(default_factory=dict)


def judge(scenario: Scenario, traffic: Traffic, settings: JudgeSettings) -> list[Run]:
    """Every run of a scenario."""
    canary, primary = increments(traffic.canary), increments(traffic.primary)
    return [
        _run(scenario, past, one, two, settings)
        for past, one, two in zip(traffic.history, canary, primary, strict=True)
    ]


def _run(scenario: Scenario, past: Floats, canary: Floats, primary: Floats, settings: JudgeSettings) -> Run:
    state = start(settings, [figures(row) for row in past.tolist()])
    passed: dict[str, float] = {}
    limited = scenario.copied < 1
    rows = zip(canary.tolist(), primary.tolist(), strict=True)
    for number, (one, two) in enumerate(rows, 1):
        t = number * SCRAPE
        stage = next(name for name, end, _ in scenario.stages if t <= end)
        interval = Interval(t=float(t), stage=stage, canary=_read(one), primary=_read(two), limited=limited)
        state, assessment = step(state, interval, settings)
        if assessment.verdict is Decision.ABORT:
            return Run(aborted=t, by=state.aborted_by, passed=passed)
        if assessment.verdict is Decision.PASS:
            passed.setdefault(stage, t)
    return Run(passed=passed)


def increments(side: Side) -> Floats:
    """Between scrapes that were not lost; NaN at lost ones, and the longer increment after them."""
    known = side.scraped.copy()
    for scrape in range(1, SCRAPES + 1):
        known[:, scrape] = np.where(np.isnan(known[:, scrape]), known[:, scrape - 1], known[:, scrape])
    return np.where(np.isnan(side.scraped[:, 1:]), np.nan, np.diff(known, axis=1))


def _read(row: list[float]) -> SideFigures | None:
    return None if math.isnan(row[REQUESTS]) else figures(row)


def figures(row: list[float]) -> SideFigures:
    """A row of columns as the judge reads it."""
    requests = row[REQUESTS]
    buckets = {bound: requests - row[LATENCY + 1 + place] for place, bound in enumerate(BOUNDS)}
    return SideFigures(requests=requests, errors=row[ERRORS], buckets={**buckets, math.inf: requests})
