"""What is judged beside the sequential test: do copies arrive, is the sample large enough, does mirroring harm the
primary, hard limits for those who know a threshold, and a team's own queries.

Missing data never counts as good: no answer is ``inconclusive``, or ``error`` where Prometheus could not be asked.
Hard limits, users' answers, copies, harm to the primary and traffic are judged by the last minute, so that a fault that
starts late is not thinned out by good minutes before it; the sample, and a latency limit where a minute has too few
requests, by the whole stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from bot.analysis.amounts import amount, by_side, of
from bot.analysis.gates import mirror_harm
from bot.analysis.histograms import quantile
from bot.analysis.sides import Sides
from bot.model.copies import replace
from bot.model.figures import Figures, Finding, Incident, Judgement, SideFigures, Tendency, Unit, UserView, Verdict
from bot.model.judge_settings import FEWEST
from bot.model.rollout import Phase, Rollout, Topology
from bot.model.service import CustomGate, GateAction, HardLimit, Measure, Rule
from bot.model.versions import spoken_sides
from bot.words.sentence import Item, Sentence, Share, Text, said

LATELY = 60.0  # seconds that hard limits look back, or four scrapes (Prometheus' rule for rates) where that is longer

# What users see is compared with the routes from so many seconds after they are in force: istiod pushes within ten.
PROPAGATION = 10.0
SEEN = 100  # requests of users, at least
FAR_OFF = 0.1  # of the share, beyond what chance explains
DEVIATIONS = 4.0

_WORST_FIRST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)

Strikes = Mapping[str, tuple[bool, ...]]


def lately(rollout: Rollout) -> float:
    """How many seconds back hard limits and custom queries look."""
    return max(LATELY, 4 * rollout.spec.metrics.scrape_interval)


def warming_up(at: float) -> Judgement:
    """The judgement before there is anything to judge."""
    sentence = said("analysis.warming_up")
    finding = Finding(gate="warm-up", verdict=Verdict.INCONCLUSIVE, sentence=sentence)
    return Judgement(at=at, verdict=Verdict.INCONCLUSIVE, findings=(finding,))


def unavailable(at: float, sentence: Text) -> Judgement:
    """The judgement when Prometheus could not be asked."""
    finding = Finding(gate="metrics", verdict=Verdict.ERROR, sentence=sentence)
    return Judgement(at=at, verdict=Verdict.ERROR, findings=(finding,), incident=Incident.NO_METRICS)


def badness(verdict: Verdict) -> int:
    """To rank by: more is worse."""
    return -_WORST_FIRST.index(verdict)


def check(
    rollout: Rollout, stage: Figures, recent: Sequence[Figures], strikes: Strikes
) -> tuple[tuple[Finding, ...], Strikes]:
    """Every gate's finding, and the strikes with this reconcile's among them.

    Args:
        rollout: whose gates.
        stage: figures of the stage so far, with the values of custom queries.
        recent: the rows of the last minute, oldest first; at least one.
        strikes: of each limit whether its last reconciles were bad.
    """
    sides = Sides.of(rollout, stage)
    if sides.subject is None or sides.subject.requests <= 0:
        return (_unknown("traffic", said("analysis.no_traffic", name=sides.name)),), strikes
    late = sum(recent[1:], start=recent[0])
    findings = [
        *_sample(rollout, stage, recent, sides.subject, sides.name),
        *_users(rollout, late),
        *_in_force(rollout, recent),
    ]
    counted: dict[str, tuple[bool, ...]] = {}
    for evaluation in _evaluations(rollout, Sides.of(rollout, late), sides, stage.custom):
        history = (*strikes.get(evaluation.name, ()), evaluation.bad is True)[-evaluation.rule.within :]
        counted[evaluation.name] = history
        findings.append(_found(rollout, evaluation, sum(history)))
    return tuple(findings), counted


# The sample


def _sample(
    rollout: Rollout, stage: Figures, recent: Sequence[Figures], subject: SideFigures, name: Text
) -> Iterator[Finding]:
    least = rollout.spec.gates.minimum_requests
    if rollout.phase is Phase.MIRRORING:
        yield _coverage(rollout, recent)
        yield from mirror_harm.find(rollout, stage, recent)
    if subject.requests < least:
        yield _unknown(
            "sample",
            said("analysis.sample", name=name, n=round(subject.requests), least=least),
            value=subject.requests,
            limit=float(least),
            allowed=said("analysis.allowed_least", least=least),
            **by_side(rollout, said("analysis.number", n=round(subject.requests))),
        )


def coverage(recent: Sequence[Figures], since: float = -math.inf) -> float | None:
    """Copies the canary received per request of the primary lately, by rate; None while that is not known.

    Counts begin with a scrape. One that was taken before ``since``, when the routes came into force, begins with a time
    without copies, and counts that no scrape was taken before span a time that nobody knows: neither says anything.
    """
    known = [row for row in recent if _begins_after(row.canary, since) and _begins_after(row.primary, since)]
    late = sum(known[1:], start=known[0]) if known else None
    if late is None or late.canary is None or late.primary is None:
        return None
    copies, requests = late.canary.per_second, late.primary.per_second
    return copies / requests if copies is not None and requests else None


def _begins_after(side: SideFigures | None, since: float) -> bool:
    return side is not None and side.first is not None and side.first >= since


def _coverage(rollout: Rollout, recent: Sequence[Figures]) -> Finding:
    """Copies can be lost silently (no host, open circuit breaker): few errors of few copies prove nothing."""
    if rollout.limited:
        # The primary counts everything, the canary copies of some: their ratio says nothing about lost copies.
        return Finding(gate="coverage", verdict=Verdict.PASS, sentence=_only_some(rollout), acts=False)
    copied = coverage(recent, rollout.settled_at or 0.0)
    if copied is None:
        return _unknown("coverage", said("analysis.copies_unknown"))
    share = copied / (rollout.spec.target.mirror_percent / 100)
    least = rollout.spec.gates.coverage
    return Finding(
        gate="coverage",
        verdict=Verdict.PASS if share >= least else Verdict.INCONCLUSIVE,
        sentence=said("analysis.copies", share=Share(min(share, 1.0)), least=Share(least)),
        value=share,
        limit=least,
        unit=Unit.SHARE,
        allowed=said("analysis.allowed_least", least=Share(least)),
        canary=said("analysis.share", share=Share(min(share, 1.0))),
        seen=None if share >= least else Tendency.WORSE,
    )


def _only_some(rollout: Rollout) -> Sentence:
    target, (canary, primary) = rollout.spec.target, spoken_sides(rollout)
    if target.mirror_methods is not None:
        return said("analysis.some_methods", methods=tuple(target.mirror_methods), primary=primary, canary=canary)
    return said("analysis.some_routes", routes=tuple(target.route_names), primary=primary, canary=canary)


# What users see


def _users(rollout: Rollout, late: Figures) -> Iterator[Finding]:
    """Requests for which no pod was found: only the proxies that sent them can tell, and no version is to blame."""
    users = late.users
    if users is None or users.nowhere < FEWEST:
        return
    share, ceiling = users.nowhere / users.requests, rollout.spec.gates.judge.ceiling
    shown = of(users.nowhere, users.requests)
    moved = rollout.current.routes.canary > 0 or rollout.primary_judged
    verdict = Verdict.FAIL if moved and share > ceiling else Verdict.INCONCLUSIVE
    yield Finding(
        gate="users",
        verdict=verdict,
        sentence=said("analysis.nowhere", shown=shown, most=Share(ceiling)),
        value=share,
        limit=ceiling,
        sample=users.requests,
        unit=Unit.SHARE,
        allowed=said("analysis.allowed_most", most=Share(ceiling)),
        seen=Tendency.WORSE,
        **by_side(rollout, shown),
    )


def _in_force(rollout: Rollout, recent: Sequence[Figures]) -> Iterator[Finding]:
    """Whether the proxies do what the routes say: a configuration that they rejected leaves the old one for ever."""
    share, settled = rollout.current.routes.canary / 100, rollout.settled_at
    both_in_one = rollout.spec.target.topology is Topology.RELABEL and rollout.primary_touched
    if settled is None or both_in_one or not rollout.spec.gates.propagation:
        return
    rows = [row.users for row in recent if row.users is not None and row.start >= settled + PROPAGATION]
    seen = sum(rows[1:], start=rows[0]) if rows else UserView()
    answered = seen.canary + seen.primary
    if answered < SEEN:
        return
    found = seen.canary / answered
    (name, _), shown = spoken_sides(rollout), of(seen.canary, answered)
    if rollout.current.routes.mirror:
        if seen.canary > 0:
            yield Finding(
                gate="leak",
                verdict=Verdict.INCONCLUSIVE,
                sentence=said("analysis.leak", name=name, shown=shown),
                value=found,
                acts=False,
                unit=Unit.SHARE,
                canary=shown,
                seen=Tendency.WORSE,
            )
    elif abs(found - share) > max(FAR_OFF, DEVIATIONS * math.sqrt(share * (1 - share) / answered)):
        yield Finding(
            gate="in force",
            verdict=Verdict.INCONCLUSIVE,
            sentence=said("analysis.not_in_force", name=name, shown=shown, wanted=Share(share)),
            value=found,
            limit=share,
            unit=Unit.SHARE,
            allowed=said("analysis.share", share=Share(share)),
            canary=shown,
            seen=Tendency.WORSE,
        )


# Hard limits and a team's own queries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluation:
    """One limit at one evaluation; ``bad`` None: not known. ``subject`` and ``reference``: figures of both sides."""

    name: str
    bad: bool | None
    sentence: Text
    action: GateAction
    rule: Rule
    value: float | None = None
    limit: float | None = None
    sample: float | None = None
    unit: Unit = Unit.NUMBER
    allowed: Text = ""
    subject: Text = ""
    reference: Text = ""


def _evaluations(
    rollout: Rollout, late: Sides, stage: Sides, custom: Mapping[str, float | None]
) -> Iterator[_Evaluation]:
    least = rollout.spec.gates.minimum_requests
    # Where a minute's traffic is too thin for a quantile, the stage's has to do.
    thin = late.subject is None or late.subject.requests < least
    for limit in rollout.spec.gates.limits:
        yield _evaluate(limit, stage if thin and limit.of is Measure.LATENCY else late, least)
    for gate in rollout.spec.gates.custom:
        yield _queried(gate, custom.get(gate.name))


def _evaluate(limit: HardLimit, window: Sides, least: int) -> _Evaluation:
    subject, reference = window.subject, window.fair
    value, against = (None if side is None else _measured(limit, side, least) for side in (subject, reference))
    evaluation = _Evaluation(
        name=limit.name,
        bad=None,
        sentence=said("analysis.limit_unknown", check=limit.name, name=window.name),
        action=limit.action,
        rule=limit.rule,
        unit=Unit.SHARE if limit.of is Measure.ERRORS else Unit.MILLISECONDS,
        allowed=_allowed_words(limit, window.other),
    )
    if value is None or subject is None:
        return evaluation
    most = _allowed(limit, against)
    if most is None:
        alone = said("analysis.limit_alone", check=limit.name, other=window.other)
        return replace(evaluation, bad=False, sentence=alone, subject=_shown(limit, subject, value))
    here = _shown(limit, subject, value)
    return replace(
        evaluation,
        bad=value > most and (limit.of is Measure.LATENCY or subject.errors >= FEWEST),
        sentence=said("analysis.limit", check=limit.name, name=window.name, here=here, allowed=evaluation.allowed),
        value=value,
        limit=most,
        sample=subject.requests,
        subject=here,
        reference=_shown(limit, reference, against) if reference is not None and against is not None else "",
    )


def _measured(limit: HardLimit, side: SideFigures, least: int) -> float | None:
    if limit.of is Measure.ERRORS:
        return side.error_share
    return quantile(side.buckets, limit.quantile) if side.requests >= least else None


def _shown(limit: HardLimit, side: SideFigures, value: float) -> Text:
    return of(side.errors, side.requests) if limit.of is Measure.ERRORS else amount(value, Unit.MILLISECONDS)


def _allowed(limit: HardLimit, against: float | None) -> float | None:
    limits = [] if limit.maximum is None else [limit.maximum]
    if limit.relative is not None and against is not None:
        limits.append(limit.relative * against)
    return min(limits, default=None)


def _allowed_words(limit: HardLimit, other: Text) -> Text:
    most: Item = ""
    if limit.maximum is not None:
        most = Share(limit.maximum) if limit.of is Measure.ERRORS else said("analysis.milliseconds", n=limit.maximum)
    if limit.relative is None:
        return said("analysis.allowed_most", most=most)
    if limit.maximum is None:
        return said("analysis.allowed_times", times=limit.relative, other=other)
    return said("analysis.allowed_times_below", times=limit.relative, other=other, most=most)


def _queried(gate: CustomGate, value: float | None) -> _Evaluation:
    low, high, allowed = gate.minimum, gate.maximum, _bounds(gate)
    if value is None or not math.isfinite(value):
        nothing = said("analysis.query_empty", check=gate.name)
        return _Evaluation(
            name=gate.name, bad=None, sentence=nothing, action=gate.action, rule=gate.rule, allowed=allowed
        )
    return _Evaluation(
        name=gate.name,
        bad=(high is not None and value > high) or (low is not None and value < low),
        sentence=said("analysis.query", check=gate.name, n=value, allowed=allowed),
        action=gate.action,
        rule=gate.rule,
        value=value,
        limit=high if high is not None else low,
        allowed=allowed,
        subject=amount(value, Unit.NUMBER),
    )


def _bounds(gate: CustomGate) -> Text:
    low, high = gate.minimum, gate.maximum
    if low is not None and high is not None:
        return said("analysis.allowed_between", least=low, most=high)
    if low is not None:
        return said("analysis.allowed_least", least=low)
    return said("analysis.allowed_most", most=high) if high is not None else ""


def _found(rollout: Rollout, evaluation: _Evaluation, strikes: int) -> Finding:
    """The evaluation as a finding: a limit acts once enough of its last reconciles were bad."""
    sentence = evaluation.sentence
    if evaluation.bad is None:
        verdict = Verdict.INCONCLUSIVE
    elif strikes >= evaluation.rule.times:
        verdict = Verdict.INCONCLUSIVE if evaluation.action is GateAction.HOLD else Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE if evaluation.bad else Verdict.PASS
    if evaluation.rule.within > 1 and strikes:
        sentence = said(
            "analysis.strikes",
            what=sentence,
            strikes=strikes,
            within=evaluation.rule.within,
            times=evaluation.rule.times,
        )
    return Finding(
        gate=evaluation.name,
        verdict=verdict,
        sentence=sentence,
        value=evaluation.value,
        limit=evaluation.limit,
        sample=evaluation.sample,
        unit=evaluation.unit,
        acts=evaluation.action is not GateAction.OBSERVE,
        allowed=evaluation.allowed,
        seen=Tendency.WORSE if evaluation.bad else None,
        **by_side(rollout, evaluation.subject, evaluation.reference),
    )


def _unknown(gate: str, sentence: Text, **shown: Unpack[_Shown]) -> Finding:
    return Finding(gate=gate, verdict=Verdict.INCONCLUSIVE, sentence=sentence, **shown)


class _Shown(TypedDict, total=False):
    value: float
    limit: float
    allowed: Text
    canary: Text
    primary: Text
    seen: Tendency
