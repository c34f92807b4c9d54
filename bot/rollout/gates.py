"""When figures are good enough: each gate looks at counts of both sides and answers with a verdict and a sentence.

The *subject* is the side that is receiving users (the canary, and during the switchback the upgraded primary), the
*reference* the other one. Where the reference has no traffic left (everyone is on the subject) only absolute limits
are left to judge by.

Two windows are judged at every look. The stage's whole window decides about going on; the recent window can only
condemn, so that a fault that starts late is not thinned out by good minutes before it.

Missing data never counts as good: no answer is ``inconclusive`` (or ``error`` where Prometheus could not be asked).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bot.rollout.model import Figures, Finding, Judgement, Phase, Rollout, SideFigures, Verdict
from bot.rollout.service import CustomGate, ErrorLimits, GateAction, GateLimits, LatencyLimits

# How many standard deviations of a Poisson count the bad events must exceed what is allowed: about 1 in 1,000.
SURPRISE = 3.09
# Bad events below this many condemn nobody, however small the sample: the first error of a quiet service is no trend.
FEWEST = 3
# Shares of the reference's requests above the two bounds that are chosen when none are configured.
TAILS = (0.10, 0.01)

_WORST_FIRST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)


def window(rollout: Rollout, now: float) -> tuple[float, float] | None:
    """The stage's window: from its warm-up's end to now; None while it has not begun."""
    if rollout.settled_at is None:
        return None
    start = rollout.settled_at + rollout.gates.warm_up
    return (start, now) if now > start else None


def recent(rollout: Rollout, span: tuple[float, float]) -> tuple[float, float]:
    """The last minute of a window, or four scrapes where that is longer (Prometheus' rule for rates)."""
    start, end = span
    return (max(start, end - max(60.0, 4 * rollout.metrics.scrape_interval)), end)


def warming_up(at: float) -> Judgement:
    """The judgement before there is anything to judge."""
    finding = Finding(gate="warm-up", verdict=Verdict.INCONCLUSIVE, sentence="Warming up; nothing is judged yet.")
    return Judgement(at=at, verdict=Verdict.INCONCLUSIVE, findings=(finding,))


def unavailable(at: float, sentence: str) -> Judgement:
    """The judgement when Prometheus could not be asked."""
    finding = Finding(gate="metrics", verdict=Verdict.ERROR, sentence=sentence)
    return Judgement(at=at, verdict=Verdict.ERROR, findings=(finding,))


def judge(rollout: Rollout, figures: Figures, late: Figures | None = None) -> Judgement:
    """All gates over the stage's window, and over the recent one (``late``) for failures alone."""
    findings = tuple(_findings(rollout, figures))
    if late is not None:
        findings = (*(f for f in _findings(rollout, late) if f.verdict is Verdict.FAIL), *findings)
    # The same gate may speak twice (recent and whole window): its worse word counts.
    by_gate: dict[str, Finding] = {}
    for finding in findings:
        kept = by_gate.get(finding.gate)
        if kept is None or _badness(finding.verdict) > _badness(kept.verdict):
            by_gate[finding.gate] = finding
    ranked = tuple(sorted(by_gate.values(), key=lambda f: _badness(f.verdict), reverse=True))
    worst = max((f.verdict for f in ranked if f.acts), key=_badness, default=Verdict.INCONCLUSIVE)
    return Judgement(at=figures.end, verdict=worst, findings=ranked, figures=figures)


def _badness(verdict: Verdict) -> int:
    return -_WORST_FIRST.index(verdict)


def _findings(rollout: Rollout, figures: Figures) -> Iterator[Finding]:
    gates = rollout.gates
    subject, reference, name, other = _sides(rollout, figures)
    if subject is None or subject.requests <= 0:
        yield _unknown("traffic", f"No requests were measured on {name} yet.")
        return
    if rollout.phase is Phase.MIRRORING:
        yield _coverage(rollout, figures)
    if subject.requests < gates.minimum_requests:
        yield _unknown(
            "sample",
            f"{name} has answered {_count(subject.requests)} of the {gates.minimum_requests} requests needed.",
            value=subject.requests,
            limit=float(gates.minimum_requests),
        )
    if gates.errors is not None:
        yield _errors(gates.errors, gates, subject, reference, name, other)
    if gates.latency is not None:
        yield from _latency(gates.latency, gates, subject, reference, name, other)
    for gate in gates.custom:
        yield _custom(gate, figures.custom)


def _sides(rollout: Rollout, figures: Figures) -> tuple[SideFigures | None, SideFigures | None, str, str]:
    canary, primary = rollout.target.canary_deployment, rollout.target.primary_deployment
    if rollout.phase is Phase.SWITCHING_BACK or (rollout.phase is Phase.BAKING and rollout.primary_touched):
        return figures.primary, figures.canary, primary, canary
    return figures.canary, figures.primary, canary, primary


def _coverage(rollout: Rollout, figures: Figures) -> Finding:
    """Copies can be lost silently (no host, open circuit breaker): few errors of few copies prove nothing."""
    if rollout.target.mirror_methods is not None:
        # The primary counts every method, the canary copies of some: their ratio says nothing about lost copies.
        return Finding(gate="coverage", verdict=Verdict.PASS, sentence="Copies arrive at the canary.", acts=False)
    if figures.coverage is None:
        return _unknown("coverage", "How many copies reach the canary is not known yet.")
    expected = rollout.target.mirror_percent / 100
    least = rollout.gates.coverage * expected
    share = figures.coverage / expected
    verdict = Verdict.PASS if figures.coverage >= least else Verdict.INCONCLUSIVE
    return Finding(
        gate="coverage",
        verdict=verdict,
        sentence=f"{_percent(min(share, 1.0))} of the copies reach the canary; "
        f"at least {_percent(rollout.gates.coverage)} are needed.",
        value=share,
        limit=rollout.gates.coverage,
    )


def _errors(
    limits: ErrorLimits, gates: GateLimits, subject: SideFigures, reference: SideFigures | None, name: str, other: str
) -> Finding:
    share = subject.errors / subject.requests
    counts = f"{_percent(share)} ({_count(subject.errors)} of {_count(subject.requests)})"
    against, allowed = _allowed(
        limits.tolerance, limits.slack, reference.errors if reference else 0.0, reference, limits.ceiling
    )
    compared = f", {other} {_percent(against)}" if against is not None else ""
    finding = Finding(
        gate="errors",
        verdict=Verdict.PASS,
        sentence=f"Errors on {name}: {counts}{compared}; allowed {_percent(allowed)}.",
        value=share,
        limit=allowed,
        sample=subject.requests,
    )
    return replace(finding, verdict=_verdict(subject.errors, subject.requests, allowed, gates))


def _latency(
    limits: LatencyLimits, gates: GateLimits, subject: SideFigures, reference: SideFigures | None, name: str, other: str
) -> Iterator[Finding]:
    if not subject.buckets:
        if limits.bounds or limits.maximum is not None:
            yield _unknown("latency", f"{name} has no latency histogram.")
        return
    if limits.maximum is not None:
        yield _quantile(limits, limits.maximum, subject, name, gates.minimum_requests)
    comparable = reference if reference is not None and reference.requests >= gates.minimum_requests else None
    if comparable is None or not comparable.buckets:
        return
    for bound in limits.bounds or tail_bounds(comparable.buckets):
        slow, slow_other = slower(subject.buckets, bound), slower(comparable.buckets, bound)
        if slow is None or slow_other is None:
            yield _unknown(f"slower than {bound:g} ms", f"No bucket ends at {bound:g} ms on both sides.")
            continue
        against, allowed = _allowed(limits.tolerance, limits.slack, slow_other, comparable, None)
        yield Finding(
            gate=f"slower than {bound:g} ms",
            verdict=_verdict(slow, subject.requests, allowed, gates),
            sentence=f"Slower than {bound:g} ms on {name}: {_percent(slow / subject.requests)} ({_count(slow)} of "
            f"{_count(subject.requests)}), {other} {_percent(against or 0.0)}; allowed {_percent(allowed)}.",
            value=slow / subject.requests,
            limit=allowed,
            sample=subject.requests,
        )


def _quantile(limits: LatencyLimits, maximum: float, subject: SideFigures, name: str, minimum: int) -> Finding:
    value = quantile(subject.buckets, limits.quantile)
    gate = f"p{limits.quantile * 100:g}"
    if value is None or subject.requests < minimum:
        return _unknown(gate, f"{gate} of {name} is not known yet.")
    return Finding(
        gate=gate,
        verdict=Verdict.PASS if value <= maximum else Verdict.FAIL,
        sentence=f"{gate} of {name}: {value:.0f} ms; allowed {maximum:g} ms.",
        value=value,
        limit=maximum,
        sample=subject.requests,
    )


def _custom(gate: CustomGate, values: Mapping[str, float | None]) -> Finding:
    acts = gate.action is not GateAction.OBSERVE
    value = values.get(gate.name)
    if value is None or not math.isfinite(value):
        return replace(_unknown(gate.name, f"{gate.name}: the query returned nothing."), acts=acts)
    low, high = gate.minimum, gate.maximum
    bad = (high is not None and value > high) or (low is not None and value < low)
    bounds = " and ".join(
        part
        for part in (f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else "")
        if part
    )
    failing = Verdict.FAIL if gate.action is not GateAction.HOLD else Verdict.INCONCLUSIVE
    return Finding(
        gate=gate.name,
        verdict=failing if bad else Verdict.PASS,
        sentence=f"{gate.name}: {value:g}; allowed {bounds}.",
        value=value,
        limit=high if high is not None else low,
        acts=acts,
    )


def _allowed(
    tolerance: float, slack: float, bad: float, reference: SideFigures | None, ceiling: float | None
) -> tuple[float | None, float]:
    """The reference's share, and the share allowed: the stricter of relative limit and ceiling."""
    against = bad / reference.requests if reference is not None and reference.requests > 0 else None
    limits = [] if ceiling is None else [ceiling]
    if against is not None:
        limits.append(tolerance * against + slack)
    return against, min(limits, default=1.0)


def _verdict(bad: float, requests: float, allowed: float, gates: GateLimits) -> Verdict:
    """Fail when more bad events were seen than chance would give a side exactly at its limit.

    A small sample can fail (three of three errors are no accident) but never pass.
    """
    expected = allowed * requests
    if bad >= FEWEST and bad > expected + SURPRISE * math.sqrt(expected):
        return Verdict.FAIL
    if requests < gates.minimum_requests or bad > expected:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS


def slower(buckets: Mapping[float, float], bound: float) -> float | None:
    """Requests slower than ``bound`` milliseconds, exact where it is a bucket's bound; None where it is not."""
    if bound not in buckets:
        return None
    return max(buckets.values()) - buckets[bound]


def tail_bounds(buckets: Mapping[float, float]) -> tuple[float, ...]:
    """The smallest bounds with at most 10 % and at most 1 % of the requests above them (equal ones once)."""
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return ()
    chosen = []
    for tail in TAILS:
        within = [bound for bound in sorted(buckets) if math.isfinite(bound) and total - buckets[bound] <= tail * total]
        chosen.extend(within[:1])
    return tuple(dict.fromkeys(chosen))


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """A latency quantile in milliseconds by linear interpolation inside its bucket, as Prometheus does it.

    None without requests. A quantile in the last bucket is that bucket's lower bound.
    """
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return None
    rank, below_bound, below = share * total, 0.0, 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return below_bound
            inside = buckets[bound] - below
            return below_bound + (bound - below_bound) * ((rank - below) / inside if inside else 1.0)
        below_bound, below = bound, buckets[bound]
    return below_bound


def _unknown(gate: str, sentence: str, value: float | None = None, limit: float | None = None) -> Finding:
    return Finding(gate=gate, verdict=Verdict.INCONCLUSIVE, sentence=sentence, value=value, limit=limit)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _count(number: float) -> str:
    return f"{number:,.0f}"
