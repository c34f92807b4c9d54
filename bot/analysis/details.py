"""A line for each metric of a stage, below what decides: both sides, what is allowed, what is likely. Pure."""

from __future__ import annotations

from bot.analysis.amounts import by_side, of
from bot.analysis.conclusion import Case, names
from bot.analysis.judge.state import CEILING
from bot.analysis.judge.wording import Account, allowed, decisive, figures, likely
from bot.analysis.sides import Sides
from bot.model.figures import SLOWER, Finding, Tendency, Unit, Verdict
from bot.model.rollout import Rollout
from bot.model.service import Measure
from bot.words.sentence import Share, said


def find(rollout: Rollout, case: Case) -> list[Finding]:
    """A line per metric, with the same figures as the sentence about it."""
    if not rollout.current.routes.compared:
        return _alone(rollout, case)
    shown = case.state.shown(rollout.spec.gates.judge)
    decides = decisive(case.state, case.assessment, names(rollout))
    return [
        _detail(rollout, case, decides if metric == decides.metric else account, shown=shown[place])
        for place, metric in enumerate(case.state.metrics)
        if metric.name not in case.state.blind
        and (metric.bound is not None or rollout.spec.gates.errors)
        and (account := Account(metric, case.state.stage_totals[place].tolist())).counts[0] > 0
    ]


def _alone(rollout: Rollout, case: Case) -> list[Finding]:
    sides, ceiling = Sides.of(rollout, case.stage), rollout.spec.gates.judge.ceiling
    if sides.subject is None or sides.subject.error_share is None or not rollout.spec.gates.errors:
        return []
    share, sample = sides.subject.error_share, sides.subject.requests
    verdict = Verdict.FAIL if case.state.aborted_by else Verdict.PASS if share <= ceiling else Verdict.INCONCLUSIVE
    most, here = said("analysis.allowed_most", most=Share(ceiling)), of(sides.subject.errors, sample)
    return [
        Finding(
            gate="errors",
            verdict=verdict,
            sentence=said("analysis.detail_alone", name=sides.name, here=here, allowed=most),
            value=share,
            limit=ceiling,
            sample=sample,
            part=True,
            unit=Unit.SHARE,
            compared=Measure.ERRORS,
            allowed=most,
            seen=Tendency.WORSE if share > ceiling else None,
            **by_side(rollout, here),
        )
    ]


def _detail(rollout: Rollout, case: Case, account: Account, *, shown: bool) -> Finding:
    metric, called, judge = account.metric, names(rollout), rollout.spec.gates.judge
    n_c, b_c, n_p, b_p = account.counts
    limits, ratio = metric.limits(judge), case.assessment.metrics[metric.name].ratio
    most, limit = allowed(metric, judge, called), limits.tolerance * _compared_share(case, account) + limits.slack
    leans_worse = ratio.low > limits.tolerance or case.assessment.suspect == metric.name
    failed = case.state.aborted_by == metric.name or (case.state.aborted_by == CEILING and metric.bound is None)
    verdict = Verdict.FAIL if failed else Verdict.PASS if shown else Verdict.INCONCLUSIVE
    return Finding(
        gate="errors" if metric.bound is None else f"{SLOWER}{metric.bound:g} ms",
        verdict=verdict,
        sentence=said(
            "analysis.detail", name=called.subject, figures=figures(account, called), allowed=most, likely=likely(ratio)
        ),
        value=b_c / n_c if n_c > 0 else None,
        limit=limit,
        sample=n_c,
        part=True,
        unit=Unit.SHARE,
        compared=Measure.ERRORS if metric.bound is None else Measure.LATENCY,
        bound=metric.bound,
        allowed=most,
        seen=Tendency.WORSE if verdict is Verdict.INCONCLUSIVE and leans_worse else None,
        **by_side(rollout, of(b_c, n_c), of(b_p, n_p)),
    )


def _compared_share(case: Case, account: Account) -> float:
    """The other side's share of bad requests, as the subject may be compared with it."""
    n_c, _, n_p, b_p = account.counts
    requests = min(n_p, n_c) if case.state.limited else n_p  # no more than can have been copied
    return b_p / requests if requests > 0 else 0.0
