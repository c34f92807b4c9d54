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
from dataclasses import replace

from bot.analysis import conclusion, course, details, typical_latency
from bot.analysis.amounts import of
from bot.analysis.conclusion import Case, Conclusion, conclude
from bot.analysis.gates import client_errors
from bot.analysis.gates.all_gates import check_gates
from bot.analysis.judge import editions
from bot.analysis.judge.forecast import Forecast, forecast
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.verdict import Assessment, Decision
from bot.analysis.judge.wording import forecast_text
from bot.analysis.sides import Sides
from bot.analysis.without_figures import warming_up
from bot.model.figures import HARM, UNPROVEN, AnalysisState, Figures, Finding, Incident, Judgement, SideFigures, Verdict
from bot.model.rollout import WATCHED, Phase, Rollout, copies_from
from bot.model.service import GateLimits, Unproven
from bot.words.sentence import Seconds, Share, Text, said, together

DOUBTS = frozenset({HARM, client_errors.CLIENTS})  # gates that hold at once, and that people may overrule
LONGEST = 3600.0  # seconds; what was answered before is no evidence any more, and Prometheus may have forgotten it
APART = 1.0  # seconds that clocks of two machines may be apart, where figures are read without a delay


def begin(limits: GateLimits, history: Sequence[SideFigures]) -> AnalysisState:
    """Before the first reconcile. ``history``: the primary's last hour, in rows of a scrape interval each."""
    rows = [_judged_of(row, limits) for row in history]
    before = sum(rows[1:], start=rows[0]) if rows else None
    return AnalysisState(
        judge=editions.save(editions.start(limits.judge, rows)),
        clients=client_errors.begin(limits, history),
        before=before,
    )


def span(rollout: Rollout, now: float) -> tuple[float, float] | None:
    """What the next reading has to cover, seconds since the epoch; None while there is nothing to judge.

    It ends a delay behind the clock: a sample bears the time at which its scrape began, and is there once it has ended.
    """
    since = rollout.analysis_state.until if rollout.analysis_state.until is not None else rollout.settled_at
    until = now - rollout.spec.metrics.delay
    if rollout.phase not in WATCHED or since is None or until <= since:
        return None
    return (since if until - since <= LONGEST else until - rollout.spec.metrics.lately, until)


def unread(rollout: Rollout, now: float) -> Judgement:
    """The judgement of a reconcile without a reading: the last one of this stage, if there is one.

    A clock behind what was read already reads nothing new, and what it read before is no reason to go on.
    """
    behind = rollout.analysis_state.until - now if rollout.analysis_state.until is not None else 0.0
    if behind > APART:
        late = said("analysis.clock_behind", time=Seconds(behind)), said("analysis.clocks_by_ntp")
        finding = Conclusion(verdict=Verdict.INCONCLUSIVE, sentences=late).finding
        return Judgement(at=now, verdict=Verdict.INCONCLUSIVE, findings=(finding,), hold=True)
    same = rollout.judgement is not None and rollout.analysis_state.stage == rollout.current.name
    return rollout.judgement if rollout.judgement is not None and same else warming_up(now)


def analyse(rollout: Rollout, row: Figures, *, ready: bool = True) -> tuple[Judgement, AnalysisState]:
    """All that a reading says about the current stage, and the analysis with it.

    Args:
        rollout: as it is stored, in a phase that is watched.
        row: figures since ``AnalysisState.until``, as ``span`` asked for them.
        ready: whether the primary has pods that could take users home.
    """
    analysis_state, absent, watermarks = _begun(rollout), _absent(rollout, row), row.watermarks
    row = _believed(replace(row, watermarks={}, targets={}), analysis_state)
    state, assessment, whole = _stepped(rollout, _kept(analysis_state, rollout), row, ready=ready)
    stage = row if analysis_state.sums is None else analysis_state.sums + row
    recent = (*_lately(analysis_state.recent, row.end, rollout.spec.metrics.lately), row)
    beside, strikes = check_gates(rollout, stage, recent, analysis_state.strikes)
    clients = (
        client_errors.analysed(analysis_state.clients, rollout, row, first=analysis_state.sums is None)
        if whole
        else analysis_state.clients
    )
    beside = (*beside, *client_errors.find(clients, rollout, stage, recent))
    at_home = rollout.current.on_copies or bool(assessment.home.by)
    here = editions.entered(state, rollout.current.name, rollout.spec.gates.judge, on_copies=at_home)
    judgement = _judgement(rollout, Case(state=here, assessment=assessment, stage=stage, absent=absent), beside)
    if rollout.current.routes.compared:  # also by a row that is still open: a stage may be left on it
        analysis_state = replace(
            analysis_state, shown=judgement.proven, sample=_sample(rollout, stage) or analysis_state.sample
        )
    if not whole:
        return judgement, analysis_state
    # What was answered before the routes were in force is judged, and is none of the stage's own.
    sums = stage if rollout.settled_at is None or row.start >= rollout.settled_at else analysis_state.sums
    analysis_state = replace(
        analysis_state, until=row.end, watermarks=watermarks, judge=editions.save(state), clients=clients
    )
    noted = course.noted(analysis_state, rollout, row)
    copied = _copied(rollout, sums) if rollout.phase is Phase.MIRRORING and not rollout.current.on_copies else None
    copied = noted.copied if copied is None else copied
    return judgement, replace(noted, sums=sums, recent=recent, strikes=strikes, copied=copied)


def _copied(rollout: Rollout, stage: Figures | None) -> float | None:
    """The share of users' requests of which the canary got copies in the mirror stage; None of too few."""
    if stage is None or stage.canary is None or stage.primary is None or stage.primary.requests <= 0:
        return None
    enough = stage.canary.requests >= rollout.spec.gates.judge.least_requests
    return stage.canary.requests / stage.primary.requests if enough else None


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
            editions.save(editions.again(_kept(analysis_state, rollout), settings)),
            client_errors.again(analysis_state.clients, rollout),
        )
        analysis_state = replace(analysis_state, judge=begun, clients=clients, recent=(), shown=False)
    if analysis_state.stage != rollout.current.name:
        clients = analysis_state.clients
        if _was_let_begin(rollout):
            clients = client_errors.passed_on(clients, rollout, analysis_state.sums)
        analysis_state = replace(analysis_state, stage=rollout.current.name, clients=clients, sums=None, strikes={})
    return replace(analysis_state, subject=subject)


def _was_let_begin(rollout: Rollout) -> bool:
    """Whether the current stage follows from what was found of the one before, or from what people said of it.

    A step back does not, and users who return by themselves do so on copies: neither overrules a doubt.
    """
    if rollout.current.on_copies:
        return False
    left, copies = rollout.walked[-1:], {copies_from(one.share) for one in rollout.step_backs}
    return not any(one.name in copies and not one.approvals for one in left)


def _kept(analysis_state: AnalysisState, rollout: Rollout) -> editions.State:
    """The judge's state as it was kept; evidence that another version kept begins again."""
    settings = rollout.spec.gates.judge
    try:
        return editions.load(analysis_state.judge, settings) if analysis_state.judge else editions.start(settings)
    except ValueError:
        return editions.start(settings)


def _absent(rollout: Rollout, row: Figures) -> Text:
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


def _where(rollout: Rollout, *, ready: bool) -> editions.Where:
    """Nobody is taken home who is rolled back to it, who never left, or once the primary may have been touched."""
    spec, forward = rollout.spec, rollout.phase in {Phase.MIRRORING, Phase.SHIFTING} and not rollout.retreat
    return editions.Where(
        alone=not spec.gates.judge.shield or not forward or bool(spec.back_to) or spec.drill,
        users=rollout.phase is Phase.SHIFTING,
        ready=ready,
        on_copies=rollout.current.on_copies,
        let=_was_let_begin(rollout),
    )


def _stepped(
    rollout: Rollout, kept: editions.State, row: Figures, *, ready: bool
) -> tuple[editions.State, Assessment, bool]:
    """The judge's state with the row in it, its answer, and whether the row is whole: long enough to be kept."""
    settings, stage, where = rollout.spec.gates.judge, rollout.current, _where(rollout, ready=ready)
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
        return kept, editions.between(kept, stage.name, settings, deadline, where), False
    interval = Interval(
        t=row.end, stage=stage.name, canary=subject, primary=reference, since=row.start, limited=rollout.limited
    )
    state, assessment = editions.step(kept, interval, settings, deadline, where)
    return state, assessment, whole or bool(state.aborted_by or assessment.home.by)


def _judged(side: SideFigures | None, rollout: Rollout) -> SideFigures | None:
    return None if side is None else _judged_of(side, rollout.spec.gates)


def _judged_of(side: SideFigures, limits: GateLimits) -> SideFigures:
    """Only what the service wants judged: without errors, or without latencies."""
    errors = min(side.errors, side.requests) if limits.errors else 0.0
    return replace(side, errors=errors, buckets=side.buckets if limits.latency else {})


# The judgement


def _judgement(rollout: Rollout, case: Case, beside: Sequence[Finding]) -> Judgement:
    word, doubts, unproven = conclude(rollout, case), _doubts(beside), _never_shown(rollout)
    verdict = max([word.verdict, *(one.verdict for one in beside if one.acts)], key=lambda one: one.badness)
    ranked, expected = _ranked(word, beside, doubts, verdict), _forecast(rollout, case)
    return Judgement(
        at=case.stage.end,
        verdict=verdict,
        findings=(*ranked, *unproven, *_details(rollout, case)),
        figures=case.stage,
        proven=word.proven,
        ask=_may_be_overruled(word, beside, doubts)
        or (verdict is Verdict.INCONCLUSIVE and _has_proven_neither(rollout, case.stage.end))
        or (bool(unproven) and verdict is Verdict.PASS and _is_final(rollout)),
        lacking=word.lacking and not doubts,
        incident=Incident.HARM if any(one.gate == HARM for one in doubts) else word.incident,
        hold=word.hold or bool(doubts),
        forecast=forecast_text(expected) if expected is not None else "",
        to_pass=expected.passing if expected is not None else None,
        home=bool(case.assessment.home.by) and verdict is not Verdict.FAIL,
    )


def _details(rollout: Rollout, case: Case) -> Iterator[Finding]:
    yield from details.find(rollout, case)
    yield from typical_latency.find(rollout, case)
    yield from client_errors.detail(rollout, case.stage)


def _doubts(beside: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in beside if finding.gate in DOUBTS and finding.acts]


def _ranked(
    word: Conclusion, beside: Sequence[Finding], doubts: Sequence[Finding], verdict: Verdict
) -> tuple[Finding, ...]:
    """What decides is told first: a limit that was passed says more than an evidence that is still gathering, and so
    does what it holds for.
    """
    others = sorted(beside, key=lambda finding: (finding.verdict.badness, finding in doubts), reverse=True)
    decides = word.verdict is verdict and (not doubts or verdict is Verdict.FAIL)
    return (word.finding, *others) if decides else (*others, word.finding)


def _may_be_overruled(word: Conclusion, beside: Sequence[Finding], doubts: Sequence[Finding]) -> bool:
    """Leaving the mirror ends the harm it may do, and what is refused may be meant: people may say go on."""
    doubted = word.ask or (bool(doubts) and word.verdict is Verdict.PASS)
    return doubted and all(one.verdict is Verdict.PASS for one in beside if one.acts and one not in doubts)


def _has_proven_neither(rollout: Rollout, end: float) -> bool:
    """Whether users were at home for as long as they may be without a word, whatever it is that keeps them there."""
    since, stage = rollout.settled_at, rollout.current
    return stage.on_copies and since is not None and end - since >= stage.seconds


def _never_shown(rollout: Rollout) -> list[Finding]:
    """That a stage which compares nothing follows one that proved nothing, with what both sides had answered there."""
    sample = rollout.analysis_state.sample
    if rollout.current.routes.compared or rollout.analysis_state.shown or sample is None:
        return []
    name, n_c, b_c, n_p, b_p = sample
    there = next((one for one in rollout.spec.plan if one.name == name), rollout.spec.plan[0])
    here, against, other = of(b_c, n_c), of(b_p, n_p), conclusion.names(rollout).reference
    shown = said("analysis.errors", here=here, other=other, there=against)
    brief = (
        said("analysis.in_mirror", figures=shown)
        if there.phase is Phase.MIRRORING
        else said("analysis.at_share", share=Share(there.routes.canary / 100), figures=shown)
    )
    sentence = together((said("analysis.never_shown"), brief))
    return [Finding(gate=UNPROVEN, verdict=Verdict.PASS, sentence=sentence, brief=brief, acts=False)]


def _is_final(rollout: Rollout) -> bool:
    """Whether what follows is the upgrade, or adoption's end: then people have to say yes to what is not proven."""
    if rollout.spec.gates.unproven is not Unproven.ASK_BEFORE_UPGRADE or rollout.phase is not Phase.SHIFTING:
        return False
    return rollout.spec.plan[rollout.stage + 1].phase is not Phase.SHIFTING


def _sample(rollout: Rollout, stage: Figures) -> tuple[str, float, float, float, float] | None:
    """What the stage's word rests on; None where a side was never counted."""
    sides = Sides.of(rollout, stage)
    if sides.subject is None or sides.reference is None:
        return None
    subject, reference = sides.subject, sides.reference
    return rollout.current.name, subject.requests, subject.errors, reference.requests, reference.errors


def _forecast(rollout: Rollout, case: Case) -> Forecast | None:
    """How long it will still take; None while that is no question."""
    if not rollout.current.routes.compared or case.assessment.verdict is not Decision.WATCH:
        return None
    sides, seconds = Sides.of(rollout, case.stage), case.stage.end - case.stage.start
    if sides.subject is None or sides.reference is None or seconds <= 0:
        return None
    # Over the time that the counts span, which is not quite the stage's.
    rates = [side.per_second or side.requests / seconds for side in (sides.subject, sides.reference)]
    where = _where(rollout, ready=True)
    expected = forecast(case.state, replace(rollout.spec.gates.judge, shield=not where.alone), *rates)
    return expected if where.users else replace(expected, home=None)  # who is at home goes nowhere
