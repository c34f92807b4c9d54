"""What the judge can be told; the defaults were chosen by simulation. Shares are 0 to 1, times seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Alternatives: how many times worse (or better) a canary may be that a process is built to notice.
LADDER: Floats = np.geomspace(1.2, 64, 12)
LOWER: Floats = np.geomspace(0.02, 0.8, 8)
CEILING_TIMES = (1.5, 2.5, 4.0, 8.0)
ROW_SECONDS = 15.0  # the hazard is per row of this length


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLimits:
    """What is tolerated of one metric.

    Attributes:
        tolerance, slack: worse is proven against ``tolerance`` x the primary's share + ``slack``.
        margin, margin_slack: not worse is proven against these.
    """

    tolerance: float
    slack: float
    margin: float
    margin_slack: float


ERRORS = MetricLimits(tolerance=1.25, slack=0.0002, margin=1.5, margin_slack=0.005)
SLOW = MetricLimits(tolerance=1.5, slack=0.002, margin=2.0, margin_slack=0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """Every constant of the judge.

    Attributes:
        alpha: probability of ever aborting a canary that is within tolerance.
        patience: rows that must agree before an abort; 4 or 6 forgive longer blips and take longer.
        alpha_pass, pass_patience: the same for passing a canary that is worse than the margin.
        active, hazard, stage_injection: of the capital, how much bets from the start, how much of the reserve joins per
            row, and at a stage's first row; the reserve catches a canary that turns bad late.
        carry: share of the evidence for a pass that the next stage inherits.
        ceiling: share of errors that is too many whatever the primary does.
        bounds: latency bounds in milliseconds; empty: chosen from the primary.
    """

    alpha: float = 0.05
    patience: float = 3
    alpha_pass: float = 0.05
    pass_patience: float = 4
    active: float = 0.8
    hazard: float = 1 / 200
    stage_injection: float = 0.25
    carry: float = 0.5
    ceiling: float = 0.05
    errors: MetricLimits = ERRORS
    slow: MetricLimits = SLOW
    weights: dict[str, float] = field(
        default_factory=lambda: {"errors": 0.6, "slow_a": 0.15, "slow_b": 0.15, "ceiling": 0.1}
    )
    bounds: tuple[float, ...] = ()
    vote_above: float = 3.0
    vote_patience: float = 6
    least_seconds: float = 60.0
    least_requests: float = 100.0
    latency_after: float = 60.0
    no_data_after: float = 120.0
