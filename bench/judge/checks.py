"""What must hold. Limits leave room for chance at 500 runs a scenario, and four times that where they are near."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.judge.cost import Cost
from bench.judge.outcomes import Outcome
from bench.judge.refusals import Finding
from bench.judge.scenarios import (
    BASES,
    FIVE,
    HEALTHY,
    LIMIT,
    MARGIN,
    SLOW,
    SOME,
    TEN,
    THIRTY,
    WITHIN,
    Noise,
    Split,
)
from bench.judge.traffic import SECONDS

QUIET = (HEALTHY, SOME, WITHIN, Noise.DIURNAL, Noise.INCIDENT, Noise.CLUSTER, Noise.LOST, Noise.NODE)
WORST = {Noise.DRIFT: 0.05, Noise.BURSTS: 0.06, Noise.COLD: 0.08, Noise.BLIP20: 0.03}
NEAR = (*WORST, TEN)  # limits near the truth
RATIOS = {  # of medians, as a geometric mean at 10 rps and more: limits against flagger and kayenta
    (THIRTY,): (0.17, 0.20),
    (FIVE, TEN): (0.33, 0.45),
    (SLOW,): (0.40, 0.50),
}
ENOUGH = 200  # runs of a scenario
BUSY = 10.0  # requests per second from which speed is compared


@dataclass(frozen=True, slots=True)
class Check:
    """A figure and its limit."""

    what: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        """A figure that could not be had holds nothing."""
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{'ok  ' if self.holds else 'FAIL'} {self.what}: {self.value:.4g}, at most {self.limit:g}"


def check(outcomes: Sequence[Outcome]) -> list[Check]:
    """Every check whose scenarios were simulated; rare events only where there are runs enough to tell."""
    enough = [one for one in outcomes if len(one.runs) >= ENOUGH]
    return [
        *_promises(enough),
        *_false_aborts(enough),
        *_speed(outcomes),
        *_against_peers(outcomes),
        *_passing(outcomes),
        Check("runs that the product, stepped row by row, judges otherwise", sum(one.differing for one in outcomes), 0),
    ]


def check_refusals(findings: Sequence[Finding]) -> list[Check]:
    """Who is told of for refusing like the other side, and who is not for refusing otherwise."""
    calm = [one for one in findings if not one.scenario.is_bad]
    checks = [
        Check("told of a version that refuses like the other, worst scenario", max(one.share for one in calm), 0.03),
        Check("the same, mean", float(np.mean([one.share for one in calm])), 0.01),
    ]
    everything = [one for one in findings if one.scenario.name.startswith("404 to everything")]
    return checks + [
        Check(f"median seconds, {one.scenario.name}, {one.scenario.rps:g} rps", one.median, 75) for one in everything
    ]


def check_cost(measured: Cost) -> list[Check]:
    """Of a look at its dearest, and whether a state that was stored judges alike."""
    return [
        Check("milliseconds of CPU a look, three bursty metrics", measured.total, 0.5),
        Check("bytes of state in two hours", measured.largest, 4096),
        Check("answers that differ after saving and loading", measured.differing, 0),
    ]


def _promises(outcomes: Sequence[Outcome]) -> Iterator[Check]:
    for one in _of(outcomes, LIMIT):
        yield Check(f"aborted {one.scenario.name}", one.aborts(), 0.05)
    for one in _of(outcomes, MARGIN):
        yield Check(f"passed {one.scenario.name}", one.ever_passed, 0.05)


def _false_aborts(outcomes: Sequence[Outcome]) -> Iterator[Check]:
    quiet = [one for group in QUIET for one in _of(outcomes, group)]
    if quiet:
        yield Check("false aborts, worst of the quiet scenarios", max(one.aborts() for one in quiet), 0.015)
        yield Check("false aborts, mean of the quiet scenarios", float(np.mean([one.aborts() for one in quiet])), 0.004)
    for noise, limit in WORST.items():
        if found := list(_of(outcomes, noise)):
            yield Check(f"false aborts, worst of {noise}", max(one.aborts() for one in found), limit)


def _speed(outcomes: Sequence[Outcome]) -> Iterator[Check]:
    for one in outcomes:
        scenario = one.scenario
        if not one.is_bad or scenario.noise is not Noise.PLAIN:
            continue
        if scenario.group == THIRTY:
            yield Check(f"missed {scenario.name}", one.missed, 0.0)
        if (limit := _slowest(one)) is not None:
            yield Check(f"median seconds, {scenario.name}", one.detection(0.5), limit)
        if scenario.group == THIRTY and not scenario.onset and scenario.rps >= BUSY:
            yield Check(f"p90 seconds, {scenario.name}", one.detection(0.9), 90)


def _slowest(one: Outcome) -> float | None:
    """The median allowed, in seconds."""
    scenario = one.scenario
    few = scenario.rps < BUSY
    many = scenario.rps > BUSY
    if scenario.onset:
        return {THIRTY: 90.0, TEN: 195.0}.get(scenario.group)
    if scenario.group == THIRTY:
        return 120.0 if few else 60.0
    if few or scenario.split is not Split.TWENTY:
        return None
    allowed = {(FIVE, 0.01): (210.0, 75.0), (TEN, 0.001): (390.0, 105.0), (SLOW, 0.001): (135.0, 120.0)}
    limits = allowed.get((scenario.group, scenario.base))
    return limits[many] if limits else None


def _against_peers(outcomes: Sequence[Outcome]) -> Iterator[Check]:
    for groups, limits in RATIOS.items():
        found = [
            one
            for one in outcomes
            if one.is_bad and one.scenario.group in groups and one.scenario.rps >= BUSY
            if one.scenario.noise is Noise.PLAIN and not one.scenario.onset
        ]
        for peer, limit in zip(("flagger", "kayenta"), limits, strict=True):
            if found:
                logs = [math.log(_median(one) / _median(one, peer)) for one in found]
                yield Check(f"median beside {peer}'s, {' and '.join(groups)}", math.exp(np.mean(logs)), limit)


def _median(one: Outcome, judge: str = "ours") -> float:
    """Never counts as the end of the half hour."""
    return min(one.detection(0.5, judge), SECONDS)


def _passing(outcomes: Sequence[Outcome]) -> Iterator[Check]:
    for one in _of(outcomes, HEALTHY):
        scenario = one.scenario
        if scenario.split is Split.TWENTY and scenario.base == BASES[0]:
            limit = 165.0 if scenario.rps > BUSY else 510.0
            yield Check(f"median seconds to pass, {scenario.name}", one.passing(), limit)
    for one in outcomes:
        if one.is_bad and one.scenario.onset:
            yield Check(f"passed while bad, {one.scenario.name}", one.passed_while_bad, 0.10)


def _of(outcomes: Sequence[Outcome], group: str) -> Iterator[Outcome]:
    return (one for one in outcomes if one.scenario.group == group)
