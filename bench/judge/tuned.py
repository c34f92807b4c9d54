"""A fixed threshold chosen with hindsight for one service and one fault: the best that a simple rule could do.

Of a grid of rules (errors above a limit over a window, so many failed checks, one every 15 s) the one with the soonest
median that aborts at most 1 % of healthy canaries on the same plain traffic. Nobody has it before the fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from bench.judge.peers import above
from bench.judge.scenarios import HEALTHY, Noise, Scenario
from bench.judge.traffic import SECONDS, Floats, Side, simulate

WINDOWS = (1, 4, 8, 20)  # scrapes
TIMES = (1.5, 2.0, 3.0, 5.0, 8.0, 20.0, 100.0)  # the limit, over the service's true share of errors
CHECKS = (1, 2, 3, 4)
MOST_FALSE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The best rule and what it does: medians in seconds, shares of runs.

    Attributes:
        median: None: no rule of the grid was both sound and quick enough.
        in_incident: canaries it aborts when both versions fail together.
    """

    rule: str = ""
    median: float | None = None
    in_incident: float = 0.0


def tune(scenario: Scenario, bad: Side, runs: int, seed: int) -> Tuned:
    """The best rule for a scenario whose canary is bad from the start; ``bad``: what was scraped of it."""
    plain = Scenario(group=HEALTHY, rps=scenario.rps, base=scenario.base, split=scenario.split)
    healthy = simulate(plain, runs, seed).canary
    found = [
        (float(np.quantile(_never(above(bad, *rule)), 0.5, method="higher")), rule)
        for window, times, checks in product(WINDOWS, TIMES, CHECKS)
        if _aborts(healthy, rule := (window, times * scenario.base, checks)) <= MOST_FALSE
    ]
    median, rule = min(found)
    if median > SECONDS:
        return Tuned()
    incident = simulate(replace(plain, group=Noise.INCIDENT, noise=Noise.INCIDENT), runs, seed).canary
    window, limit, checks = rule
    findings = f"over {limit * 100:g} % in {window * 15} s, {checks} check{'s' if checks > 1 else ''}"
    return Tuned(rule=findings, median=median, in_incident=_aborts(incident, rule))


def _aborts(canary: Side, rule: tuple[int, float, int]) -> float:
    return float(np.isfinite(above(canary, *rule)).mean())


def _never(at: Floats) -> Floats:
    return np.where(at <= SECONDS, at, np.inf)
