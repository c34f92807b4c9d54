"""One rollout under the second edition: intervals go in as they do in the first, a ruling comes out.

Here is what is no statistics: which metrics there are, a scrape that one side missed (its counts wait, so that a row
covers the same time on both), stages, the last minute, and that an abort is final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from bot.analysis.histograms import tail_bounds
from bot.analysis.judge.judge import RECENT, Interval, bad_of
from bot.analysis.judge.second import noninferiority, sequential
from bot.analysis.judge.second.baseline import Baseline, Limits, baseline, limits, unknown
from bot.analysis.judge.second.constants import HOME, HOME_CEILING
from bot.analysis.judge.second.sequential import Fixed, Outcome, Row, State
from bot.analysis.judge.second.stretch import Typical, typical
from bot.analysis.judge.settings import ROW_SECONDS, Floats, JudgeSettings
from bot.analysis.judge.state import CEILING, Metric, Minute
from bot.analysis.judge.verdict import Failing, who_fails
from bot.model.figures import SideFigures

NAMES = ("errors", "slow_a", "slow_b")
NO = np.zeros((), bool)
NOBODY = SideFigures(requests=0, errors=0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """What is remembered of a rollout between two intervals.

    Attributes:
        metrics: errors, and a latency for each bound.
        buckets: bounds of which typical latency goes by, milliseconds; empty: it is not judged.
        watermark: end of the last interval that counted; ``row_end`` of the last complete row.
        stage: of that row.
        waiting: both sides' counts since the last complete row.
        recent: the last minute.
        past_share: of errors, the primary's in its last hour; None: not known.
        canary_at, primary_at: when each side was last scraped.
    """

    metrics: tuple[Metric, ...]
    base: Baseline
    typical: Typical | None
    buckets: tuple[float, ...]
    state: State
    past_share: float | None
    stage: str = ""
    watermark: float | None = None
    row_end: float = 0.0
    waiting: tuple[SideFigures | None, SideFigures | None] = (None, None)
    recent: tuple[Minute, ...] = ()
    canary_at: float = 0.0
    primary_at: float = 0.0
    aborted_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What an interval led to.

    Attributes:
        by: the metric that decided an abort or a step back, or "".
        log_e: the evidence of an abort, as a log.
        evidence, shield: by metric and ceiling, as logs; weights included in ``evidence``.
        shown: metrics that are shown to be within their margin.
        totals: (n_c, b_c, n_p, b_p) of the stage by metric.
        slower: typical latency is.
        probation: before this interval, users were kept home and copies judged.
        silent: seconds since a side was last scraped.
    """

    outcome: Outcome
    by: str
    log_e: float
    evidence: Mapping[str, float]
    shield: Mapping[str, float]
    shown: frozenset[str]
    totals: Floats
    slower: bool
    probation: bool
    silent: float


def start(settings: JudgeSettings, history: Sequence[SideFigures] = ()) -> Trace:
    """Before the first interval. ``history``: the primary's last hour in rows of 15 s."""
    rows = [*history] if any(row.requests > 0 for row in history) else []
    bounds = _common_bounds(rows)
    chosen = settings.bounds or tail_bounds({one: sum(row.buckets.get(one, 0.0) for row in rows) for one in bounds})
    metrics = _metrics(settings, tuple(dict.fromkeys(chosen))[: len(NAMES) - 1])
    base = _baseline(metrics, rows, settings)
    metrics = tuple(
        replace(metric, phi=phi, bursty=bursty)
        for metric, phi, bursty in zip(metrics, base.phi.tolist(), base.bursty.tolist(), strict=True)
    )
    scores, buckets = _typical(rows, bounds)
    fixed = fixed_of(metrics, base, scores, settings)
    errors, requests = sum(row.errors for row in rows), sum(row.requests for row in rows)
    return Trace(
        metrics=metrics,
        base=base,
        typical=scores,
        buckets=buckets,
        state=sequential.begin(fixed, settings),
        past_share=errors / requests if requests > 0 else None,
    )


def fixed_of(metrics: tuple[Metric, ...], base: Baseline, scores: Typical | None, settings: JudgeSettings) -> Fixed:
    """What is settled before the first row."""
    return Fixed(
        base=base,
        limits=_limits(metrics, settings),
        typical=scores,
        weights=noninferiority.log_weights(base),
        votes=any(metric.bursty for metric in metrics),
    )


@lru_cache
def _limits(metrics: tuple[Metric, ...], settings: JudgeSettings) -> Limits:
    kinds = [metric.limits(settings) for metric in metrics]
    weights = [*(metric.weight for metric in metrics), _ceiling_weight(metrics)]
    return limits(kinds, weights, [*HOME[: len(metrics)], HOME_CEILING], settings.alpha)


def _ceiling_weight(metrics: Sequence[Metric]) -> float:
    return 1 - sum(metric.weight for metric in metrics)


def _metrics(settings: JudgeSettings, bounds: Sequence[float]) -> tuple[Metric, ...]:
    """Errors and a latency for each bound; a weight that is missing goes to the others."""
    weights = settings.weights
    slow = (weights.slow_a, weights.slow_b) if len(bounds) > 1 else (weights.slow,)[: len(bounds)]
    whole = weights.errors + weights.ceiling + sum(slow)
    shares = [weights.errors / whole, *(one / whole for one in slow)]
    return tuple(map(Metric, NAMES, shares, (None, *bounds)))


def _baseline(metrics: Sequence[Metric], rows: Sequence[SideFigures], settings: JudgeSettings) -> Baseline:
    if not rows:
        return unknown((len(metrics),))
    counted = np.array([[bad_of(metric, row) or (0.0, 0.0) for row in rows] for metric in metrics], float)
    return baseline(counted[..., 0], counted[..., 1], settings)


def _common_bounds(rows: Sequence[SideFigures]) -> list[float]:
    """Bounds that every row with requests has."""
    given = [set(row.buckets) for row in rows if row.requests > 0]
    return sorted(set.intersection(*given)) if given else []


def _typical(rows: Sequence[SideFigures], bounds: Sequence[float]) -> tuple[Typical | None, tuple[float, ...]]:
    """Typical latency, and the bounds that say something of it."""
    finite = [bound for bound in bounds if 0 < bound < np.inf]
    if not finite:
        return None, ()
    counted = np.array([[bad_of(Metric("", 0.0, bound), row) for row in rows] for bound in finite], float)
    found = typical(np.array(finite), counted[..., 1], counted[0, :, 0])
    steps = np.diff(found.scores) > 0
    if not found.used:
        return None, ()
    scores = np.concatenate([found.scores[:1], found.scores[1:][steps]])
    return replace(found, scores=scores), tuple(np.array(finite)[steps].tolist())


def step(
    trace: Trace, interval: Interval, settings: JudgeSettings, *, users: bool, alone: bool = False
) -> tuple[Trace, Ruling]:
    """One more interval; ``users``: some are on the canary, ``alone``: nobody is ever sent home."""
    if trace.aborted_by or (trace.watermark is not None and interval.t <= trace.watermark):
        return trace, _nothing_new(trace)
    trace = _heard(trace, interval)
    canary, primary = trace.waiting
    if canary is None or primary is None:
        return trace, _nothing_new(trace)
    fixed = _fixed(trace, settings)
    row = _row(trace, interval, canary, primary, settings, users=users, alone=alone)
    before = trace.state
    state, answer = sequential.step(before, row, fixed, settings)
    trace = replace(trace, state=state, stage=interval.stage, row_end=interval.t, waiting=(None, None))
    outcome = Outcome(int(answer.outcome))
    named = [*(metric.name for metric in trace.metrics), CEILING]
    by = named[int(answer.by)] if outcome in {Outcome.ABORT, Outcome.STEP_BACK} else ""
    ruling = Ruling(
        outcome=outcome,
        by=by,
        log_e=float(answer.log_e),
        evidence=dict(zip(named, answer.parts.tolist(), strict=True)),
        shield=dict(zip(named, answer.shield.tolist(), strict=True)),
        shown=frozenset(name for name, shown in zip(named, answer.shown.tolist(), strict=False) if shown),
        totals=answer.totals,
        slower=bool(state.is_slower),
        probation=bool(before.probation),
        silent=0.0,
    )
    return (replace(trace, aborted_by=by) if outcome is Outcome.ABORT else trace), ruling


def returned(trace: Trace, settings: JudgeSettings) -> Trace:
    """Users are on the canary again, because people said so."""
    return replace(trace, state=sequential.returned(trace.state, _fixed(trace, settings)))


def _fixed(trace: Trace, settings: JudgeSettings) -> Fixed:
    return fixed_of(trace.metrics, trace.base, trace.typical, settings)


def _nothing_new(trace: Trace) -> Ruling:
    """The last complete row's figures once more; of an aborted rollout, that it is."""
    named = [*(metric.name for metric in trace.metrics), CEILING]
    quiet = (trace.watermark or 0.0) - min(trace.canary_at, trace.primary_at)
    return Ruling(
        outcome=Outcome.ABORT if trace.aborted_by else Outcome.WATCH,
        by=trace.aborted_by,
        log_e=0.0,
        evidence=dict.fromkeys(named, 0.0),
        shield=dict.fromkeys(named, 0.0),
        shown=frozenset(),
        totals=trace.state.totals,
        slower=bool(trace.state.is_slower),
        probation=bool(trace.state.probation),
        silent=quiet,
    )


def _heard(trace: Trace, interval: Interval) -> Trace:
    """With the interval's counts waiting, and the last minute moved on."""
    t, canary, primary = interval.t, interval.canary, interval.primary
    began = interval.t - ROW_SECONDS if interval.since is None else interval.since
    if trace.watermark is None:  # a side that has never been scraped is silent since the beginning
        trace = replace(trace, row_end=began, canary_at=began, primary_at=began, stage=interval.stage)
    here, there = canary or NOBODY, primary or NOBODY
    minute = Minute(t, here.requests, here.errors, there.requests, there.errors)
    return replace(
        trace,
        watermark=t,
        waiting=(_together(trace.waiting[0], canary), _together(trace.waiting[1], primary)),
        recent=(*(row for row in trace.recent if row.t > t - RECENT), minute),
        canary_at=t if canary else trace.canary_at,
        primary_at=t if primary else trace.primary_at,
    )


def _together(waiting: SideFigures | None, news: SideFigures | None) -> SideFigures | None:
    return news if waiting is None else waiting if news is None else waiting + news


def _row(
    trace: Trace,
    interval: Interval,
    canary: SideFigures,
    primary: SideFigures,
    settings: JudgeSettings,
    *,
    users: bool,
    alone: bool,
) -> Row:
    counted = [(bad_of(metric, canary), bad_of(metric, primary)) for metric in trace.metrics]
    known = [one is not None and two is not None for one, two in counted]
    counts = [(*(one or (0.0, 0.0)), *(two or (0.0, 0.0))) for one, two in counted]
    failing = who_fails(trace.recent, trace.past_share, settings)
    return Row(
        seconds=np.asarray(interval.t - trace.row_end),
        counts=np.array(counts, float),
        blind=~np.array(known),
        canary=_by_bucket(canary, trace.buckets),
        primary=_by_bucket(primary, trace.buckets),
        first=NO | (interval.stage != trace.stage),
        users=NO | users,
        limited=NO | interval.limited,
        failing=NO | (failing in {Failing.SHARED, Failing.PRIMARY}),
        alone=alone,
    )


def _by_bucket(side: SideFigures, bounds: Sequence[float]) -> Floats | None:
    """Requests by bucket; None where the side has no such bounds."""
    if not bounds or any(bound not in side.buckets for bound in bounds):
        return None if side.requests > 0 or not bounds else np.zeros(len(bounds) + 1)
    counts = [0.0, *(side.buckets[bound] for bound in bounds), max(side.buckets.values())]
    return np.diff(counts)
