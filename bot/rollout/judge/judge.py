"""The verdict after each interval: a state goes in, a new state and an assessment come out.

The metrics' evidence is combined by a weighted mean of e-values (valid however they depend on each other), against one
threshold for the whole rollout. An abort is final. A pass needs every metric shown to be not worse than its margin. An
interval counts once: one that ends at or before the watermark changes nothing.

While the primary fails as well, nobody is blamed: the absolute ceiling has a veto, and a pass waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from bot.rollout.gates import tail_bounds
from bot.rollout.judge.dispersion import dispersion
from bot.rollout.judge.evidence import Row, absolute, relative
from bot.rollout.judge.processes import Bets, Proof, hazard, lse
from bot.rollout.judge.ratio import Ratio, Seen
from bot.rollout.judge.settings import (
    CEILING_TIMES,
    LADDER,
    LOWER,
    ROW_SECONDS,
    Floats,
    JudgeSettings,
    MetricLimits,
)
from bot.rollout.model import SideFigures

RECENT = 60.0  # seconds of the primary's past that "is failing now" looks at
FEWEST_FAILING = 10
TIMES_ITS_PAST = 3
VETO_FEWEST = 3
EXACT = 1e-9  # three capped rows land exactly on the threshold


class Verdict(StrEnum):
    """What an interval leads to."""

    PASS = "pass"  # noqa: S105  # a verdict
    WATCH = "watch"
    HOLD = "hold"
    NO_DATA = "no_data"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Increments between two readings that end at ``t``; a missing side is a missing scrape, not zero."""

    t: float
    stage: str
    canary: SideFigures | None
    primary: SideFigures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One kind of bad request and what is known about it. ``bound`` None: errors; else slower than so many ms."""

    name: str
    weight: float
    bound: float | None = None
    phi: float = 1.0
    bets: Bets = field(default_factory=lambda: Bets.fresh(len(LADDER), JudgeSettings().active))
    vote: Bets | None = None
    proof: Proof = field(default_factory=Proof.fresh)
    seen: Seen = field(default_factory=Seen)
    totals: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def log_e(self) -> float:
        """Evidence *worse*: with bursty errors the mean of both processes."""
        if self.vote is None:
            return self.bets.log_e
        return float(np.logaddexp(self.bets.log_e, self.vote.log_e) - math.log(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeState:
    """All that is remembered between two intervals; small, and the same after ``saved``.

    ``recent``: (t, requests, errors) of the primary over the last minute. ``past_share``: its errors' share before.
    """

    metrics: tuple[Metric, ...]
    ceiling: Bets
    ceiling_weight: float
    past_share: float | None
    has_history: bool
    watermark: float | None = None
    began: float | None = None
    stage: str = ""
    stage_began: float = 0.0
    stage_requests: float = 0.0
    injected: bool = True
    canary_at: float | None = None
    primary_at: float | None = None
    veto_until: float = -math.inf
    recent: tuple[tuple[float, float, float, float, float], ...] = ()
    first_buckets: Mapping[float, float] = field(default_factory=dict)
    aborted_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One interval's answer; ``ratios`` by metric, for people."""

    verdict: Verdict
    log_e: float
    ratios: Mapping[str, Ratio]
    blame: str = "canary"  # canary, shared or primary


def start(settings: JudgeSettings, history: Sequence[SideFigures] = ()) -> JudgeState:
    """Before the first interval; ``history``: the primary's last hour in rows, which fixes burst factor and bounds."""
    requests = [row.requests for row in history]
    errors = [row.errors for row in history]
    state = JudgeState(
        metrics=(Metric(name="errors", weight=settings.weights["errors"], phi=_phi(requests, errors)),),
        ceiling=Bets.fresh(len(_ceiling_shares(settings)), settings.active),
        ceiling_weight=settings.weights["ceiling"],
        past_share=sum(errors) / sum(requests) if sum(requests) > 0 else None,
        has_history=bool(history),
    )
    bounds = settings.bounds or tail_bounds(_summed(history))
    return _with_latency(state, settings, bounds, history) if bounds else state


def step(state: JudgeState, interval: Interval, settings: JudgeSettings) -> tuple[JudgeState, Assessment]:
    """One more interval."""
    if state.watermark is not None and interval.t <= state.watermark:
        return state, _assess(state, state.watermark, settings)
    if interval.stage != state.stage:
        state = _next_stage(state, interval, settings)
    seconds = ROW_SECONDS if state.watermark is None else interval.t - state.watermark
    began = interval.t - seconds if state.began is None else state.began
    state = replace(state, watermark=interval.t, began=began)
    state = _with_stage_start(state, interval, seconds)
    state = _choose_bounds(state, interval, settings)
    if not state.aborted_by:
        state = _judge_row(state, interval, seconds, settings)
    return state, _assess(state, interval.t, settings)


def log_e(state: JudgeState) -> float:
    """The weighted mean e-value of all metrics, as a log; missing metrics' weights are spread over the others."""
    weights = [*(metric.weight for metric in state.metrics), state.ceiling_weight]
    values = [*(metric.log_e for metric in state.metrics), state.ceiling.log_e]
    return lse(np.log(np.array(weights) / sum(weights)) + np.array(values))


def _next_stage(state: JudgeState, interval: Interval, settings: JudgeSettings) -> JudgeState:
    needed = math.log(1 / settings.alpha_pass)
    first = state.stage == ""
    metrics = state.metrics
    if not first:
        metrics = tuple(replace(m, proof=m.proof.next_stage(settings.carry, needed)) for m in metrics)
    return replace(
        state, stage=interval.stage, metrics=metrics, stage_began=-math.inf, stage_requests=0.0, injected=first
    )


def _with_stage_start(state: JudgeState, interval: Interval, seconds: float) -> JudgeState:
    requests = interval.canary.requests if interval.canary else 0.0
    began = interval.t - seconds if math.isinf(state.stage_began) else state.stage_began
    return replace(state, stage_began=began, stage_requests=state.stage_requests + requests)


def _choose_bounds(state: JudgeState, interval: Interval, settings: JudgeSettings) -> JudgeState:
    """Without history: from the primary's first minute, in which latency is not judged anyway."""
    if len(state.metrics) > 1 or interval.primary is None or not interval.primary.buckets:
        return state
    if _latency_counts(state, interval.t, settings):
        bounds = tail_bounds(state.first_buckets)
        return _with_latency(state, settings, bounds, ()) if bounds else state
    return replace(
        state, first_buckets=_summed([SideFigures(requests=0, errors=0, buckets=state.first_buckets), interval.primary])
    )


def _latency_counts(state: JudgeState, t: float, settings: JudgeSettings) -> bool:
    return state.began is not None and t - state.began > settings.latency_after


def _with_latency(
    state: JudgeState, settings: JudgeSettings, bounds: Sequence[float], history: Sequence[SideFigures]
) -> JudgeState:
    """One metric per bound; equal bounds are one, with both weights."""
    chosen = tuple(dict.fromkeys(bounds))[:2]
    names = ("slow_a", "slow_b")
    whole = settings.weights["slow_a"] + settings.weights["slow_b"]
    weights = [whole] if len(chosen) == 1 else [settings.weights[name] for name in names]
    slow = [
        Metric(name=name, weight=weight, bound=bound, phi=_slow_phi(history, bound))
        for name, weight, bound in zip(names, weights, chosen, strict=False)
    ]
    return replace(state, metrics=(state.metrics[0], *slow))


def _judge_row(state: JudgeState, interval: Interval, seconds: float, settings: JudgeSettings) -> JudgeState:
    h = hazard(settings.hazard, seconds) if state.injected else settings.stage_injection
    state = _remember(state, interval, settings)
    weights = sum(metric.weight for metric in state.metrics) + state.ceiling_weight
    metrics = []
    for metric in state.metrics:
        row = _row(metric, interval, seconds)
        skip = metric.bound is not None and not _latency_counts(state, interval.t, settings)
        metrics.append(metric if row is None or skip else _stepped(metric, row, h, metric.weight / weights, settings))
    errors = _row(state.metrics[0], interval, seconds) or Row(0, 0, 0, 0, seconds)
    shares = _ceiling_shares(settings)
    gains = absolute(errors, settings.ceiling, shares, state.metrics[0].phi)
    if interval.t <= state.veto_until:
        gains = np.minimum(gains, 0.0)
    needed = math.log(weights / (settings.alpha * state.ceiling_weight))
    ceiling = state.ceiling.step(gains, h, needed / settings.patience)
    state = replace(state, metrics=tuple(metrics), ceiling=ceiling, injected=True)
    if log_e(state) < math.log(1 / settings.alpha) - EXACT:
        return state
    evidence = {m.name: math.log(m.weight) + m.log_e for m in state.metrics}
    evidence["ceiling"] = math.log(state.ceiling_weight) + state.ceiling.log_e
    # Capped rows make ties: the comparison with the primary says more than the ceiling, so it is named first.
    return replace(state, aborted_by=max(evidence, key=lambda name: round(evidence[name], 6)))


def _stepped(metric: Metric, row: Row, h: float, weight: float, settings: JudgeSettings) -> Metric:
    limits = limits_of(metric, settings)
    needed = math.log(1 / (settings.alpha * weight))
    gains = relative(row, limits.tolerance, limits.slack, LADDER, metric.phi)
    vote = metric.vote
    if metric.phi > settings.vote_above:
        votes = relative(row, limits.tolerance, limits.slack, LADDER, max(1.0, row.b_c + row.b_p))
        vote = (vote or Bets.fresh(len(LADDER), settings.active)).step(votes, h, needed / settings.vote_patience)
    better = relative(row, limits.margin, limits.margin_slack, LOWER, metric.phi)
    cap = math.log(1 / settings.alpha_pass) / settings.pass_patience
    counts = (row.n_c, row.b_c, row.n_p, row.b_p)
    return replace(
        metric,
        bets=metric.bets.step(gains, h, needed / settings.patience),
        vote=vote,
        proof=metric.proof.step(better, cap),
        seen=metric.seen.add(row),
        totals=tuple(total + count for total, count in zip(metric.totals, counts, strict=True)),  # type: ignore[arg-type]  # four stay four
    )


def _remember(state: JudgeState, interval: Interval, settings: JudgeSettings) -> JudgeState:
    """When each side was last heard of, the last minute, and how long the ceiling's veto lasts."""
    t, primary, canary = interval.t, interval.primary, interval.canary
    n_p, b_p = (primary.requests, primary.errors) if primary else (0.0, 0.0)
    n_c, b_c = (canary.requests, canary.errors) if canary else (0.0, 0.0)
    recent = tuple(row for row in (*state.recent, (t, n_p, b_p, n_c, b_c)) if row[0] > t - RECENT)
    failing = b_p >= VETO_FEWEST and b_p > settings.ceiling / 2 * n_p
    return replace(
        state,
        recent=recent,
        veto_until=t + RECENT if failing else state.veto_until,
        canary_at=t if canary else state.canary_at,
        primary_at=t if primary else state.primary_at,
    )


def _assess(state: JudgeState, t: float, settings: JudgeSettings) -> Assessment:
    ratios = {m.name: m.seen.ratio(limits_of(m, settings).tolerance, m.phi) for m in state.metrics}
    total = log_e(state)
    blame = _blame(state, settings)
    verdict = _verdict(state, t, total, blame, settings)
    return Assessment(verdict=verdict, log_e=total, ratios=ratios, blame=blame)


def _verdict(state: JudgeState, t: float, total: float, blame: str, settings: JudgeSettings) -> Verdict:
    if state.aborted_by:
        return Verdict.ABORT
    if any(
        t - (at if at is not None else state.began or t) >= settings.no_data_after
        for at in (state.canary_at, state.primary_at)
    ):
        return Verdict.NO_DATA
    if blame == "shared":
        return Verdict.HOLD
    needed = math.log(1 / settings.alpha_pass)
    shown = all(m.proof.log_e >= needed and m.proof.stage_log_e >= 0 for m in state.metrics)
    served = t - state.stage_began >= settings.least_seconds and state.stage_requests >= settings.least_requests
    fresh = t == state.canary_at == state.primary_at  # half a row must not be what lets a stage pass
    return Verdict.PASS if shown and served and fresh and total <= 0 and blame == "canary" else Verdict.WATCH


def _blame(state: JudgeState, settings: JudgeSettings) -> str:
    """Who fails over the last minute: both (going back would not help), the primary alone, or at most the canary."""
    n_p, b_p, n_c, b_c = (sum(row[place] for row in state.recent) for place in (1, 2, 3, 4))
    share = b_p / n_p if n_p > 0 else 0.0
    above_past = state.past_share is not None and share >= TIMES_ITS_PAST * state.past_share
    failing = n_p > 0 and ((share > settings.ceiling and b_p >= VETO_FEWEST) or (b_p >= FEWEST_FAILING and above_past))
    if not failing:
        return "canary"
    return "shared" if n_c > 0 and b_c / n_c >= share / 2 else "primary"


def limits_of(metric: Metric, settings: JudgeSettings) -> MetricLimits:
    """What is tolerated of this metric."""
    return settings.errors if metric.bound is None else settings.slow


def _row(metric: Metric, interval: Interval, seconds: float) -> Row | None:
    """The metric's counts; None where the interval cannot say (no histogram, another set of bounds)."""
    canary, primary = _bad(metric, interval.canary), _bad(metric, interval.primary)
    if canary is None or primary is None:
        return None
    return Row(*canary, *primary, seconds)


def _bad(metric: Metric, side: SideFigures | None) -> tuple[float, float] | None:
    if side is None:
        return 0.0, 0.0  # a missing side carries no evidence; its next row has the longer increment
    if metric.bound is None:
        return side.requests, side.errors
    if metric.bound not in side.buckets:
        return None if side.requests > 0 else (0.0, 0.0)
    total = max(side.buckets.values())
    return total, total - side.buckets[metric.bound]


def _ceiling_shares(settings: JudgeSettings) -> Floats:
    """What the ceiling's process bets on; above a high ceiling, the middle of what is left."""
    shares = [times * settings.ceiling for times in CEILING_TIMES if times * settings.ceiling < 1]
    return np.array(shares or [(1 + settings.ceiling) / 2])


def _summed(rows: Sequence[SideFigures]) -> dict[float, float]:
    bounds = {bound for row in rows for bound in row.buckets}
    return {bound: sum(row.buckets.get(bound, 0.0) for row in rows) for bound in sorted(bounds)}


def _phi(requests: Sequence[float], bad: Sequence[float]) -> float:
    return dispersion(requests, bad) if requests else 1.0


def _slow_phi(history: Sequence[SideFigures], bound: float) -> float:
    rows = [row for row in history if bound in row.buckets]
    totals = [max(row.buckets.values()) for row in rows]
    return _phi(totals, [total - row.buckets[bound] for total, row in zip(totals, rows, strict=True)])
