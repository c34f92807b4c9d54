"""Figures and intervals for the judge's tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bot.analysis.judge.judge import Interval, start, step
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.state import JudgeState
from bot.analysis.judge.verdict import Assessment, Decision
from bot.model.figures import SideFigures

DEFAULTS = JudgeSettings()
Counts = tuple[float, float] | None  # requests and errors; None: a missing scrape


def side(requests: float, errors: float = 0, slow: float = 0) -> SideFigures:
    """``slow`` requests took more than 500 ms; 3 % of the others more than 250 ms."""
    fast = requests - slow
    buckets = {100.0: fast * 0.65, 250.0: fast * 0.97, 500.0: fast, math.inf: requests}
    return SideFigures(requests=requests, errors=errors, buckets=buckets)


def rows(pairs: Iterable[tuple[Counts, Counts]], stage: str = "20", since: float = 0.0) -> list[Interval]:
    """One interval every 15 s: (canary, primary)."""
    return [
        Interval(t=since + 15.0 * number, stage=stage, canary=side(*c) if c else None, primary=side(*p) if p else None)
        for number, (c, p) in enumerate(pairs, 1)
    ]


def judged(
    intervals: Iterable[Interval],
    history: Sequence[SideFigures] = (),
    chosen: JudgeSettings = DEFAULTS,
    deadline: float = math.inf,
) -> tuple[JudgeState, list[Assessment]]:
    """The state after all intervals, and the answer to each."""
    state, answers = start(chosen, history), []
    for interval in intervals:
        state, assessment = step(state, interval, chosen, deadline)
        answers.append(assessment)
    return state, answers


def verdicts(answers: Iterable[Assessment]) -> list[Decision]:
    """Their verdicts."""
    return [answer.verdict for answer in answers]


HISTORY = [side(1200, 2)] * 64
BURSTY = [side(1200, 60 if number % 16 == 0 else 0) for number in range(64)]
