"""Judging a live rollout: one reading of the figures goes in, a judgement and what must be remembered come out. Pure.

Every request enters the judge exactly once: a reading begins where the last one that was kept ended
(``AnalysisState.until``), however long ago that was. Readings come with every reconcile, but a row of the judge must
hold at least one scrape of everybody, or its cap per row would mean nothing. So the row that is open is judged anew at
each look, over all of its time so far, and kept once a scrape interval has passed. That never weakens the judge's
promise: the cap is concave, so the capped evidence of a part of a row is, on average, at least that of the whole.

While users return, the upgraded primary is on trial and the canary is what it is compared with: an analysis of its own.
Where everyone is on one side there is nothing to compare with; the absolute ceiling alone is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.analysis import client_errors, gates
from bot.analysis.gates import Sides, badness
from bot.analysis.judge.evidence import N_C
from bot.analysis.judge.forecast import forecast
from bot.analysis.judge.judge import Interval, again, start, step
from bot.analysis.judge.saved import load, save
from bot.analysis.judge.state import JudgeState
from bot.analysis.judge.verdict import Assessment, Decision, Failing, Overdue, assess
from bot.analysis.judge.verdict import fair as comparable
from bot.analysis.judge.wording import Names, forecast_text, text, times
from bot.analysis.mirror_harm import HARM
from bot.model.figures import EVIDENCE, UNPROVEN, AnalysisState, Figures, Finding, Judgement, SideFigures, Verdict
from bot.model.formats import count, percent
from bot.model.judge_settings import FEWEST
from bot.model.rollout import WATCHED, Phase, Rollout
from bot.model.service import GateLimits, Unproven

DOUBTS = frozenset({HARM, client_errors.CLIENTS})  # gates that hold at once, and that people may overrule
LONGEST = 3600.0  # seconds; what was answered before is no evidence any more, and Prometheus may have forgotten it
APART = 1.0  # seconds that clocks of two machines may be apart, where figures are read without a delay


def begin(limits: GateLimits, history: Sequence[SideFigures]) -> AnalysisState:
    """Before the first reconcile. ``history``: the primary's last hour, in rows of a scrape interval each."""
    rows = [_judged_of(row, limits) for row in history]
    before = sum(rows[1:], start=rows[0]) if rows else None
    return AnalysisState(
        judge=save(start(limits.judge, rows)), clients=client_errors.begin(limits, history), before=before
    )


def span(rollout: Rollout, now: float) -> tuple[float, float] | None:
    """What the next reading has to cover, seconds since the epoch; None while there is nothing to judge.

    It ends a delay behind the clock: a sample bears the time at which its scrape began, and is there once it has ended.
    """
    since = rollout.analysis_state.until if rollout.analysis_state.until is not None else rollout.settled_at
    until = now - rollout.spec.metrics.delay
    if rollout.phase not in WATCHED or since is None or until <= since:
        return None
    return (since if until - since <= LONGEST else until - gates.lately(rollout), until)


def unread(rollout: Rollout, now: float) -> Judgement:
    """The judgement of a reconcile without a reading: the last one of this stage, if there is one.

    A clock behind what was read already reads nothing new, and what it read before is no reason to go on.
    """
    behind = rollout.analysis_state.until - now if rollout.analysis_state.until is not None else 0.0
    if behind > APART:
        sentence = (
            f"The clock is {behind:.0f} s behind the figures that were read already: nothing new can be judged until "
            "it has caught up. Set the clocks of canary-bot's machines by NTP."
        )
        finding = Finding(gate=EVIDENCE, verdict=Verdict.INCONCLUSIVE, sentence=sentence)
        return Judgement(at=now, verdict=Verdict.INCONCLUSIVE, findings=(finding,), hold=True)
    same = rollout.judgement is not None and rollout.analysis_state.stage == rollout.current.name
    return rollout.judgement if rollout.judgement is not None and same else gates.warming_up(now)


def analyse(rollout: Rollout, row: Figures) -> tuple[Judgement, AnalysisState]:
    """All that a reading says about the current stage, and the analysis with it.

    Args:
        rollout: as it is stored, in a phase that is watched.
        row: figures since ``AnalysisState.until``, as ``span`` asked for them.
    """
    analysis_state, absent, watermarks = _begun(rollout), _absent(rollout, row), row.watermarks
    row = _believed(replace(row, watermarks={}), analysis_state)
    state, assessment, whole = _stepped(rollout, _kept(analysis_state, rollout), row)
    stage = row if analysis_state.sums is None else analysis_state.sums + row
    recent = (*_lately(analysis_state.recent, row.end, gates.lately(rollout)), row)
    beside, strikes = gates.check(rollout, stage, recent, analysis_state.strikes)
    clients = (
        client_errors.analysed(analysis_state.clients, rollout, row, first=analysis_state.sums is None)
        if whole
        else analysis_state.clients
    )
    beside = (*beside, *client_errors.find(clients, rollout, stage, recent))
    judgement = _judgement(rollout, _Case(state=state, assessment=assessment, stage=stage, absent=absent), beside)
    if rollout.current.routes.compared:  # also by a row that is still open: a stage may be left on it
        analysis_state = replace(
            analysis_state, shown=judgement.proven, sample=_sample(rollout, stage) or analysis_state.sample
        )
    if not whole:
        return judgement, analysis_state
    # What was answered before the routes were in force is judged, and is none of the stage's own.
    sums = stage if rollout.settled_at is None or row.start >= rollout.settled_at else analysis_state.sums
    analysis_state = replace(analysis_state, until=row.end, watermarks=watermarks, judge=save(state), clients=clients)
    return judgement, replace(analysis_state, sums=sums, recent=recent, strikes=strikes)


def _lately(rows: Sequence[Figures], end: float, back: float) -> Iterator[Figures]:
    """The rows of so many seconds before ``end``. One that is longer itself (nothing was read for a while) is not among
    them: it would thin out what came after it for as long again.
    """
    return (one for one in rows if one.end > end - back and one.end - one.start <= back)


# The row


def _begun(rollout: Rollout) -> AnalysisState:
    """The analysis as the current stage needs it: another subject begins anew, another stage counts anew."""
    analysis_state, settings = rollout.analysis_state, rollout.spec.gates.judge
    target = rollout.spec.target
    subject = target.primary_deployment if rollout.primary_judged else target.canary_deployment
    if analysis_state.subject and analysis_state.subject != subject:
        begun, clients = (
            save(again(_kept(analysis_state, rollout), settings)),
            client_errors.again(analysis_state.clients, rollout),
        )
        analysis_state = replace(analysis_state, judge=begun, clients=clients, recent=(), shown=False)
    if analysis_state.stage != rollout.current.name:
        clients = client_errors.passed_on(analysis_state.clients, rollout, analysis_state.sums)
        analysis_state = replace(analysis_state, stage=rollout.current.name, clients=clients, sums=None, strikes={})
    return replace(analysis_state, subject=subject)


def _kept(analysis_state: AnalysisState, rollout: Rollout) -> JudgeState:
    """The judge's state as it was kept; evidence that another version kept begins again."""
    try:
        return load(analysis_state.judge) if analysis_state.judge else start(rollout.spec.gates.judge)
    except ValueError:
        return start(rollout.spec.gates.judge)


def _absent(rollout: Rollout, row: Figures) -> str:
    """The side that is needed and has no series at all; "" when both are there, scraped again or not."""
    sides = Sides.of(rollout, row)
    if sides.subject is None:
        return sides.name
    return sides.other if rollout.current.routes.compared and sides.reference is None else ""


def _believed(row: Figures, analysis_state: AnalysisState) -> Figures:
    """The row without a side that says nothing new.

    Without a scrape in it there are no counts yet; what was counted is kept, however old the newest scrape looks. And a
    side that was counted before, but has no sample where the row begins, has lost its past (a Prometheus that came back
    empty): all it ever answered would look like news.
    """
    counted = analysis_state.recent[-1] if analysis_state.recent else None
    primary = _news(row.primary, counted.primary if counted else None)
    return replace(row, primary=primary, canary=_news(row.canary, counted.canary if counted else None))


def _news(side: SideFigures | None, counted: SideFigures | None) -> SideFigures | None:
    if side is None or side.last is None:
        return side
    if side.first is None:
        return None if counted is not None else side
    return side if side.last > side.first or side.requests else None


def _stepped(rollout: Rollout, kept: JudgeState, row: Figures) -> tuple[JudgeState, Assessment, bool]:
    """The judge's state with the row in it, its answer, and whether the row is whole: long enough to be kept."""
    settings, stage = rollout.spec.gates.judge, rollout.current
    sides = Sides.of(rollout, row)
    every = rollout.spec.metrics.scrape_interval
    # On one grid for all rollouts, so that their readings begin together and are asked for together.
    whole = math.floor(row.end / every) > math.floor(row.start / every)
    served = rollout.settled_at is not None and row.end >= rollout.settled_at + stage.seconds
    deadline = -math.inf if served else math.inf
    subject, reference = (_judged(side, rollout) for side in (sides.subject, sides.reference))
    if not stage.routes.compared:
        reference = reference or SideFigures(requests=0, errors=0)
    if not whole and (subject is None or reference is None):
        return kept, assess(kept, settings, deadline), False
    interval = Interval(
        t=row.end, stage=stage.name, canary=subject, primary=reference, since=row.start, limited=rollout.limited
    )
    state, assessment = step(kept, interval, settings, deadline)
    return state, assessment, whole or bool(state.aborted_by)


def _judged(side: SideFigures | None, rollout: Rollout) -> SideFigures | None:
    return None if side is None else _judged_of(side, rollout.spec.gates)


def _judged_of(side: SideFigures, limits: GateLimits) -> SideFigures:
    """Only what the service wants judged: without errors, or without latencies."""
    errors = min(side.errors, side.requests) if limits.errors else 0.0
    return replace(side, errors=errors, buckets=side.buckets if limits.latency else {})


# The judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What the judge found, the stage's figures with the open row, and the side of which nothing is known now."""

    state: JudgeState
    assessment: Assessment
    stage: Figures
    absent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """What the evidence leads to."""

    verdict: Verdict
    sentence: str
    proven: bool = False
    hold: bool = False
    ask: bool = False


def _judgement(rollout: Rollout, case: _Case, beside: Sequence[Finding]) -> Judgement:
    word = _beside_another(rollout, case) if rollout.current.routes.compared else _alone(rollout, case)
    if case.absent and (word.verdict is Verdict.PASS or word.ask):
        # What was good a moment ago is no reason to go on blindly, nor a doubt to ask people about.
        sentence = f"Prometheus knows nothing of {case.absent} right now. Before: {word.sentence}"
        word = _Word(verdict=Verdict.INCONCLUSIVE, sentence=sentence, hold=word.hold)
    evidence = Finding(gate=EVIDENCE, verdict=word.verdict, sentence=word.sentence)
    doubts = [finding for finding in beside if finding.gate in DOUBTS and finding.acts]
    others = sorted(beside, key=lambda finding: (badness(finding.verdict), finding in doubts), reverse=True)
    verdict = max([word.verdict, *(finding.verdict for finding in others if finding.acts)], key=badness)
    # What decides is told first: a limit that was passed says more than an evidence that is still gathering, and so
    # does what it holds for.
    decides = word.verdict is verdict and (not doubts or verdict is Verdict.FAIL)
    first = [evidence, *others] if decides else [*others, evidence]
    # Leaving the mirror ends the harm it may do, and what is refused may be meant: people may say go on.
    doubted = word.ask or (bool(doubts) and word.verdict is Verdict.PASS)
    unproven = _never_shown(rollout)
    return Judgement(
        at=case.stage.end,
        verdict=verdict,
        findings=(*first, *unproven, *_details(rollout, case), *client_errors.detail(rollout, case.stage)),
        figures=case.stage,
        proven=word.proven,
        ask=(doubted and all(one.verdict is Verdict.PASS for one in others if one.acts and one not in doubts))
        or (bool(unproven) and verdict is Verdict.PASS and _is_final(rollout)),
        hold=word.hold or bool(doubts),
        forecast=_forecast(rollout, case),
    )


def _beside_another(rollout: Rollout, case: _Case) -> _Word:
    answer, overdue, failing = case.assessment.verdict, case.assessment.overdue, case.assessment.failing
    sentence = text(case.state, case.assessment, rollout.spec.gates.judge, _names(rollout))
    if answer is Decision.ABORT:
        return _Word(verdict=Verdict.FAIL, sentence=sentence)
    if answer is Decision.PASS:
        return _Word(verdict=Verdict.PASS, sentence=sentence, proven=True)
    if failing in {Failing.SHARED, Failing.PRIMARY}:
        return _Word(verdict=Verdict.INCONCLUSIVE, sentence=sentence, hold=True)
    if overdue is Overdue.NOT_PROVEN and (failing_here := _failing_here(rollout, case)):
        return _Word(verdict=Verdict.INCONCLUSIVE, sentence=failing_here, hold=True)
    goes_on = overdue is Overdue.NOT_PROVEN and rollout.spec.gates.unproven is not Unproven.HOLD
    verdict = Verdict.PASS if goes_on else Verdict.INCONCLUSIVE
    return _Word(verdict=verdict, sentence=sentence, ask=overdue is not None and not goes_on)


def _failing_here(rollout: Rollout, case: _Case) -> str:
    """Why nobody is sent to a side that was above the ceiling in this very stage, however the other side did; or ""."""
    sides, ceiling = Sides.of(rollout, case.stage), rollout.spec.gates.judge.ceiling
    subject, reference = sides.subject, sides.fair
    share = subject.error_share if subject is not None and rollout.spec.gates.errors else None
    if subject is None or share is None or subject.errors < FEWEST or share <= ceiling:
        return ""
    here = f"{sides.name} errors {percent(share)} ({count(subject.errors)} of {count(subject.requests)}) in this stage"
    against = reference.error_share if reference is not None else None
    if against is None or against < share / 2:
        return f"Not sure yet, but above what is allowed: {here}; at most {percent(ceiling)} are allowed."
    why = f"Not blaming {sides.name}: going back would not help. Promotion waits."
    return f"Both versions are failing: {here}, {sides.other} {percent(against)}. {why}"


def _alone(rollout: Rollout, case: _Case) -> _Word:
    """Everyone is on one side: what was seen before still counts, and the absolute ceiling."""
    settings, sides = rollout.spec.gates.judge, Sides.of(rollout, case.stage)
    subject = sides.subject
    if case.assessment.verdict in {Decision.ABORT, Decision.NO_DATA} or subject is None:
        said = text(case.state, case.assessment, settings, _names(rollout))
        aborted = case.assessment.verdict is Decision.ABORT
        return _Word(verdict=Verdict.FAIL if aborted else Verdict.INCONCLUSIVE, sentence=said)
    errors, share = subject.errors, subject.error_share or 0.0
    answered = (
        f"{sides.name} alone answers users: errors {percent(share)} ({count(errors)} of {count(subject.requests)})"
    )
    sentence = f"{answered}; at most {percent(settings.ceiling)} are allowed."
    suspect = case.assessment.log_e > 0 or (errors >= FEWEST and share > settings.ceiling)
    if suspect:
        return _Word(verdict=Verdict.INCONCLUSIVE, sentence=sentence, ask=True)
    long = case.stage.end - case.stage.start >= settings.least_seconds
    return _Word(verdict=Verdict.PASS, sentence=sentence, proven=rollout.analysis_state.shown and long)


def _never_shown(rollout: Rollout) -> list[Finding]:
    """That a stage which compares nothing follows one that proved nothing, with what both sides had answered there."""
    sample = rollout.analysis_state.sample
    if rollout.current.routes.compared or rollout.analysis_state.shown or sample is None:
        return []
    stage, *counts = sample
    n_c, b_c, n_p, b_p = map(count, counts)
    names = _names(rollout)
    sentence = (
        f"Not proven: in {stage}, the last stage with both versions, {names.subject} had {b_c} errors in {n_c} "
        f"requests, {names.reference} {b_p} in {n_p}."
    )
    return [Finding(gate=UNPROVEN, verdict=Verdict.PASS, sentence=sentence, acts=False)]


def _is_final(rollout: Rollout) -> bool:
    """Whether what follows is the upgrade, or adoption's end: then people have to say yes to what is not proven."""
    if rollout.spec.gates.unproven is not Unproven.ASK_BEFORE_UPGRADE or rollout.phase is not Phase.SHIFTING:
        return False
    return rollout.spec.plan[rollout.stage + 1].phase is not Phase.SHIFTING


def _names(rollout: Rollout) -> Names:
    canary, primary = rollout.spec.target.canary_deployment, rollout.spec.target.primary_deployment
    subject, reference = (primary, canary) if rollout.primary_judged else (canary, primary)
    return Names(subject, reference, article="")


def _details(rollout: Rollout, case: _Case) -> list[Finding]:
    """A line per metric, with the stage's figures and how many times worse the subject probably is."""
    if not rollout.current.routes.compared:
        return _alone_detail(rollout, case)
    shown = case.state.evidence.not_worse.shown(rollout.spec.gates.judge.needed_to_pass).tolist()
    return [
        _detail(rollout, case, place, shown=shown[place])
        for place, metric in enumerate(case.state.metrics)
        if metric.name not in case.state.blind
        and (metric.bound is not None or rollout.spec.gates.errors)
        and case.state.evidence.stage_totals[place][N_C] > 0
    ]


def _alone_detail(rollout: Rollout, case: _Case) -> list[Finding]:
    sides, ceiling = Sides.of(rollout, case.stage), rollout.spec.gates.judge.ceiling
    if sides.subject is None or sides.subject.error_share is None or not rollout.spec.gates.errors:
        return []
    share, sample = sides.subject.error_share, sides.subject.requests
    verdict = Verdict.FAIL if case.state.aborted_by else Verdict.PASS if share <= ceiling else Verdict.INCONCLUSIVE
    sentence = f"Errors on {sides.name}: {percent(share)} ({count(sides.subject.errors)} of {count(sample)})."
    return [
        Finding(gate="errors", verdict=verdict, sentence=sentence, value=share, limit=ceiling, sample=sample, part=True)
    ]


def _detail(rollout: Rollout, case: _Case, place: int, *, shown: bool) -> Finding:
    metric, sides = case.state.metrics[place], Sides.of(rollout, case.stage)
    totals = case.state.evidence.stage_totals
    (n_c, b_c, n_p, b_p), (*_, fair, _) = (rows[place].tolist() for rows in (totals, comparable(case.state, totals)))
    limits, ratio = metric.limits(rollout.spec.gates.judge), case.assessment.metrics[metric.name].ratio
    against = b_p / n_p if n_p > 0 else 0.0
    what = "errors" if metric.bound is None else f"slower than {metric.bound:g} ms"
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
    )


def _sample(rollout: Rollout, stage: Figures) -> tuple[str, float, float, float, float] | None:
    """What the stage's word rests on; None where a side was never counted."""
    sides = Sides.of(rollout, stage)
    if sides.subject is None or sides.reference is None:
        return None
    subject, reference = sides.subject, sides.reference
    return rollout.current.name, subject.requests, subject.errors, reference.requests, reference.errors


def _forecast(rollout: Rollout, case: _Case) -> str:
    """How long it will still take, while that is a question."""
    if not rollout.current.routes.compared or case.assessment.verdict is not Decision.WATCH:
        return ""
    sides, seconds = Sides.of(rollout, case.stage), case.stage.end - case.stage.start
    if sides.subject is None or sides.reference is None or seconds <= 0:
        return ""
    # Over the time that the counts span, which is not quite the stage's.
    rates = [side.per_second or side.requests / seconds for side in (sides.subject, sides.reference)]
    return forecast_text(forecast(case.state, rollout.spec.gates.judge, *rates))
