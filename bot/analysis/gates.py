"""What is judged beside the sequential test: do copies arrive, is the sample large enough, does mirroring harm the
primary, hard limits for those who know a threshold, and a team's own queries.

The *subject* is the side that is on trial (the canary, and while users return the upgraded primary), the *reference*
the other one. Missing data never counts as good: no answer is ``inconclusive``, or ``error`` where Prometheus could not
be asked. Hard limits look at the last minute, so that a fault that starts late is not thinned out by good minutes
before it; everything else looks at the stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.analysis import mirror_harm
from bot.analysis.histograms import quantile
from bot.model.figures import Figures, Finding, Judgement, SideFigures, Unit, UserView, Verdict
from bot.model.formats import count, percent
from bot.model.judge_settings import FEWEST
from bot.model.rollout import Phase, Rollout, Target, Topology
from bot.model.service import CustomGate, GateAction, HardLimit, Measure, Rule
from bot.words.said import Text

LATELY = 60.0  # seconds that hard limits look back, or four scrapes (Prometheus' rule for rates) where that is longer

# What users see is compared with the routes from so many seconds after they are in force: istiod pushes within ten.
PROPAGATION = 10.0
SEEN = 100  # requests of users, at least
FAR_OFF = 0.1  # of the share, beyond what chance explains
DEVIATIONS = 4.0

_WORST_FIRST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)

Strikes = Mapping[str, tuple[bool, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of some figures, by who is on trial."""

    subject: SideFigures | None
    reference: SideFigures | None
    name: str
    other: str
    limited: bool = False  # the subject got copies of some of the reference's requests only

    @classmethod
    def of(cls, rollout: Rollout, figures: Figures) -> Sides:
        """The sides as the rollout's phase has them."""
        canary, primary = rollout.spec.target.canary_deployment, rollout.spec.target.primary_deployment
        if rollout.primary_judged:
            return cls(subject=figures.primary, reference=figures.canary, name=primary, other=canary)
        return cls(
            subject=figures.canary, reference=figures.primary, name=canary, other=primary, limited=rollout.limited
        )

    @property
    def fair(self) -> SideFigures | None:
        """The reference by what the subject may be compared with: no more requests than can have been copied.

        All that was bad of them counts, copied or not, so what is said against the subject by it holds (``originals``).
        """
        if not self.limited or self.subject is None or self.reference is None:
            return self.reference
        return self.reference.among(self.subject.requests)


def lately(rollout: Rollout) -> float:
    """How many seconds back hard limits and custom queries look."""
    return max(LATELY, 4 * rollout.spec.metrics.scrape_interval)


def warming_up(at: float) -> Judgement:
    """The judgement before there is anything to judge."""
    finding = Finding(gate="warm-up", verdict=Verdict.INCONCLUSIVE, sentence="Warming up; nothing is judged yet.")
    return Judgement(at=at, verdict=Verdict.INCONCLUSIVE, findings=(finding,))


def unavailable(at: float, sentence: Text) -> Judgement:
    """The judgement when Prometheus could not be asked."""
    finding = Finding(gate="metrics", verdict=Verdict.ERROR, sentence=sentence)
    return Judgement(at=at, verdict=Verdict.ERROR, findings=(finding,))


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
        return (_unknown("traffic", f"No requests were measured on {sides.name} yet."),), strikes
    late = sum(recent[1:], start=recent[0])
    findings = [
        *_sample(rollout, stage, recent, sides.subject, sides.name),
        *_users(rollout, late),
        *_in_force(rollout, recent),
    ]
    read: dict[str, tuple[bool, ...]] = {}
    for reading in _findings(rollout, Sides.of(rollout, late), sides, stage.custom):
        history = (*strikes.get(reading.name, ()), reading.bad is True)[-reading.rule.within :]
        read[reading.name] = history
        findings.append(_found(reading, sum(history)))
    return tuple(findings), read


# The sample


def _sample(
    rollout: Rollout, stage: Figures, recent: Sequence[Figures], subject: SideFigures, name: str
) -> Iterator[Finding]:
    least = rollout.spec.gates.minimum_requests
    if rollout.phase is Phase.MIRRORING:
        yield _coverage(rollout, recent)
        yield from mirror_harm.find(rollout, stage, recent)
    if subject.requests < least:
        yield _unknown(
            "sample",
            f"{name} has answered {count(subject.requests)} of the {least} requests needed.",
            value=subject.requests,
            limit=float(least),
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
        return Finding(gate="coverage", verdict=Verdict.PASS, sentence=_only_some(rollout.spec.target), acts=False)
    copied = coverage(recent, rollout.settled_at or 0.0)
    if copied is None:
        return _unknown("coverage", "How many copies reach the canary is not known yet.")
    share = copied / (rollout.spec.target.mirror_percent / 100)
    least = rollout.spec.gates.coverage
    return Finding(
        gate="coverage",
        verdict=Verdict.PASS if share >= least else Verdict.INCONCLUSIVE,
        sentence=f"{percent(min(share, 1.0))} of the copies reach the canary; at least {percent(least)} are needed.",
        value=share,
        limit=least,
        unit=Unit.SHARE,
    )


def _only_some(target: Target) -> str:
    methods, routes = target.mirror_methods, target.route_names
    what = f"of {_listed(methods)}" if methods is not None else f"of the routes {_listed(routes)}"
    return (
        f"Copies are {what} only: whatever else {target.primary_deployment} answers badly counts in favour of "
        f"{target.canary_deployment}, and a pass takes the rest of the requests for alike."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


# What users see


def _users(rollout: Rollout, late: Figures) -> Iterator[Finding]:
    """Requests for which no pod was found: only the proxies that sent them can tell, and no version is to blame."""
    users = late.users
    if users is None or users.nowhere < FEWEST:
        return
    share, ceiling = users.nowhere / users.requests, rollout.spec.gates.judge.ceiling
    sentence = (
        f"{count(users.nowhere)} of {count(users.requests)} requests of users found no pod lately ({percent(share)}; "
        f"at most {percent(ceiling)} are allowed)."
    )
    moved = rollout.current.routes.canary > 0 or rollout.primary_judged
    verdict = Verdict.FAIL if moved and share > ceiling else Verdict.INCONCLUSIVE
    yield Finding(
        gate="users",
        verdict=verdict,
        sentence=sentence,
        value=share,
        limit=ceiling,
        sample=users.requests,
        unit=Unit.SHARE,
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
    text = f"{percent(found)} of {count(answered)} requests of users went to {rollout.spec.target.canary_deployment}"
    if rollout.current.routes.mirror:
        if seen.canary > 0:
            why = "callers that do not follow the VirtualService reach it"
            yield Finding(
                gate="leak",
                verdict=Verdict.INCONCLUSIVE,
                sentence=f"{text} itself: {why}.",
                value=found,
                acts=False,
                unit=Unit.SHARE,
            )
    elif abs(found - share) > max(FAR_OFF, DEVIATIONS * math.sqrt(share * (1 - share) / answered)):
        why = "the proxies have not taken the routes, or callers do not follow the VirtualService"
        yield _unknown(
            "in force", f"{text} instead of {percent(share)}: {why}.", value=found, limit=share, unit=Unit.SHARE
        )


# Hard limits and a team's own queries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One limit at one evaluation; ``bad`` None: not known."""

    name: str
    bad: bool | None
    sentence: str
    action: GateAction
    rule: Rule
    value: float | None = None
    limit: float | None = None
    sample: float | None = None
    unit: Unit = Unit.NUMBER


def _findings(rollout: Rollout, late: Sides, stage: Sides, custom: Mapping[str, float | None]) -> Iterator[_Reading]:
    least = rollout.spec.gates.minimum_requests
    # Where a minute's traffic is too thin for a quantile, the stage's has to do.
    thin = late.subject is None or late.subject.requests < least
    for limit in rollout.spec.gates.limits:
        yield _limited(limit, stage if thin and limit.of is Measure.LATENCY else late, least)
    for gate in rollout.spec.gates.custom:
        yield _queried(gate, custom.get(gate.name))


def _limited(limit: HardLimit, late: Sides, least: int) -> _Reading:
    subject, reference = late.subject, late.fair
    value, against = (None if side is None else _measured(limit, side, least) for side in (subject, reference))
    if value is None:
        return _finding(limit, None, f"{limit.name} of {late.name} is not known yet.")
    allowed = _allowed(limit, against)
    if allowed is None:
        return _finding(limit, False, f"{limit.name}: nobody is on {late.other} to compare with.")
    shown, most = (_amount(limit, amount) for amount in (value, allowed))
    requests = subject.requests if subject is not None else 0.0
    return _finding(
        limit,
        value > allowed and (limit.of is Measure.LATENCY or _many(subject)),
        f"{limit.name} on {late.name} lately: {shown} of {count(requests)} requests; allowed {most}.",
        value=value,
        allowed=allowed,
        sample=requests,
    )


def _finding(
    limit: HardLimit,
    bad: bool | None,  # noqa: FBT001  # three answers, not a switch
    sentence: str,
    value: float | None = None,
    allowed: float | None = None,
    sample: float | None = None,
) -> _Reading:
    return _Reading(
        name=limit.name,
        bad=bad,
        sentence=sentence,
        action=limit.action,
        rule=limit.rule,
        value=value,
        limit=allowed,
        sample=sample,
        unit=Unit.SHARE if limit.of is Measure.ERRORS else Unit.MILLISECONDS,
    )


def _measured(limit: HardLimit, side: SideFigures, least: int) -> float | None:
    if limit.of is Measure.ERRORS:
        return side.error_share
    return quantile(side.buckets, limit.quantile) if side.requests >= least else None


def _allowed(limit: HardLimit, against: float | None) -> float | None:
    limits = [] if limit.maximum is None else [limit.maximum]
    if limit.relative is not None and against is not None:
        limits.append(limit.relative * against)
    return min(limits, default=None)


def _many(subject: SideFigures | None) -> bool:
    return subject is not None and subject.errors >= FEWEST


def _amount(limit: HardLimit, value: float) -> str:
    return percent(value) if limit.of is Measure.ERRORS else f"{value:,.0f} ms"


def _queried(gate: CustomGate, value: float | None) -> _Reading:
    low, high = gate.minimum, gate.maximum
    if value is None or not math.isfinite(value):
        sentence = f"{gate.name}: the query returned nothing."
        return _Reading(name=gate.name, bad=None, sentence=sentence, action=gate.action, rule=gate.rule)
    bounds = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
    return _Reading(
        name=gate.name,
        bad=(high is not None and value > high) or (low is not None and value < low),
        sentence=f"{gate.name}: {value:g}; allowed {' and '.join(filter(None, bounds))}.",
        action=gate.action,
        rule=gate.rule,
        value=value,
        limit=high if high is not None else low,
    )


def _found(reading: _Reading, strikes: int) -> Finding:
    """The reading as a finding: a limit acts once enough of its last reconciles were bad."""
    sentence = reading.sentence
    if reading.bad is None:
        verdict = Verdict.INCONCLUSIVE
    elif strikes >= reading.rule.times:
        verdict = Verdict.INCONCLUSIVE if reading.action is GateAction.HOLD else Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE if reading.bad else Verdict.PASS
    if reading.rule.within > 1 and strikes:
        sentence = (
            f"{sentence.rstrip('.')} ({strikes} of the last {reading.rule.within} looks; {reading.rule.times} act)."
        )
    return Finding(
        gate=reading.name,
        verdict=verdict,
        sentence=sentence,
        value=reading.value,
        limit=reading.limit,
        sample=reading.sample,
        unit=reading.unit,
        acts=reading.action is not GateAction.OBSERVE,
    )


def _unknown(
    gate: str, sentence: str, value: float | None = None, limit: float | None = None, unit: Unit = Unit.NUMBER
) -> Finding:
    return Finding(gate=gate, verdict=Verdict.INCONCLUSIVE, sentence=sentence, value=value, limit=limit, unit=unit)
