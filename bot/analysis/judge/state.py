"""What the judge remembers between two intervals: a frozen value.

Nothing is decided here: ``judge`` makes the next state, ``verdict`` reads it, ``saved`` writes it down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bot.analysis.judge.processes import NotWorse, Worse
from bot.analysis.judge.ratio import BadRequests
from bot.analysis.judge.settings import LADDER, Floats, JudgeSettings, MetricLimits

CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class Metric:
    """One kind of bad request; fixed at the start of the rollout.

    Attributes:
        bound: None: errors; else requests slower than so many milliseconds.
        phi: how much wider than Poisson the primary's counts were (``dispersion``).
        bursty: so wide that its rows also vote.
    """

    name: str
    weight: float
    bound: float | None = None
    phi: float = 1.0
    bursty: bool = False

    def limits(self, settings: JudgeSettings) -> MetricLimits:
        """What is tolerated of it."""
        return settings.errors if self.bound is None else settings.slow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What the rows have added up to; arrays and tuples have an entry per metric.

    Attributes:
        votes: a second opinion on bursty metrics, to which a row counts as one event at most; None: none is bursty.
        seen: for display alone.
        totals, stage_totals: (n_c, b_c, n_p, b_p) over the rollout and over the stage.
        pending: counts of one side whose other side was not scraped yet: a row covers the same time on both.
    """

    worse: Worse
    votes: Worse | None
    not_worse: NotWorse
    seen: tuple[BadRequests, ...]
    totals: Floats
    stage_totals: Floats
    pending: Floats

    @classmethod
    def fresh(cls, metrics: int, settings: JudgeSettings, *, bursty: bool) -> Evidence:
        """Nothing seen yet."""
        worse = Worse.fresh((metrics, len(LADDER)), settings.active)
        none = np.zeros((metrics, 4))
        return cls(
            worse=worse,
            votes=worse if bursty else None,
            not_worse=NotWorse.fresh(metrics),
            seen=(BadRequests(),) * metrics,
            totals=none,
            stage_totals=none,
            pending=none,
        )

    def joined(self, other: Evidence) -> Evidence:
        """With further metrics; both must vote or neither."""
        return Evidence(
            worse=self.worse.joined(other.worse),
            votes=self.votes.joined(other.votes) if self.votes and other.votes else None,
            not_worse=self.not_worse.joined(other.not_worse),
            seen=self.seen + other.seen,
            totals=np.concatenate([self.totals, other.totals]),
            stage_totals=np.concatenate([self.stage_totals, other.stage_totals]),
            pending=np.concatenate([self.pending, other.pending]),
        )


@dataclass(frozen=True, slots=True)
class Minute:
    """An interval within the last minute: its end, and both sides' requests and errors."""

    t: float
    n_c: float
    b_c: float
    n_p: float
    b_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where the rollout is in time.

    Attributes:
        watermark: end of the last interval that counted; one that ends no later has been seen.
        began, stage_began: start of the rollout's and of the stage's first interval.
        canary_at, primary_at: when each side was last scraped.
        compared_at: end of the last interval in which both sides had requests.
        veto_until: the primary failed lately; till then the ceiling is not held against the canary.
        limited: the last row was of copies of some requests only.
        recent: the last minute.
    """

    watermark: float | None = None
    began: float = 0.0
    stage: str = ""
    stage_began: float = 0.0
    canary_at: float = 0.0
    primary_at: float = 0.0
    compared_at: float | None = None
    veto_until: float | None = None
    limited: bool = False
    recent: tuple[Minute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgeState:
    """All that is remembered.

    Attributes:
        ceiling: evidence that the canary, looked at alone, fails more than is ever allowed.
        relapse: the same, of a canary whose earlier blip was forgiven.
        reserved: weight kept for latency while its bounds are not known yet (no history of the primary).
        past_share: the primary's share of errors before the rollout; None without history.
        first_buckets: the primary's first minute, from which bounds are chosen then.
        blind: latency metrics that one side has no bucket for; they are not judged, and people are told.
        aborted_by: the metric that decided; an abort is final.
    """

    metrics: tuple[Metric, ...]
    evidence: Evidence
    ceiling: Worse
    relapse: Worse
    ceiling_weight: float
    reserved: float = 0.0
    past_share: float | None = None
    course: Course = Course()
    first_buckets: Mapping[float, float] = field(default_factory=dict)
    blind: frozenset[str] = frozenset()
    aborted_by: str = ""

    @property
    def weight(self) -> float:
        """All weights together."""
        return sum(metric.weight for metric in self.metrics) + self.ceiling_weight + self.reserved

    @property
    def worse(self) -> Floats:
        """Log evidence *worse* per metric: of a bursty one, the mean of both processes."""
        worse, votes = self.evidence.worse.log_e, self.evidence.votes
        if votes is None:
            return worse
        bursty = [metric.bursty for metric in self.metrics]
        return np.where(bursty, np.logaddexp(worse, votes.log_e) - np.log(2), worse)

    @property
    def parts(self) -> dict[str, float]:
        """What each metric contributes to the whole evidence, as logs."""
        whole = math.log(self.weight)
        parts = {
            metric.name: math.log(metric.weight) - whole + log_e
            for metric, log_e in zip(self.metrics, self.worse.tolist(), strict=True)
        }
        return parts | {CEILING: math.log(self.ceiling_weight) - whole + float(self.ceiling.log_e)}

    @property
    def log_e(self) -> float:
        """The weighted mean of the metrics' e-values, as a log: valid however the metrics depend on each other."""
        parts = [*self.parts.values()]
        if self.reserved:  # a stake that is not bet keeps its value
            parts.append(math.log(self.reserved / self.weight))
        top = max(parts)
        return top + math.log(sum(math.exp(part - top) for part in parts))
