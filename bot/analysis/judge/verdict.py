"""The answer after an interval, read off a state: who fails, and whether to abort, pass, hold or go on watching.

One threshold holds for the whole rollout and an abort is final. A pass needs every metric shown to be not worse than
its margin; no correction for several metrics there, since all must hold. While the primary fails, nobody is promoted;
when both fail, going back would not help.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.analysis.judge.evidence import B_C, B_P, N_C, N_P, originals
from bot.analysis.judge.ratio import BadRequests, Ratio
from bot.analysis.judge.settings import Floats, JudgeSettings
from bot.analysis.judge.state import Judged, Minute

FAILING_FEWEST = 3  # errors in a minute above the ceiling
FAILING_MANY = 10  # errors in a minute, and ...
FAILING_TIMES = 3  # ... so many times the primary's share before the rollout
SLOWER = "slower"  # what is doubted where only typical latency is
FEW_BAD = 5  # a canary with fewer bad requests is not suspected when its time is up


class Decision(StrEnum):
    """What an interval leads to."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    WATCH = "watch"
    HOLD = "hold"
    NO_DATA = "no_data"
    ABORT = "abort"


class Failing(StrEnum):
    """Who fails over the last minute."""

    NOBODY = "nobody"
    CANARY = "canary"
    SHARED = "shared"  # a common cause: going back would not help
    PRIMARY = "primary"  # the primary alone: going back would harm


class Overdue(StrEnum):
    """What is left to say when a stage's time is up and it has neither passed nor failed. Never a pass."""

    NOT_PROVEN = "not proven"  # nothing speaks against the canary: the service's policy decides
    SUSPECT = "suspect"  # its figures look worse than tolerated: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What the second edition's shield has to say.

    Attributes:
        by: users go home now, because of this metric or the ceiling; "": they need not.
        kept: they would, because of this one, but home is no better, or nobody is ready there; "": nothing keeps them.
        counts: of both sides in the stage so far, of that metric (errors, where it is the ceiling).
        bound: of that metric, milliseconds; None: it is errors.
    """

    by: str = ""
    kept: str = ""
    counts: tuple[float, ...] = ()
    bound: float | None = None


AWAY = Home()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAssessment:
    """One metric's evidence, as logs; ``ratio`` is worked out when asked for."""

    worse: float
    not_worse: float
    seen: BadRequests
    tolerance: float
    phi: float

    @property
    def ratio(self) -> Ratio:
        """For people: how many times worse the canary probably is."""
        return self.seen.ratio(self.tolerance, self.phi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One interval's answer; ``suspect``: the metric that is doubted when a stage's time is up, or ""."""

    verdict: Decision
    log_e: float
    metrics: Mapping[str, MetricAssessment]
    ceiling: float
    failing: Failing
    overdue: Overdue | None = None
    suspect: str = ""
    home: Home = AWAY


def assess(state: Judged, settings: JudgeSettings, deadline: float) -> Assessment:
    """The state's answer; ``deadline``: when the stage should have passed."""
    log_e, failing = state.log_e, who_fails(state.recent, state.past_share, settings)
    verdict = _verdict(state, log_e, failing, settings)
    overdue, suspect = None, ""
    if verdict is Decision.WATCH and (state.watermark or 0.0) >= deadline:
        suspect = _suspect(state, log_e, settings)
        overdue = Overdue.SUSPECT if suspect else Overdue.NOT_PROVEN
        verdict = Decision.HOLD if suspect else verdict
    return Assessment(
        verdict=verdict,
        log_e=log_e,
        metrics=_metrics(state, settings),
        ceiling=state.above_ceiling,
        failing=failing,
        overdue=overdue,
        suspect=suspect,
    )


def _verdict(state: Judged, log_e: float, failing: Failing, settings: JudgeSettings) -> Decision:
    if state.aborted_by:
        return Decision.ABORT
    if _silent(state, settings):
        return Decision.NO_DATA
    if failing is Failing.SHARED:
        return Decision.HOLD
    passed = failing is Failing.NOBODY and state.passes(settings, log_e)
    return Decision.PASS if passed else Decision.WATCH


def _silent(state: Judged, settings: JudgeSettings) -> bool:
    """For too long; before the first interval nobody is: that nothing was scraped yet is no news."""
    if state.watermark is None:
        return False
    return state.watermark - min(state.canary_at, state.primary_at) >= settings.no_data_after


def who_fails(recent: Sequence[Minute], past_share: float | None, settings: JudgeSettings) -> Failing:
    """Over the last minute; ``past_share``: of errors, the primary's before the rollout, where it is known."""
    n_c, b_c = sum(row.n_c for row in recent), sum(row.b_c for row in recent)
    n_p, b_p = sum(row.n_p for row in recent), sum(row.b_p for row in recent)
    if not _fails(n_p, b_p, past_share, settings):
        return Failing.CANARY if _fails(n_c, b_c, past_share, settings) else Failing.NOBODY
    return Failing.SHARED if n_c > 0 and b_c / n_c >= b_p / n_p / 2 else Failing.PRIMARY


def _fails(requests: float, errors: float, past_share: float | None, settings: JudgeSettings) -> bool:
    """Above the ceiling, or far above what the primary was like before."""
    if requests <= 0:
        return False
    share = errors / requests
    above = past_share is not None and share >= FAILING_TIMES * past_share
    return (errors >= FAILING_FEWEST and share > settings.ceiling) or (errors >= FAILING_MANY and above)


def _suspect(state: Judged, log_e: float, settings: JudgeSettings) -> str:
    """The metric for which the subject looks worse than tolerated, not surely; "" where none does."""
    if log_e > 0:
        against = {metric.name: e for metric, e in zip(state.metrics, state.worse.tolist(), strict=True)}
        most = max(against, key=lambda name: against[name])
        return most if against[most] > 0 else state.metrics[0].name  # else it is the ceiling, which is about errors
    excess = {name: over for name, over in _excess(state, settings) if over > 0}
    asks = state.slower and settings.slower_asks
    return max(excess, key=lambda name: excess[name], default=SLOWER if asks else "")


def _excess(state: Judged, settings: JudgeSettings) -> Iterator[tuple[str, float]]:
    """Bad requests of the stage beyond what is allowed, by metric; none where there are a few only."""
    for metric, row in zip(state.metrics, fair(state, state.stage_totals).tolist(), strict=True):
        limits = metric.limits(settings)
        most = (limits.tolerance * row[B_P] / max(row[N_P], 1.0) + limits.slack) * row[N_C]
        yield metric.name, row[B_C] - most if row[B_C] >= FEW_BAD else 0.0


def fair(state: Judged, totals: Floats) -> Floats:
    """Totals as both sides may be compared by them; see ``originals``."""
    return originals(totals) if state.limited else totals


def _metrics(state: Judged, settings: JudgeSettings) -> dict[str, MetricAssessment]:
    return {
        metric.name: MetricAssessment(
            worse=worse,
            not_worse=shown,
            seen=seen,
            tolerance=metric.limits(settings).tolerance,
            phi=metric.phi,
        )
        for metric, worse, shown, seen in zip(
            state.metrics, state.worse.tolist(), state.not_worse.tolist(), state.seen, strict=True
        )
    }
