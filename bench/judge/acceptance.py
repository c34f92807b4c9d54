"""What is simulated of the second edition, and what must hold of it: figures and limits of its specification.

A figure is of one scenario or of all of a group. Limits leave room for chance at 200 runs a scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from bench.judge.checks import Check
from bench.judge.cost import SecondCost
from bench.judge.scenarios import (
    BASES,
    FIVE,
    HEALTHY,
    LIMIT,
    MARGIN,
    RATES,
    SLIGHTLY_SLOW,
    SLOW,
    SOME,
    TEN,
    THIRTY,
    TWO,
    WITHIN,
    Noise,
    Scenario,
    Split,
)
from bench.judge.second import Beside, Loop

SEEDS = (71993, 80621, 94307)  # written down before any of them was run
LATE, USERS = "late", "for users only"
PER_CENT = 100

CALM = (HEALTHY, WITHIN, Noise.DIURNAL, Noise.INCIDENT, Noise.CLUSTER, Noise.LOST, Noise.NODE, Noise.COLD, Noise.BURSTS)
STAGED_TOO = (HEALTHY, WITHIN, Noise.DRIFT, Noise.WANDER, Noise.BLIP45)
NOISES = (
    Noise.DIURNAL,
    Noise.INCIDENT,
    Noise.CLUSTER,
    Noise.DRIFT,
    Noise.WANDER,
    Noise.BURSTS,
    Noise.COLD,
    Noise.LOST,
    Noise.NODE,
    Noise.BLIP20,
    Noise.BLIP45,
    Noise.BLIP60,
    Noise.BLIP90,
    Noise.SLOW45,
)


def healthy() -> Iterator[Scenario]:
    """Canaries that are no worse than allowed, and those exactly at what is allowed of an abort or a pass."""
    for rps, base in product(RATES, BASES):
        plain = Scenario(group=HEALTHY, rps=rps, base=base, split=Split.TWENTY)
        noisy = [replace(plain, group=noise, noise=noise) for noise in NOISES]
        for one in (plain, replace(plain, group=WITHIN, times=1.1), *noisy):
            yield one
            if one.group in STAGED_TOO:
                yield replace(one, split=Split.STAGED)
        yield replace(plain, group=LIMIT, times=1.25, points=0.0002)
        yield replace(plain, group=MARGIN, times=1.5, points=0.005)
    yield Scenario(group=HEALTHY, rps=10, base=0.01, split=Split.MIRROR)
    yield Scenario(group=SOME, rps=100, base=0.01, split=Split.MIRROR, copied=0.7)
    yield Scenario(group=Noise.BLIP45, rps=100, base=0.01, split=Split.STAGED, noise=Noise.BLIP45, copied=0.7)


def bad() -> Iterator[Scenario]:
    """Canaries that are worse."""
    for rps in RATES:
        twenty = Scenario(group=THIRTY, rps=rps, base=0.001, split=Split.TWENTY)
        yield replace(twenty, share=0.3)
        yield replace(twenty, group=TEN, times=10)
        yield replace(twenty, group=FIVE, base=0.01, times=5)
        yield replace(twenty, group=TWO, base=0.01, times=2)
        yield replace(twenty, group=SLOW, slower=2)
        yield replace(twenty, group=SLIGHTLY_SLOW, slower=1.2)
    busy = Scenario(group=THIRTY, rps=100, base=0.001, split=Split.STAGED, onset=900)
    yield replace(busy, share=0.3)
    yield replace(busy, group=TEN, times=10)
    yield replace(busy, group=USERS, split=Split.TWENTY, onset=0, share=0.3, users_only=True)
    yield Scenario(group=FIVE, rps=100, base=0.01, split=Split.MIRROR, times=5, copied=0.7)
    yield Scenario(group=FIVE, rps=1, base=0.01, split=Split.TWENTY, times=5)
    yield Scenario(group=TEN, rps=100, base=0.001, split=Split.TWENTY, times=10, noise=Noise.WANDER)


def cost_checks(measured: SecondCost) -> Iterator[Check]:
    """Of one row, and of what is stored between two."""
    yield Check("1. milliseconds of CPU a row, three bursty metrics and typical latency", measured.row, 0.5)
    yield Check("1. bytes of state in two hours", measured.largest, 4096)
    yield Check("1. rulings that differ after saving and loading", measured.differing, 0)


class Figures:
    """Outcomes by group."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self.loops = loops

    def of(self, *groups: str, **wanted: object) -> list[Loop]:
        """Those of these groups, with these properties of their scenario."""
        return [
            one
            for one in self.loops
            if one.scenario.group in groups and all(getattr(one.scenario, name) == it for name, it in wanted.items())
        ]

    def each(self, what: str, limit: float, groups: Sequence[str], figure: Callable[[Loop], float]) -> Iterator[Check]:
        """The worst of the groups' scenarios."""
        if found := self.of(*groups):
            worst = max(found, key=figure)
            yield Check(f"{what}, worst ({worst.scenario.name})", figure(worst) * PER_CENT, limit)

    def mean(self, what: str, limit: float, groups: Sequence[str], figure: Callable[[Loop], float]) -> Iterator[Check]:
        """Of the groups' scenarios."""
        if found := self.of(*groups):
            yield Check(f"{what}, mean of {len(found)}", float(np.mean([*map(figure, found)])) * PER_CENT, limit)

    def seconds(self, what: str, limit: float, figure: Callable[[Loop], float], **wanted: object) -> Iterator[Check]:
        """Of one scenario."""
        group = str(wanted.pop("group"))
        for one in self.of(group, **wanted):
            yield Check(f"{what}, {one.scenario.name}", figure(one), limit)


def checks(loops: Sequence[Loop], besides: Sequence[Beside]) -> Iterator[Check]:
    """Every limit whose scenarios were simulated; percentages and seconds."""
    figures = Figures(loops)
    yield from _aborted(figures)
    yield from _taken_home(figures)
    yield from _home(figures)
    yield from _speed(figures, besides)
    yield from _back(figures)
    yield from _passing(figures)
    yield from _latency(figures)
    yield from _limited(figures, besides)


def _aborted(figures: Figures) -> Iterator[Check]:
    yield from figures.each("2. aborted, calm", 1.5, CALM, Loop.aborts)
    yield from figures.each("2. aborted, slow noise", 4, [Noise.DRIFT], Loop.aborts)
    yield from figures.mean("2. aborted, slow noise", 2, [Noise.DRIFT], Loop.aborts)
    yield from figures.each("2. aborted, wander", 9, [Noise.WANDER], Loop.aborts)
    yield from figures.mean("2. aborted, wander", 4.5, [Noise.WANDER], Loop.aborts)
    yield from figures.each("2. aborted, blips to 60 s", 3, [Noise.BLIP20, Noise.BLIP45, Noise.BLIP60], Loop.aborts)
    yield from figures.each("2. aborted at the limit", 3, [LIMIT], Loop.aborts)


def _taken_home(figures: Figures) -> Iterator[Check]:
    plain = [HEALTHY, WITHIN, Noise.DIURNAL, Noise.LOST]
    yield from figures.each("3. taken home, plain", 9, plain, Loop.homes)
    yield from figures.mean("3. taken home, plain", 2.5, plain, Loop.homes)
    yield from figures.each("3. taken home, incident", 7, [Noise.INCIDENT], Loop.homes)
    yield from figures.each("3. taken home, noise", 15, [Noise.DRIFT, Noise.WANDER, Noise.BURSTS], Loop.homes)


_HOME: list[tuple[str, float, float, float, float | None, float, float | None]] = [
    # group, rate, base, median and p90 of users at home, of an abort, of an abort without a shield
    (THIRTY, 10.0, 0.001, 45, 60, 90, 60),
    (THIRTY, 100.0, 0.001, 45, 60, 90, 60),
    (FIVE, 10.0, 0.01, 135, 240, 195, 180),
    (FIVE, 100.0, 0.01, 45, 60, 105, 60),
    (TEN, 10.0, 0.001, 300, None, 390, None),
    (TEN, 100.0, 0.001, 75, None, 135, None),
]
_LATE_HOME: list[tuple[str, float, float | None]] = [(THIRTY, 45, 150), (TEN, 75, None)]


def _home(figures: Figures) -> Iterator[Check]:
    for group, rps, base, median, most, _, _ in _HOME:
        wanted = {"group": group, "rps": rps, "base": base, "split": Split.TWENTY, "noise": Noise.PLAIN}
        yield from figures.seconds("4. users home, median s", median, lambda one: one.home(0.5), **wanted)
        if most is not None:
            yield from figures.seconds("4. users home, p90 s", most, lambda one: one.home(0.9), **wanted)
    for group, median, _ in _LATE_HOME:
        wanted = {"group": group, "onset": 900}
        yield from figures.seconds("4. users home, median s", median, lambda one: one.home(0.5), **wanted)


def _speed(figures: Figures, besides: Sequence[Beside]) -> Iterator[Check]:
    for group, rps, base, _, _, aborted, alone in _HOME:
        wanted = {"group": group, "rps": rps, "base": base, "split": Split.TWENTY, "noise": Noise.PLAIN}
        yield from figures.seconds("5. aborted, median s", aborted, lambda one: one.abort(0.5), **wanted)
        for one in besides:
            if alone is not None and all(getattr(one.scenario, name) == it for name, it in wanted.items()):
                yield Check(f"5. shield off, median s, {one.scenario.name}", one.median(one.alone), alone)
    for group, _, latest in _LATE_HOME:
        if latest is not None:
            yield from figures.seconds(
                "5. aborted, median s", latest, lambda one: one.abort(0.5), group=group, onset=900
            )
    busy = {
        one.scenario: one.failed
        for one in figures.of(THIRTY, FIVE, TEN)
        if one.scenario.rps >= RATES[0] and one.scenario.noise is Noise.PLAIN and one.scenario.split is not Split.MIRROR
    }
    ratios = [busy[one.scenario] / one.failed for one in besides if one.scenario in busy]
    if ratios:
        mean = float(np.exp(np.mean(np.log(ratios))))
        yield Check(f"6. failed requests of users beside the first edition's, {len(ratios)} scenarios", mean, 0.62)


def _back(figures: Figures) -> Iterator[Check]:
    wanted = {"group": Noise.BLIP45, "rps": 100.0, "split": Split.TWENTY}
    yield from figures.seconds("7. back after the step back, median s", 210, lambda one: one.back(0.5), **wanted)
    yield Check("7. returns by itself in a run, most", max(one.returns for one in figures.loops), 1)


def _passing(figures: Figures) -> Iterator[Check]:
    for rps, base, split, limit in (
        (10.0, 0.01, Split.TWENTY, 570),
        (10.0, 0.01, Split.MIRROR, 270),
        (10.0, 0.001, Split.TWENTY, 450),
        (100.0, 0.001, Split.TWENTY, 180),
        (100.0, 0.01, Split.TWENTY, 180),
    ):
        wanted = {"group": HEALTHY, "rps": rps, "base": base, "split": split}
        yield from figures.seconds("8. passed, median s", limit, lambda one: one.passing(0.5), **wanted)
    for one in figures.of(MARGIN):
        most = 5 + 2 * PER_CENT * float(np.sqrt(0.05 * 0.95 / one.runs))
        yield Check(f"8. ever passed, {one.scenario.name}", one.passes() * PER_CENT, most)


def _latency(figures: Figures) -> Iterator[Check]:
    for one in figures.of(SLIGHTLY_SLOW):
        limit = 390 if one.scenario.rps == RATES[0] else 210
        yield Check(f"9. not called slower, {one.scenario.name}", (1 - one.slowers()) * PER_CENT, 10)
        yield Check(f"9. called slower, median s, {one.scenario.name}", one.slower(0.5), limit)
    yield from figures.each("9. called slower, healthy", 1.5, [HEALTHY, Noise.NODE], Loop.slowers)
    for one in figures.of(SLOW):
        yield Check(f"9. users home, median s, {one.scenario.name}", one.home(0.5), 135)


def _limited(figures: Figures, besides: Sequence[Beside]) -> Iterator[Check]:
    yield from figures.each("10. aborted, some copied", 1, [SOME], Loop.aborts)
    yield from figures.seconds(
        "10. aborted, median s", 105, lambda one: one.abort(0.5), group=FIVE, split=Split.MIRROR, copied=0.7
    )
    limited = [one.returns for one in figures.loops if one.scenario.copied < 1]
    if limited:
        yield Check("11. returns by itself, some copied", max(limited), 0)
    if besides:
        yield Check("11. step backs where nobody is sent home", max(one.homes for one in besides), 0)
