"""One interval more: a state goes in, a new state and its assessment come out.

An interval counts once: one that ends at or before the watermark changes nothing. A row needs both sides: while one is
missing, the other's counts wait, so that a row covers the same time on both. Only the absolute ceiling looks at the
canary alone, and not while the primary fails too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from string import ascii_lowercase

import numpy as np

from bot.analysis.histograms import tail_bounds
from bot.analysis.judge.dispersion import dispersion
from bot.analysis.judge.evidence import B_C, B_P, absolute, originals, relative
from bot.analysis.judge.processes import Worse, hazard
from bot.analysis.judge.settings import CEILING_TIMES, LADDER, LOWER, NEEDED_AGAIN, ROW_SECONDS, Floats, JudgeSettings
from bot.analysis.judge.state import CEILING, Course, Evidence, JudgeState, Metric, Minute
from bot.analysis.judge.verdict import Assessment, assess
from bot.model.figures import SideFigures

RECENT = 60.0  # seconds: "is failing now", and how long the primary's failing excuses the canary
VETO_FEWEST = 3
ALTERNATIVES = np.concatenate([LADDER, LOWER])
WORSE, BETTER = slice(len(LADDER)), slice(len(LADDER), None)
EXACT = 1e-9  # three capped rows land exactly on the threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Increments between two readings, the later at ``t``; a missing side is a missing scrape, not zero.

    Attributes:
        since: when the earlier one was; None: a row before ``t``, where no interval came before.
        limited: the canary got copies of some of the primary's requests, chosen by what they are (a mirror of some
            methods): the primary counts others besides, of which nothing is known.
    """

    t: float
    stage: str
    canary: SideFigures | None
    primary: SideFigures | None
    since: float | None = None
    limited: bool = False


def start(settings: JudgeSettings, history: Sequence[SideFigures] = ()) -> JudgeState:
    """Before the first interval. ``history``: the primary's last hour in rows; it fixes burst factors and bounds."""
    requests, errors = [row.requests for row in history], [row.errors for row in history]
    bounds = settings.bounds or tail_bounds(_summed(history))
    phi = dispersion(requests, errors)
    metrics = (
        Metric("errors", settings.weights.errors, None, phi, phi > settings.vote_above),
        *_latency(settings, bounds, history),
    )
    bursty = any(metric.bursty for metric in metrics)
    alone = _alone(settings)
    return JudgeState(
        metrics=metrics,
        evidence=Evidence.fresh(len(metrics), settings, bursty=bursty),
        ceiling=alone,
        relapse=alone,
        ceiling_weight=settings.weights.ceiling,
        past_share=sum(errors) / sum(requests) if sum(requests) > 0 else None,
    )


def _alone(settings: JudgeSettings) -> Worse:
    """Nothing seen yet of the canary looked at alone."""
    return Worse.fresh((len(_ceiling_shares(settings.ceiling)),), settings.active)


def again(state: JudgeState, settings: JudgeSettings) -> JudgeState:
    """Before the first interval of another subject: the same metrics, nothing held against it."""
    bursty = any(metric.bursty for metric in state.metrics)
    alone = _alone(settings)
    return JudgeState(
        metrics=state.metrics,
        evidence=Evidence.fresh(len(state.metrics), settings, bursty=bursty),
        ceiling=alone,
        relapse=alone,
        ceiling_weight=state.ceiling_weight,
        past_share=state.past_share,
    )


def step(
    state: JudgeState, interval: Interval, settings: JudgeSettings, deadline: float = math.inf
) -> tuple[JudgeState, Assessment]:
    """One more interval; ``deadline``: when the stage should have passed."""
    watermark = state.course.watermark
    if watermark is not None and interval.t <= watermark:
        return state, assess(entered(state, interval.stage, settings), settings, deadline)
    began = interval.t - ROW_SECONDS if interval.since is None else interval.since
    seconds = interval.t - (began if watermark is None else watermark)
    h = hazard(settings.hazard, seconds)
    if watermark is None or interval.stage != state.course.stage:
        h = h if watermark is None else settings.stage_injection
        state = _next_stage(state, interval.stage, interval.t - seconds, settings)
    # What waits for the other side's scrape is still of a limited mirror when that has ended.
    limited = interval.limited or (state.course.limited and bool(state.evidence.pending.any()))
    state = replace(state, course=_moved(state.course, replace(interval, limited=limited), settings))
    state = _choose_bounds(state, interval, settings)
    if state.aborted_by:
        return state, assess(state, settings, deadline)
    state = _with_row(state, interval, h, settings)
    assessment = assess(state, settings, deadline)
    by = _condemned_by(state, assessment.log_e, settings)
    if not by:
        return state, assessment
    state = replace(state, aborted_by=by)
    return state, assess(state, settings, deadline)


def entered(state: JudgeState, stage: str, settings: JudgeSettings) -> JudgeState:
    """As it is for a stage of which no interval has come yet: what was counted in another says nothing of this one."""
    watermark = state.course.watermark
    if watermark is None or stage == state.course.stage:
        return state
    return _next_stage(state, stage, watermark, settings)


def moved(state: JudgeState, seconds: float) -> JudgeState:
    """The same on a clock that was set forward by so much."""
    course = state.course

    def by(at: float | None) -> float | None:
        return None if at is None else at + seconds

    moved_course = replace(
        course,
        watermark=by(course.watermark),
        began=course.began + seconds,
        stage_began=course.stage_began + seconds,
        canary_at=course.canary_at + seconds,
        primary_at=course.primary_at + seconds,
        compared_at=by(course.compared_at),
        veto_until=by(course.veto_until),
        recent=tuple(replace(minute, t=minute.t + seconds) for minute in course.recent),
    )
    return replace(state, course=moved_course)


def _next_stage(state: JudgeState, stage: str, began: float, settings: JudgeSettings) -> JudgeState:
    if state.course.watermark is None:
        # A side that has never been scraped is silent since the beginning.
        course = Course(stage=stage, began=began, stage_began=began, canary_at=began, primary_at=began)
        return replace(state, course=course)
    evidence = state.evidence
    not_worse = evidence.not_worse.next_stage(settings.carry, settings.needed_to_pass)
    return replace(
        state,
        evidence=replace(evidence, not_worse=not_worse, stage_totals=np.zeros_like(evidence.totals)),
        course=replace(state.course, stage=stage, stage_began=began),
    )


def _moved(course: Course, interval: Interval, settings: JudgeSettings) -> Course:
    """When each side was last heard of, the last minute, and how long the ceiling's veto lasts."""
    t, canary, primary = interval.t, interval.canary, interval.primary
    n_c, b_c = (canary.requests, canary.errors) if canary else (0.0, 0.0)
    n_p, b_p = (primary.requests, primary.errors) if primary else (0.0, 0.0)
    copied = min(n_p, n_c) if interval.limited and n_c > 0 else n_p
    failing = b_p >= VETO_FEWEST and b_p > settings.ceiling / 2 * copied
    return replace(
        course,
        watermark=t,
        canary_at=t if canary else course.canary_at,
        primary_at=t if primary else course.primary_at,
        compared_at=t if n_c > 0 and n_p > 0 else course.compared_at,
        veto_until=t + RECENT if failing else course.veto_until,
        limited=interval.limited,
        recent=(*(row for row in course.recent if row.t > t - RECENT), Minute(t, n_c, b_c, n_p, b_p)),
    )


def _with_row(state: JudgeState, interval: Interval, h: float, settings: JudgeSettings) -> JudgeState:
    counts, pending, blind = _row(state, interval, settings)
    gains = _above_ceiling(state, interval, settings)
    needed = settings.needed - math.log(state.ceiling_weight / state.weight)
    return replace(
        state,
        evidence=_stepped(state, counts, pending, h, settings),
        ceiling=state.ceiling.step(gains, h, np.asarray(needed / settings.patience)),
        relapse=state.relapse.step(gains, h, np.asarray(NEEDED_AGAIN / settings.patience), spare=True),
        blind=state.blind | blind,
    )


def _condemned_by(state: JudgeState, log_e: float, settings: JudgeSettings) -> str:
    """The metric that decides, "" while none does."""
    if log_e >= settings.needed - EXACT:
        return _greatest(state.parts)
    # Only where the ceiling has gone deaf by a forgiven blip: what it can still hear is its own to say.
    deaf = float(state.ceiling.log_e) < 0
    return CEILING if deaf and float(state.relapse.log_e) >= NEEDED_AGAIN - EXACT else ""


def _greatest(parts: Mapping[str, float]) -> str:
    # Capped rows make ties: the comparison with the primary says more than the ceiling, so it comes first.
    rounded = {name: round(part, 6) for name, part in parts.items()}
    return max(rounded, key=lambda name: rounded[name])


def _row(state: JudgeState, interval: Interval, settings: JudgeSettings) -> tuple[Floats, Floats, frozenset[str]]:
    """The row that is complete now, what waits for the other side, and metrics that one side knows nothing about."""
    pending = state.evidence.pending.copy()
    blind = set()
    for place, metric in enumerate(state.metrics):
        canary, primary = bad_of(metric, interval.canary), bad_of(metric, interval.primary)
        if canary is None or primary is None:
            blind.add(metric.name)
        elif metric.bound is None or _latency_counts(state.course, settings):
            pending[place] += (*canary, *primary)
    nothing = np.zeros_like(pending)
    complete = interval.canary is not None and interval.primary is not None
    return (pending, nothing, frozenset(blind)) if complete else (nothing, pending, frozenset(blind))


def bad_of(metric: Metric, side: SideFigures | None) -> tuple[float, float] | None:
    """Requests and bad ones; None where the histogram has no such bound."""
    if side is None or side.requests <= 0:
        return 0.0, 0.0
    if metric.bound is None:
        return side.requests, side.errors
    if metric.bound not in side.buckets:
        return None
    total = max(side.buckets.values())
    return total, total - side.buckets[metric.bound]


def _stepped(state: JudgeState, counts: Floats, pending: Floats, h: float, settings: JudgeSettings) -> Evidence:
    evidence, test = state.evidence, _test(state.metrics, state.weight, settings)
    gains, fair = relative(counts, test.theta, test.slack, ALTERNATIVES), counts
    if state.course.limited:
        # Against the canary only as many of the primary's requests count as can be the copies' originals, with all that
        # is bad of any of them. For it, a pass takes all of them for alike.
        fair = originals(counts)
        gains[:, WORSE] = relative(fair, test.theta[:, WORSE], test.slack[:, WORSE], LADDER)
    calm, votes = gains / test.phi, evidence.votes
    if votes is not None:
        events = np.maximum(counts[:, B_C] + counts[:, B_P], 1.0)  # a row counts as one event at most
        votes = votes.step(gains[:, WORSE] / events[:, None], h, test.needed / settings.vote_patience)
    return Evidence(
        worse=evidence.worse.step(calm[:, WORSE], h, test.needed / settings.patience),
        votes=votes,
        not_worse=evidence.not_worse.step(calm[:, BETTER], settings.needed_to_pass / settings.pass_patience),
        seen=tuple(seen.add(row) for seen, row in zip(evidence.seen, fair.tolist(), strict=True)),
        totals=evidence.totals + counts,
        stage_totals=evidence.stage_totals + counts,
        pending=pending,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Test:
    """The metrics' constants: (metric, alternative), where an alternative is of *worse* or of *not worse*."""

    theta: Floats
    slack: Floats
    phi: Floats
    needed: Floats  # the log evidence with which this metric alone would abort


@lru_cache
def _test(metrics: tuple[Metric, ...], weight: float, settings: JudgeSettings) -> _Test:
    limits = [metric.limits(settings) for metric in metrics]
    return _Test(
        theta=np.array([[one.tolerance] * len(LADDER) + [one.margin] * len(LOWER) for one in limits]),
        slack=np.array([[one.slack] * len(LADDER) + [one.margin_slack] * len(LOWER) for one in limits]),
        phi=np.array([[metric.phi] for metric in metrics]),
        needed=settings.needed - np.log(np.array([metric.weight for metric in metrics]) / weight),
    )


def _above_ceiling(state: JudgeState, interval: Interval, settings: JudgeSettings) -> Floats:
    """What the row says of each share of errors above the ceiling; nothing bad while the primary fails as well."""
    requests, errors = (interval.canary.requests, interval.canary.errors) if interval.canary else (0.0, 0.0)
    gains = absolute(requests, errors, settings.ceiling, _ceiling_shares(settings.ceiling)) / state.metrics[0].phi
    if state.course.veto_until is not None and interval.t <= state.course.veto_until:
        return np.minimum(gains, 0.0)
    return gains


@lru_cache
def _ceiling_shares(ceiling: float) -> Floats:
    shares = np.array(CEILING_TIMES) * ceiling
    below = shares[shares < 1]
    return below if below.size else np.array([(1 + ceiling) / 2])


def _latency_counts(course: Course, settings: JudgeSettings) -> bool:
    return course.watermark is not None and course.watermark - course.began > settings.latency_after


def _latency(settings: JudgeSettings, bounds: Sequence[float], history: Sequence[SideFigures]) -> tuple[Metric, ...]:
    """One metric per bound; equal bounds are one, with the weight of both."""
    chosen, weights = tuple(dict.fromkeys(bounds)), settings.weights
    pair = (weights.slow_a, weights.slow_b)
    shares = pair if len(chosen) == len(pair) else [weights.slow / max(len(chosen), 1)] * len(chosen)
    metrics = []
    for notification, weight, bound in zip(ascii_lowercase, shares, chosen, strict=False):
        name = f"slow_{notification}"
        counted = [counts for row in history if (counts := bad_of(Metric(name, weight, bound), row))]
        phi = dispersion([requests for requests, _ in counted], [slow for _, slow in counted])
        metrics.append(Metric(name, weight, bound, phi, phi > settings.vote_above))
    return tuple(metrics)


def _choose_bounds(state: JudgeState, interval: Interval, settings: JudgeSettings) -> JudgeState:
    """Without history: from the primary's first minute, in which latency is not judged anyway.

    Until then latency's weight is reserved: giving it to the other metrics and taking it back would be a bet on what
    was seen.
    """
    if len(state.metrics) > 1 or interval.primary is None or not interval.primary.buckets:
        return state
    if not _latency_counts(state.course, settings):
        before = SideFigures(requests=0, errors=0, buckets=state.first_buckets)
        nothing_observed = state.evidence.totals[0].sum() == 0
        reserved = settings.weights.slow if nothing_observed else state.reserved
        return replace(state, first_buckets=_summed([before, interval.primary]), reserved=reserved)
    metrics = _latency(settings, tail_bounds(state.first_buckets), ()) if state.reserved else ()
    if not metrics:
        return state
    fresh = Evidence.fresh(len(metrics), settings, bursty=state.evidence.votes is not None)
    return replace(
        state,
        metrics=state.metrics + metrics,
        evidence=state.evidence.joined(fresh),
        reserved=0.0,
        first_buckets={},
    )


def _summed(rows: Sequence[SideFigures]) -> dict[float, float]:
    bounds = {bound for row in rows for bound in row.buckets}
    return {bound: sum(row.buckets.get(bound, 0.0) for row in rows) for bound in sorted(bounds)}
