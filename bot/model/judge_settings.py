"""What the sequential judge can be told; the defaults were chosen by simulation. Shares are 0 to 1, times seconds.

Values alone, so that a service can carry them: how they are used is ``bot.analysis.judge``'s business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# Bad events below this many condemn nobody, however small the sample: the first error of a quiet service is no trend.
FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLimits:
    """What is tolerated of one metric.

    Attributes:
        tolerance, slack: worse is proven against ``tolerance`` x the primary's share + ``slack``. The slack is what
            keeps three errors in 100,000 requests from condemning a canary whose primary had none.
        margin, margin_slack: not worse is proven against these.
    """

    tolerance: float
    slack: float
    margin: float
    margin_slack: float

    def __post_init__(self) -> None:
        if self.tolerance < 1 or self.margin < 1 or self.slack < 0 or self.margin_slack < 0:
            raise ValueError("tolerance and margin are at least 1, slack and margin_slack at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How the right to abort by mistake is shared out; the share of a metric that is missing goes to the others."""

    errors: float = 0.6
    slow_a: float = 0.15
    slow_b: float = 0.15
    ceiling: float = 0.1

    def __post_init__(self) -> None:
        if min(self.errors, self.slow_a, self.slow_b, self.ceiling) <= 0:
            raise ValueError("weights are more than 0")

    @property
    def slow(self) -> float:
        """Both latency metrics."""
        return self.slow_a + self.slow_b


ERRORS = MetricLimits(tolerance=1.25, slack=0.0002, margin=1.5, margin_slack=0.005)
SLOW = MetricLimits(tolerance=1.5, slack=0.002, margin=2.0, margin_slack=0.02)
WEIGHTS = Weights()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """Every constant of the judge.

    Attributes:
        edition: of the judge, 1 or 2; a rollout keeps the one that it began with.
        alpha: probability of ever aborting a canary that is within tolerance.
        patience: rows that must agree before an abort where nobody can be taken home; 4 or 6 forgive longer blips and
            take longer.
        alpha_pass, pass_patience: the same for passing a canary that is worse than the margin.
        active, hazard, stage_injection: of the capital, how much bets from the start, how much of the reserve joins per
            row, and at a stage's first row; the reserve catches a canary that turns bad late.
        carry: share of the evidence for a pass that the next stage inherits.
        ceiling: share of errors that is too many whatever the primary does.
        bounds: latency bounds in milliseconds, at most two; empty: chosen from the primary.
        vote_above, vote_patience: from this burst factor on rows also vote, and how many votes an abort needs.
        least_seconds, least_requests: before a stage can pass.
        latency_after: slow requests before it are cold caches and do not count; errors always do, users see them.
        no_data_after: silence of a side that is said aloud.
        shield: whether users are taken home at low evidence, while the canary is judged by copies.
        slower_asks: whether people are asked about a canary whose typical latency is beyond what is allowed; else that
            is shown, and keeps nothing from going on.
        home: that evidence, as odds: 20 is 20 to 1 by errors; four times as much by latency.
        returns: times that users go back to the canary without anybody being asked.
    """

    edition: int = 1
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
    weights: Weights = WEIGHTS
    bounds: tuple[float, ...] = ()
    vote_above: float = 3.0
    vote_patience: float = 6
    least_seconds: float = 60.0
    least_requests: float = 100.0
    latency_after: float = 60.0
    no_data_after: float = 120.0
    shield: bool = False
    slower_asks: bool = True
    home: float = 20.0
    returns: int = 1

    def __post_init__(self) -> None:
        shares = (self.alpha, self.alpha_pass, self.active, self.hazard, self.stage_injection, self.ceiling)
        if not all(0 < share < 1 for share in shares) or not 0 <= self.carry <= 1:
            raise ValueError(
                "alpha, alpha_pass, active, hazard, stage_injection, ceiling and carry lie between 0 and 1"
            )
        if min(self.patience, self.pass_patience, self.vote_patience) < 1:
            raise ValueError("patience, pass_patience and vote_patience are at least 1")
        if self.home <= 1 or self.returns < 0:
            raise ValueError("home is more than 1, and returns at least 0")

    @property
    def needed(self) -> float:
        """The log evidence of an abort."""
        return math.log(1 / self.alpha)

    @property
    def needed_to_pass(self) -> float:
        """The log evidence of a pass."""
        return math.log(1 / self.alpha_pass)


FIRST = JudgeSettings()
SECOND = JudgeSettings(edition=2, active=0.7, hazard=1 / 400, vote_patience=8, shield=True)
STRICTNESS = SECOND  # of rollouts that begin now
OF_AN_EDITION = ("edition", "active", "hazard", "vote_patience", "shield")


def for_edition(settings: JudgeSettings, edition: int) -> JudgeSettings:
    """The same for another edition: what is as one of them ships it becomes what that edition ships."""
    if settings.edition == edition:
        return settings
    theirs, ours = (FIRST, SECOND) if edition == SECOND.edition else (SECOND, FIRST)
    shipped = {name: getattr(ours, name) for name in OF_AN_EDITION if getattr(settings, name) == getattr(theirs, name)}
    return replace(settings, **shipped)
