"""A line for each metric of a stage, below what decides: figures of both sides, and what is likely. Pure."""

from __future__ import annotations

from bot.analysis.conclusion import Case
from bot.analysis.gates import Sides
from bot.analysis.judge.evidence import N_C
from bot.analysis.judge.verdict import fair as comparable
from bot.analysis.judge.wording import times
from bot.model.figures import SLOWER, Finding, Unit, Verdict
from bot.model.formats import count, percent
from bot.model.rollout import Rollout
from bot.model.service import Measure


def find(rollout: Rollout, case: Case) -> list[Finding]:
    """A line per metric, with the stage's figures and how many times worse the subject probably is."""
    if not rollout.current.routes.compared:
        return _alone(rollout, case)
    shown = case.state.evidence.not_worse.shown(rollout.spec.gates.judge.needed_to_pass).tolist()
    return [
        _detail(rollout, case, place, shown=shown[place])
        for place, metric in enumerate(case.state.metrics)
        if metric.name not in case.state.blind
        and (metric.bound is not None or rollout.spec.gates.errors)
        and case.state.evidence.stage_totals[place][N_C] > 0
    ]


def _alone(rollout: Rollout, case: Case) -> list[Finding]:
    sides, ceiling = Sides.of(rollout, case.stage), rollout.spec.gates.judge.ceiling
    if sides.subject is None or sides.subject.error_share is None or not rollout.spec.gates.errors:
        return []
    share, sample = sides.subject.error_share, sides.subject.requests
    verdict = Verdict.FAIL if case.state.aborted_by else Verdict.PASS if share <= ceiling else Verdict.INCONCLUSIVE
    sentence = f"Errors on {sides.name}: {percent(share)} ({count(sides.subject.errors)} of {count(sample)})."
    return [
        Finding(
            gate="errors",
            verdict=verdict,
            sentence=sentence,
            value=share,
            limit=ceiling,
            sample=sample,
            part=True,
            unit=Unit.SHARE,
            compared=Measure.ERRORS,
        )
    ]


def _detail(rollout: Rollout, case: Case, place: int, *, shown: bool) -> Finding:
    metric, sides = case.state.metrics[place], Sides.of(rollout, case.stage)
    totals = case.state.evidence.stage_totals
    (n_c, b_c, n_p, b_p), (*_, fair, _) = (rows[place].tolist() for rows in (totals, comparable(case.state, totals)))
    limits, ratio = metric.limits(rollout.spec.gates.judge), case.assessment.metrics[metric.name].ratio
    against = b_p / n_p if n_p > 0 else 0.0
    what = "errors" if metric.bound is None else f"{SLOWER}{metric.bound:g} ms"
    compared = f"{percent(b_c / n_c)} ({count(b_c)} of {count(n_c)}), {sides.other} {percent(against)}"
    likely = (
        f"{times(ratio.low)} to {times(ratio.high)} times as many are likely, {limits.tolerance:g} times are tolerated"
    )
    verdict = Verdict.PASS if shown else Verdict.INCONCLUSIVE
    return Finding(
        gate=what,
        verdict=Verdict.FAIL if case.state.aborted_by == metric.name else verdict,
        sentence=f"{what.capitalize()} on {sides.name}: {compared}; {likely}.",
        value=b_c / n_c,
        limit=limits.tolerance * (b_p / fair if fair > 0 else 0.0) + limits.slack,
        sample=n_c,
        part=True,
        unit=Unit.SHARE,
        compared=Measure.ERRORS if metric.bound is None else Measure.LATENCY,
        bound=metric.bound,
    )
