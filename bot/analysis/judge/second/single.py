"""One rollout under the second edition: intervals go in as they do in the first, a ruling comes out.

Here is what is no statistics: which metrics there are, a scrape that one side missed (its counts wait, so that a row
covers the same time on both), stages, the last minute, and that an abort is final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from bot.analysis.histograms import tail_bounds
from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P, originals
from bot.analysis.judge.judge import RECENT, Interval, bad_of
from bot.analysis.judge.processes import lse
from bot.analysis.judge.ratio import BadRequests
from bot.analysis.judge.second import noninferiority, row_evidence, sequential
from bot.analysis.judge.second.baseline import Baseline, Limits, baseline, limits, unknown
from bot.analysis.judge.second.constants import HOME, HOME_CEILING
from bot.analysis.judge.second.sequential import Fixed, Outcome, Row, State
from bot.analysis.judge.second.stretch import Typical, typical
from bot.analysis.judge.settings import ROW_SECONDS, Floats, JudgeSettings
from bot.analysis.judge.state import CEILING, Metric, Minute
from bot.analysis.judge.verdict import Failing, who_fails
from bot.model.figures import SideFigures

NAMES = ("errors", "slow_a", "slow_b")
COLUMNS = (N_C, B_C, N_P, B_P)
UNKNOWN = 0.0  # a bound that is not chosen yet: no histogram has it
NOT_CHOSEN = (UNKNOWN, UNKNOWN)
NO, YES = np.zeros((), bool), np.ones((), bool)
NOBODY = SideFigures(requests=0, errors=0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """What is remembered of a rollout between two intervals.

    Attributes:
        metrics: errors, and a latency for each bound.
        buckets: bounds of which typical latency goes by, milliseconds; empty: it is not judged.
        watermark: end of the last interval that counted; ``row_end`` of the last complete row.
        fixed: what follows from these; it is not stored.
        stage: of that row.
        totals: (n_c, b_c, n_p, b_p) by metric, of the whole rollout; ``seen``: bad requests, for display alone.
        waiting: both sides' counts since the last complete row.
        recent: the last minute.
        past_share: of errors, the primary's in its last hour; None: not known.
        began: start of the first interval.
        canary_at, primary_at: when each side was last scraped.
        limited: the last interval was of copies of some requests only.
        passing: whether the last complete row passed the stage.
        blind: latencies for which one side had no bucket in that row; they are not judged, and people are told.
        first_buckets: the primary's first minute, where bounds are chosen from that.
    """

    metrics: tuple[Metric, ...]
    base: Baseline
    typical: Typical | None
    buckets: tuple[float, ...]
    fixed: Fixed
    state: State
    past_share: float | None
    totals: Floats
    seen: tuple[BadRequests, ...]
    stage: str = ""
    watermark: float | None = None
    row_end: float = 0.0
    waiting: tuple[SideFigures | None, SideFigures | None] = (None, None)
    recent: tuple[Minute, ...] = ()
    began: float = 0.0
    canary_at: float = 0.0
    primary_at: float = 0.0
    limited: bool = False
    passing: bool = False
    blind: frozenset[str] = frozenset()
    first_buckets: Mapping[float, float] = field(default_factory=dict)
    aborted_by: str = ""

    @property
    def stage_totals(self) -> Floats:
        """Counts of this stage, by metric."""
        return self.state.totals

    @property
    def worse(self) -> Floats:
        """Log evidence *worse* per metric."""
        return sequential.worse_of(self.state.evidence, self.base)

    @property
    def log_e(self) -> float:
        """The whole evidence of an abort, as a log."""
        return float(lse(sequential.parts_of(self.state.evidence, self.state.ceiling, self.fixed)))

    @property
    def above_ceiling(self) -> float:
        """Log evidence that the canary, looked at alone, fails more than is ever allowed."""
        return float(self.state.ceiling.log_e)

    @property
    def not_worse(self) -> Floats:
        """Log evidence *within the margin* per metric."""
        return lse(self.state.proof.all)

    @property
    def slower(self) -> bool:
        """Whether its typical latency is."""
        return bool(self.state.is_slower)

    def shown(self, settings: JudgeSettings) -> list[bool]:
        """Per metric, whether it is shown to be within the margin."""
        return list(map(bool, sequential.shown(self.state, self.fixed, settings).tolist()))

    def share(self, metric: Metric) -> float:
        """Of the right to abort by mistake, this metric's part."""
        return metric.weight

    def passes(self, settings: JudgeSettings, log_e: float) -> bool:  # noqa: ARG002  # the row settled it
        """Whether the last interval made a complete row, and that passes the stage."""
        return self.passing and self.watermark == self.row_end


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
        well: of a probation, whether copies have shown the canary to be good.
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
    well: bool = False


def start(settings: JudgeSettings, history: Sequence[SideFigures] = (), *, later: bool = False) -> Trace:
    """Before the first interval.

    Args:
        settings: the service's.
        history: the primary's last hour in rows of 15 s.
        later: bounds that the history does not give are chosen from the primary's first minute. Until then latency's
            weight is a stake that is not bet: to share it out and take it back would be a bet on what was seen.
    """
    rows = [*history] if any(row.requests > 0 for row in history) else []
    bounds = _common_bounds(rows)
    chosen = settings.bounds or tail_bounds({one: sum(row.buckets.get(one, 0.0) for row in rows) for one in bounds})
    unknown_yet = later and not bounds and not settings.bounds
    metrics = _metrics(settings, NOT_CHOSEN if unknown_yet else tuple(dict.fromkeys(chosen))[: len(NAMES) - 1])
    base = _baseline(metrics, rows, settings)
    metrics = tuple(
        replace(metric, phi=phi, bursty=bursty)
        for metric, phi, bursty in zip(metrics, base.phi.tolist(), base.bursty.tolist(), strict=True)
    )
    scores, buckets = _typical(rows, bounds)
    errors, requests = sum(row.errors for row in rows), sum(row.requests for row in rows)
    past_share = errors / requests if requests > 0 else None
    return begun(metrics, base, scores, buckets, past_share, settings)


def begun(
    metrics: tuple[Metric, ...],
    base: Baseline,
    scores: Typical | None,
    buckets: tuple[float, ...],
    past_share: float | None,
    settings: JudgeSettings,
) -> Trace:
    """Of what is settled, before the first interval."""
    fixed = fixed_of(metrics, base, scores, settings)
    return Trace(
        metrics=metrics,
        base=base,
        typical=scores,
        buckets=buckets,
        fixed=fixed,
        state=sequential.begin(fixed, settings),
        past_share=past_share,
        totals=np.zeros((len(metrics), len(COLUMNS))),
        seen=(BadRequests(),) * len(metrics),
    )


def again(trace: Trace, settings: JudgeSettings) -> Trace:
    """Before the first interval of another subject: the same metrics, nothing held against it."""
    return begun(trace.metrics, trace.base, trace.typical, trace.buckets, trace.past_share, settings)


def fixed_of(metrics: tuple[Metric, ...], base: Baseline, scores: Typical | None, settings: JudgeSettings) -> Fixed:
    """What is settled before the first row."""
    votes = any(metric.bursty for metric in metrics)
    return sequential.settled(base, _limits(metrics, settings), scores, votes=votes)


@lru_cache
def _limits(metrics: tuple[Metric, ...], settings: JudgeSettings) -> Limits:
    kinds = [metric.limits(settings) for metric in metrics]
    weights = [*(metric.weight for metric in metrics), _ceiling_weight(metrics)]
    home = [settings.home * one for one in (*HOME[: len(metrics)], HOME_CEILING)]
    return limits(kinds, weights, home, settings)


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
    trace: Trace, interval: Interval, settings: JudgeSettings, *, users: bool, alone: bool = False, waits: bool = False
) -> tuple[Trace, Ruling]:
    """One more interval; ``users``: some are on the canary, ``alone``: nobody is ever sent home, ``waits``: whoever
    moves traffic says when a probation is over (``returned``).
    """
    if trace.aborted_by or (trace.watermark is not None and interval.t <= trace.watermark):
        return trace, _nothing_new(trace)
    trace = _heard(trace, interval)
    canary, primary = trace.waiting
    if primary is None and interval.t - trace.primary_at >= settings.no_data_after:
        primary = NOBODY  # as far as is known; the ceiling alone is left
    if canary is None or primary is None:
        return trace, _nothing_new(trace)
    trace = _with_bounds(trace, primary, interval, settings)
    row = _row(trace, interval, canary, primary, settings, users=users, alone=alone)
    row = replace(row, waits=True) if waits else row
    before = trace.state
    state, answer = sequential.step(before, row, trace.fixed, settings)
    outcome = Outcome(int(answer.outcome))
    named = [*(metric.name for metric in trace.metrics), CEILING]
    by = named[int(answer.by)] if outcome in {Outcome.ABORT, Outcome.STEP_BACK} else ""
    counts = row.counts * ~row.blind[:, None]
    trace = replace(
        trace,
        state=state,
        totals=trace.totals + counts,
        seen=tuple(seen.add(one) for seen, one in zip(trace.seen, _fair(counts, trace.limited), strict=True)),
        stage=interval.stage,
        row_end=interval.t,
        waiting=(None, None),
        passing=outcome is Outcome.PASS or (waits and bool(answer.well)),
        blind=frozenset(name for name, blind in zip(named, row.blind.tolist(), strict=False) if blind),
        aborted_by=by if outcome is Outcome.ABORT else "",
    )
    return trace, Ruling(
        outcome=outcome,
        by=by,
        log_e=float(answer.log_e),
        evidence=dict(zip(named, answer.parts.tolist(), strict=True)),
        shield=dict(zip(named, answer.shield.tolist(), strict=True)),
        shown=frozenset(name for name, shown in zip(named, answer.shown.tolist(), strict=False) if shown),
        totals=answer.totals,
        slower=bool(state.is_slower),
        probation=bool(before.probation),
        silent=interval.t - min(trace.canary_at, trace.primary_at),
        well=bool(answer.well),
    )


def _fair(counts: Floats, limited: bool) -> list[list[float]]:  # noqa: FBT001  # what the rows are of
    fair: list[list[float]] = (originals(counts) if limited else counts).tolist()
    return fair


def says_home(trace: Trace) -> str:
    """What would have users at home, by the last complete row: a metric or the ceiling; "" where nothing would."""
    trips, by = sequential.says_home(trace.state, trace.fixed)
    return [*(metric.name for metric in trace.metrics), CEILING][int(by)] if bool(trips) else ""


def entered(trace: Trace, stage: str, settings: JudgeSettings) -> Trace:
    """As it is for a stage of which no row has come yet: what was counted in another says nothing of this one."""
    if trace.watermark is None or stage == trace.stage:
        return trace
    return replace(trace, state=sequential.entered(trace.state, YES, trace.fixed, settings), stage=stage, passing=False)


def overruled(trace: Trace, settings: JudgeSettings) -> Trace:
    """People know that it is slower, and go on: nobody is asked about that again."""
    fixed = fixed_of(trace.metrics, trace.base, None, settings)
    return replace(trace, typical=None, buckets=(), fixed=fixed, state=replace(trace.state, is_slower=NO))


def moved(trace: Trace, seconds: float) -> Trace:
    """The same on a clock that was set forward by so much."""
    return replace(
        trace,
        watermark=None if trace.watermark is None else trace.watermark + seconds,
        row_end=trace.row_end + seconds,
        began=trace.began + seconds,
        canary_at=trace.canary_at + seconds,
        primary_at=trace.primary_at + seconds,
        recent=tuple(replace(minute, t=minute.t + seconds) for minute in trace.recent),
    )


def expected(trace: Trace, place: int, share: float, rates: Floats) -> Floats:
    """How a metric's bets on "within the margin" stand, and how they grow a second: (component, 2), as logs.

    Args:
        trace: as it is.
        place: the metric's.
        share: of bad requests, on both sides.
        rates: requests a second, of the canary and of the primary.
    """
    canary, primary = rates
    counts = np.zeros((len(trace.metrics), len(COLUMNS)))
    counts[place] = canary, canary * share, primary, primary * share
    _, better = row_evidence.both_ways(counts, trace.fixed.limits, NO)
    fixed, so_far = trace.fixed, trace.state.so_far
    gains = noninferiority.gains(counts, better, so_far, trace.base, fixed.limits, fixed.absolute, np.inf)
    return np.stack([trace.state.proof.all[place], gains[place]], axis=-1)


def returned(trace: Trace, settings: JudgeSettings) -> Trace:  # noqa: ARG001
    """Users are on the canary again, because people said so."""
    return replace(trace, state=sequential.returned(trace.state, trace.fixed))


def _with_bounds(trace: Trace, primary: SideFigures, interval: Interval, settings: JudgeSettings) -> Trace:
    """Bounds from the primary's first minute, where the history gave none."""
    if not any(metric.bound == UNKNOWN for metric in trace.metrics):
        return trace
    if interval.t - trace.began <= settings.latency_after:
        counted = {**trace.first_buckets}
        for bound, count in primary.buckets.items():
            counted[bound] = counted.get(bound, 0.0) + count
        return replace(trace, first_buckets=dict(sorted(counted.items())))
    bounds = tail_bounds(trace.first_buckets)
    names = trace.metrics[1:]
    chosen = [replace(metric, bound=bound) for metric, bound in zip(names, bounds, strict=False)]
    return replace(trace, metrics=(trace.metrics[0], *chosen, *names[len(chosen) :]), first_buckets={})


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
        trace = replace(trace, row_end=began, began=began, canary_at=began, primary_at=began, stage=interval.stage)
    here, there = canary or NOBODY, primary or NOBODY
    minute = Minute(t, here.requests, here.errors, there.requests, there.errors)
    return replace(
        trace,
        watermark=t,
        # What waits for the other side's scrape is still of a limited mirror when that has ended.
        limited=interval.limited or (trace.limited and any(trace.waiting)),
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
        # Copies of some methods say nothing about typical latency: other methods have another one.
        canary=None if trace.limited else _by_bucket(canary, trace.buckets),
        primary=None if trace.limited else _by_bucket(primary, trace.buckets),
        first=NO if interval.stage == trace.stage else YES,
        users=YES if users else NO,
        limited=YES if trace.limited else NO,
        failing=YES if failing in {Failing.SHARED, Failing.PRIMARY} else NO,
        alone=alone,
    )


def _by_bucket(side: SideFigures, bounds: Sequence[float]) -> Floats | None:
    """Requests by bucket; None where the side has no such bounds."""
    if not bounds or any(bound not in side.buckets for bound in bounds):
        return None if side.requests > 0 or not bounds else np.zeros(len(bounds) + 1)
    counts = [0.0, *(side.buckets[bound] for bound in bounds), max(side.buckets.values())]
    return np.array([more - less for less, more in pairwise(counts)])
