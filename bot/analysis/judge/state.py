"""What the first edition remembers between two intervals, a frozen value; and what is read off either edition's.

``judge`` makes the next state, ``verdict`` reads it, ``saved`` writes it down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bot.analysis.judge.evidence import N_C
from bot.analysis.judge.processes import NotWorse, Worse, lse
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


class Judged(Protocol):
    """What is read off a rollout's evidence, whichever edition gathers it; arrays have an entry per metric."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Errors, and a latency for each bound."""
        ...

    @property
    def past_share(self) -> float | None:
        """Of errors, the primary's before the rollout; None: not known."""
        ...

    @property
    def blind(self) -> frozenset[str]:
        """Latencies for which one side has no bucket: they are not judged, and people are told."""
        ...

    @property
    def aborted_by(self) -> str:
        """The metric that decided an abort, which is final; or ""."""
        ...

    @property
    def watermark(self) -> float | None:
        """End of the last interval that counted."""
        ...

    @property
    def began(self) -> float:
        """Start of the first interval."""
        ...

    @property
    def canary_at(self) -> float:
        """When the canary was last scraped."""
        ...

    @property
    def primary_at(self) -> float:
        """When the primary was last scraped."""
        ...

    @property
    def limited(self) -> bool:
        """The last interval was of copies of some requests only."""
        ...

    @property
    def recent(self) -> tuple[Minute, ...]:
        """The last minute."""
        ...

    @property
    def totals(self) -> Floats:
        """Counts of the whole rollout."""
        ...

    @property
    def stage_totals(self) -> Floats:
        """Counts of this stage."""
        ...

    @property
    def seen(self) -> tuple[BadRequests, ...]:
        """Bad requests, for display alone."""
        ...

    @property
    def worse(self) -> Floats:
        """Log evidence *worse*."""
        ...

    @property
    def not_worse(self) -> Floats:
        """Log evidence *not worse*."""
        ...

    @property
    def above_ceiling(self) -> float:
        """Log evidence that the canary, looked at alone, fails more than is ever allowed."""
        ...

    @property
    def log_e(self) -> float:
        """The whole evidence of an abort, as a log."""
        ...

    @property
    def slower(self) -> bool:
        """Its typical latency is, which is a question and never an abort."""
        ...

    def share(self, metric: Metric) -> float:
        """Of the right to abort by mistake, this metric's part."""
        ...

    def shown(self, settings: JudgeSettings) -> Sequence[bool]:
        """Per metric, whether it is shown to be within the margin."""
        ...

    def passes(self, settings: JudgeSettings, log_e: float) -> bool:
        """Whether its last row passes the stage, where nobody fails."""
        ...


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
    def watermark(self) -> float | None:
        """End of the last interval that counted."""
        return self.course.watermark

    @property
    def began(self) -> float:
        """Start of the first interval."""
        return self.course.began

    @property
    def canary_at(self) -> float:
        """When the canary was last scraped."""
        return self.course.canary_at

    @property
    def primary_at(self) -> float:
        """When the primary was last scraped."""
        return self.course.primary_at

    @property
    def limited(self) -> bool:
        """The last row was of copies of some requests only."""
        return self.course.limited

    @property
    def recent(self) -> tuple[Minute, ...]:
        """The last minute."""
        return self.course.recent

    @property
    def totals(self) -> Floats:
        """Counts of the whole rollout, by metric."""
        return self.evidence.totals

    @property
    def stage_totals(self) -> Floats:
        """Counts of this stage, by metric."""
        return self.evidence.stage_totals

    @property
    def seen(self) -> tuple[BadRequests, ...]:
        """Bad requests, for display alone."""
        return self.evidence.seen

    @property
    def not_worse(self) -> Floats:
        """Log evidence *not worse* per metric."""
        return lse(self.evidence.not_worse.all)

    @property
    def above_ceiling(self) -> float:
        """Log evidence against the ceiling."""
        return float(self.ceiling.log_e)

    @property
    def slower(self) -> bool:
        """Typical latency is no matter of this edition."""
        return False

    def share(self, metric: Metric) -> float:
        """Of the right to abort by mistake, this metric's part."""
        return metric.weight / self.weight

    def shown(self, settings: JudgeSettings) -> list[bool]:
        """Per metric, whether it is shown to be within the margin."""
        return list(map(bool, self.evidence.not_worse.shown(settings.needed_to_pass).tolist()))

    def passes(self, settings: JudgeSettings, log_e: float) -> bool:
        """Long enough, enough requests, both sides seen just now, and all shown."""
        course = self.course
        if log_e > 0 or course.watermark is None or course.compared_at != course.watermark:
            return False
        served = course.watermark - course.stage_began >= settings.least_seconds
        served = served and self.stage_totals[0, N_C] >= settings.least_requests
        shown = zip(self.metrics, self.shown(settings), strict=True)
        return bool(served) and all(one or metric.name in self.blind for metric, one in shown)

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
