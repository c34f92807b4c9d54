"""Whether the proxies do what the routes say, by what users were answered with. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bot.analysis.amounts import of
from bot.model.figures import Figures, Finding, Tendency, Unit, UserView, Verdict
from bot.model.rollout import Rollout, Topology
from bot.model.versions import spoken_sides
from bot.words.sentence import Share, said

# What users see is compared with the routes from so many seconds after they are in force: istiod pushes within ten.
PROPAGATION = 10.0
SEEN = 100  # requests of users, at least
FAR_OFF = 0.1  # of the share, beyond what chance explains
DEVIATIONS = 4.0


def find(rollout: Rollout, recent: Sequence[Figures]) -> Iterator[Finding]:
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
