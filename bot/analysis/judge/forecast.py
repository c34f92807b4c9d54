"""How long the judge will need at this traffic: to notice a canary with so many times the errors, and to pass one.

Expected evidence grows by a fixed amount a second; the time is what is needed over that, with what simulation added for
spread. Say "about": medians of simulated runs lay between half and one and a half of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.analysis.judge.editions import State
from bot.analysis.judge.evidence import B_P, N_P, originals, relative
from bot.analysis.judge.second import single
from bot.analysis.judge.second.constants import LADDER as ALTERNATIVES
from bot.analysis.judge.second.single import UNKNOWN, Trace
from bot.analysis.judge.settings import LADDER, LOWER, ROW_SECONDS, Floats, JudgeSettings
from bot.analysis.judge.state import Judged, Metric

TIMES = 5.0  # the fault that is asked about: so many times the primary's errors
MIXING = 1.5  # log capital lost to alternatives that do not fit
MIXING_OF_FEW = 1.2  # of the second edition, which has fewer of them
SPREAD = 1.3  # medians against expectations, from simulation
HOME_ROWS, ABORT_ROWS = 2, 5  # with the shield on, rows until users can go home, and until a canary can be aborted
FEWEST = 0.5  # bad requests assumed where the primary had none


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds, or None where at this traffic it would never happen, or nothing is known.

    ``home``: until users would be taken home; None also where nobody is, because the shield is off.
    """

    notice: float | None
    passing: float | None
    home: float | None = None


def forecast(state: State, settings: JudgeSettings, canary_rate: float, primary_rate: float) -> Forecast:
    """Rates are requests per second of each side as they are, or as the next stage would make them."""
    shares = _primary_shares(state)[: sum(metric.bound != UNKNOWN for metric in state.metrics)]
    if any(share is None for share in shares):
        return Forecast(notice=None, passing=None)
    rates = np.array([canary_rate, primary_rate])
    known = [(metric, share) for metric, share in zip(state.metrics, shares, strict=False) if share is not None]
    waits = [_passing(state, place, share, rates, settings) for place, (_, share) in enumerate(known)]
    passing = None if any(wait is None for wait in waits) else max(wait for wait in waits if wait is not None)
    if passing is not None and canary_rate > 0:
        passing = max(passing, settings.least_seconds, settings.least_requests / canary_rate)
    growth = _against(state, *known[0], rates, settings)
    if growth <= 0:
        return Forecast(notice=None, passing=passing)
    shielded = isinstance(state, Trace) and settings.shield
    home = max(HOME_ROWS * ROW_SECONDS, SPREAD * float(np.log(settings.home)) / growth) if shielded else None
    return Forecast(notice=_notice(state, known[0][0], growth, settings), passing=passing, home=home)


def _against(state: State, metric: Metric, share: float, rates: Floats, settings: JudgeSettings) -> float:
    """The evidence a second against a canary with so many times the errors."""
    limits = metric.limits(settings)
    bad = min(TIMES * share, 1.0)
    ladder = ALTERNATIVES if isinstance(state, Trace) else LADDER
    growth = _growth(rates, bad, share, limits.tolerance, limits.slack, ladder, limited=state.limited)
    return growth / metric.phi


def _notice(state: State, metric: Metric, growth: float, settings: JudgeSettings) -> float:
    second = isinstance(state, Trace)
    needed = settings.needed - float(np.log(state.share(metric))) + (MIXING_OF_FEW if second else MIXING)
    rows = ABORT_ROWS if second and settings.shield else settings.patience
    return max(rows * ROW_SECONDS, SPREAD * needed / growth)


def _passing(state: State, place: int, share: float, rates: Floats, settings: JudgeSettings) -> float | None:
    metric = state.metrics[place]
    if metric.name in state.blind:
        return 0.0
    most = settings.needed_to_pass / settings.pass_patience / ROW_SECONDS
    if isinstance(state, Trace):
        bets = single.expected(state, place, share, rates).tolist()
        missing = [(settings.needed_to_pass - log, growth) for log, growth in bets]
    else:
        limits, capital = metric.limits(settings), float(np.logaddexp.reduce(state.evidence.not_worse.all[place]))
        growth = _growth(rates, share, share, limits.margin, limits.margin_slack, LOWER) / metric.phi
        done = capital >= settings.needed_to_pass
        missing = [(0.0 if done else settings.needed_to_pass + MIXING - capital, growth)]
    if any(left <= 0 for left, _ in missing):
        return 0.0
    waits = [left / min(growth, most) for left, growth in missing if growth > 0]
    return _warm_up(state, metric, settings) + SPREAD * min(waits) if waits else None


def _warm_up(state: Judged, metric: Metric, settings: JudgeSettings) -> float:
    """Seconds until the metric's rows count."""
    now = state.watermark
    return 0.0 if metric.bound is None or now is None else max(0.0, settings.latency_after - (now - state.began))


def _growth(
    rates: Floats, bad: float, share: float, theta: float, slack: float, g: Floats, *, limited: bool = False
) -> float:
    """The expected evidence a second of the alternative that fits best."""
    canary, primary = rates
    counts = np.array([canary, canary * bad, primary, primary * share])
    counts = originals(counts) if limited else counts
    return float(relative(counts, np.asarray(theta), np.asarray(slack), g).max())


def _primary_shares(state: Judged) -> list[float | None]:
    rows = state.totals.tolist()
    seen = [max(row[B_P], FEWEST) / row[N_P] if row[N_P] > 0 else None for row in rows]
    return [state.past_share if seen[0] is None else seen[0], *seen[1:]]
