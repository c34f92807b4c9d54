"""How long the judge will need at this traffic: to notice a canary with so many times the errors, and to pass one.

Expected evidence grows by a fixed amount a second; the time is what is needed over that, with what simulation added for
spread. Say "about": medians of simulated runs lay between half and one and a half of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.analysis.judge.evidence import B_P, N_P, originals, relative
from bot.analysis.judge.settings import LADDER, LOWER, ROW_SECONDS, Floats, JudgeSettings
from bot.analysis.judge.state import JudgeState, Metric

TIMES = 5.0  # the fault that is asked about: so many times the primary's errors
MIXING = 1.5  # log capital lost to alternatives that do not fit
SPREAD = 1.3  # medians against expectations, from simulation
FEWEST = 0.5  # bad requests assumed where the primary had none


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds, or None where at this traffic it would never happen, or nothing is known."""

    notice: float | None
    passing: float | None


def forecast(state: JudgeState, settings: JudgeSettings, canary_rate: float, primary_rate: float) -> Forecast:
    """Rates are requests per second of each side as they are, or as the next stage would make them."""
    shares = _primary_shares(state)
    if any(share is None for share in shares):
        return Forecast(notice=None, passing=None)
    rates = np.array([canary_rate, primary_rate])
    known = [(metric, share) for metric, share in zip(state.metrics, shares, strict=True) if share is not None]
    waits = [_passing(state, place, share, rates, settings) for place, (_, share) in enumerate(known)]
    passing = None if any(wait is None for wait in waits) else max(wait for wait in waits if wait is not None)
    if passing is not None and canary_rate > 0:
        passing = max(passing, settings.least_seconds, settings.least_requests / canary_rate)
    return Forecast(notice=_notice(state, *known[0], rates, settings), passing=passing)


def _notice(state: JudgeState, metric: Metric, share: float, rates: Floats, settings: JudgeSettings) -> float | None:
    limits = metric.limits(settings)
    bad = min(TIMES * share, 1.0)
    growth = _growth(rates, bad, share, limits.tolerance, limits.slack, LADDER, limited=state.course.limited)
    growth /= metric.phi
    if growth <= 0:
        return None
    needed = settings.needed - float(np.log(metric.weight / state.weight))
    return max(settings.patience * ROW_SECONDS, SPREAD * (needed + MIXING) / growth)


def _passing(state: JudgeState, place: int, share: float, rates: Floats, settings: JudgeSettings) -> float | None:
    metric = state.metrics[place]
    if metric.name in state.blind:
        return 0.0
    limits = metric.limits(settings)
    growth = _growth(rates, share, share, limits.margin, limits.margin_slack, LOWER) / metric.phi
    most = settings.needed_to_pass / settings.pass_patience / ROW_SECONDS
    missing = settings.needed_to_pass + MIXING - float(np.logaddexp.reduce(state.evidence.not_worse.all[place]))
    if missing <= MIXING:
        return 0.0
    return _warm_up(state, metric, settings) + SPREAD * missing / min(growth, most) if growth > 0 else None


def _warm_up(state: JudgeState, metric: Metric, settings: JudgeSettings) -> float:
    """Seconds until the metric's rows count."""
    began, now = state.course.began, state.course.watermark
    return 0.0 if metric.bound is None or now is None else max(0.0, settings.latency_after - (now - began))


def _growth(
    rates: Floats, bad: float, share: float, theta: float, slack: float, g: Floats, *, limited: bool = False
) -> float:
    """The expected evidence a second of the alternative that fits best."""
    canary, primary = rates
    counts = np.array([canary, canary * bad, primary, primary * share])
    counts = originals(counts) if limited else counts
    return float(relative(counts, np.asarray(theta), np.asarray(slack), g).max())


def _primary_shares(state: JudgeState) -> list[float | None]:
    rows = state.evidence.totals.tolist()
    seen = [max(row[B_P], FEWEST) / row[N_P] if row[N_P] > 0 else None for row in rows]
    return [state.past_share if seen[0] is None else seen[0], *seen[1:]]
