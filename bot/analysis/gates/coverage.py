"""Whether the copies that a mirror makes arrive at the canary, by the last minute. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.analysis.gates.unknown import unknown
from bot.model.figures import Figures, Finding, SideFigures, Tendency, Unit, Verdict
from bot.model.rollout import Rollout
from bot.model.versions import spoken_sides
from bot.words.sentence import Sentence, Share, said


def find(rollout: Rollout, recent: Sequence[Figures]) -> Finding:
    """Copies can be lost silently (no host, open circuit breaker): few errors of few copies prove nothing."""
    if rollout.limited:
        # The primary counts everything, the canary copies of some: their ratio says nothing about lost copies.
        return Finding(gate="coverage", verdict=Verdict.PASS, sentence=_only_some(rollout), acts=False)
    copied = coverage(recent, rollout.settled_at or 0.0)
    if copied is None:
        return unknown("coverage", said("analysis.copies_unknown"))
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


def _only_some(rollout: Rollout) -> Sentence:
    target, (canary, primary) = rollout.spec.target, spoken_sides(rollout)
    if target.mirror_methods is not None:
        return said("analysis.some_methods", methods=tuple(target.mirror_methods), primary=primary, canary=canary)
    return said("analysis.some_routes", routes=tuple(target.route_names), primary=primary, canary=canary)
