"""Requests of users for which no pod was found. Pure.

They are judged by the last minute, so that a fault that starts late is not thinned out by good minutes before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.analysis.amounts import by_side, of
from bot.model.figures import Figures, Finding, Tendency, Unit, Verdict
from bot.model.judge_settings import FEWEST
from bot.model.rollout import Rollout
from bot.words.sentence import Share, said


def find(rollout: Rollout, late: Figures) -> Iterator[Finding]:
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
