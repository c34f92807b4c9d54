"""Figures, intervals and rows for the tests of the judge's second edition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from bot.analysis.judge.judge import Interval
from bot.analysis.judge.second.baseline import baseline, limits, unknown
from bot.analysis.judge.second.compact import load, save
from bot.analysis.judge.second.sequential import Fixed, Outcome, Row, settled
from bot.analysis.judge.second.single import Ruling, Trace, start, step
from bot.analysis.judge.settings import Floats, JudgeSettings
from bot.model.figures import SideFigures
from bot.model.judge_settings import SECOND

DEFAULTS = SECOND
BOUNDS = (50.0, 100.0, 250.0, 500.0)
GOOD = (0.78, 0.355, 0.029, 0.001)  # of the requests, those slower than each bound
SLOW = (0.9, 0.55, 0.08, 0.004)
Counts = tuple[float, float, float, float]


def side(requests: float, errors: float, slower: Sequence[float]) -> SideFigures:
    """``slower``: requests beyond each of ``BOUNDS``."""
    buckets = {bound: requests - count for bound, count in zip(BOUNDS, slower, strict=True)}
    return SideFigures(requests=requests, errors=errors, buckets={**buckets, math.inf: requests})


def shared(requests: float, errors: float, shares: Sequence[float] = GOOD) -> SideFigures:
    """The same by shares of the requests."""
    return side(requests, errors, [round(requests * share) for share in shares])


HISTORY = [side(150, 1 + i % 2, (117, 53, 4 + (i % 3 == 0), i % 7 == 0)) for i in range(240)]


def interval(number: int, counts: Counts, stage: str = "20", shares: Sequence[float] = GOOD) -> Interval:
    """The ``number``-th, counted from 1; ``shares`` of the canary's requests are slow."""
    n_c, b_c, n_p, b_p = counts
    return Interval(t=15.0 * number, stage=stage, canary=shared(n_c, b_c, shares), primary=shared(n_p, b_p))


def judged(
    intervals: Iterable[Interval],
    history: Sequence[SideFigures] = HISTORY,
    *,
    settings: JudgeSettings = DEFAULTS,
    users: bool = True,
    alone: bool = False,
    stored: bool = False,
) -> tuple[Trace, list[Ruling]]:
    """The trace after all intervals, and the ruling on each; ``stored``: through JSON between any two.

    Users are where the last ruling left them.
    """
    trace, rulings = start(settings, history), []
    for one in intervals:
        trace, ruling = step(trace, one, settings, users=users and not trace.state.probation, alone=alone)
        trace = load(save(trace), settings) if stored else trace
        rulings.append(ruling)
    return trace, rulings


def outcomes(rulings: Iterable[Ruling]) -> list[Outcome]:
    """Theirs."""
    return [ruling.outcome for ruling in rulings]


def errors_only(requests: Floats | None = None, bad: Floats | None = None, rollouts: tuple[int, ...] = ()) -> Fixed:
    """Errors and the ceiling alone, with their weights as they are beside latencies; a history of (..., row)."""
    base = (
        unknown((*rollouts, 1))
        if requests is None or bad is None
        else baseline(requests[..., None, :], bad[..., None, :], DEFAULTS)
    )
    tolerated = limits([DEFAULTS.errors], [0.6, 0.1], [20.0, 20.0], DEFAULTS)
    return settled(base, tolerated, None, votes=bool(base.bursty.any()))


def row_of(counts: Floats, *, alone: bool = False) -> Row:
    """A row of errors alone, of (..., column); users are on the canary."""
    no = np.zeros(counts.shape[:-1], bool)
    return Row(
        seconds=np.full(no.shape, 15.0),
        counts=counts[..., None, :].astype(float),
        blind=no[..., None],
        canary=None,
        primary=None,
        first=no,
        users=~no,
        limited=no,
        failing=no,
        alone=alone,
    )
