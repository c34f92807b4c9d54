"""How many ready pods a share of the users needs, reckoned from what carried all of them when the rollout began."""

from __future__ import annotations

from math import ceil

from bot.model.copies import replace
from bot.model.figures import Judgement, SideFigures
from bot.model.observation import Observation
from bot.model.rollout import Phase, Rollout

EVERYONE = 100  # percent
NOISE = 0.1  # of a rate, that is not worth remembering
LONG_ENOUGH = 60.0  # seconds of figures for a rate, or four scrapes where that is longer
GROWTH = 1.25  # times the traffic of the start, below which it is the same traffic


def of_primary(rollout: Rollout, share: int, observed: Observation | None = None) -> int:
    """Pods of the primary for ``share`` percent of the users; never less than one.

    As many as it had at the start, or as its HPA keeps at least. With ``observed``, more where there is more traffic
    than then, but no more than carry it now: a quiet hour at the start says nothing about what one pod can do.
    """
    target = rollout.spec.target
    whole = max(target.primary_replicas, target.primary_minimum, 1)
    if observed is not None and target.primary_replicas and rollout.pod_rate and rollout.user_rate:
        by_rate = rollout.user_rate / rollout.pod_rate
        whole = max(whole, min(ceil(by_rate), _serving(rollout, observed)) if by_rate > whole * GROWTH else 0)
    return max(1, ceil(whole * share / EVERYONE))


def could_go_home(observed: Observation) -> bool:
    """Whether the primary has a pod for users: better than a canary that fails them. Also where nobody can see that."""
    return observed.pods_unobserved is not None or observed.primary.reachable > 0


def of_canary(rollout: Rollout, share: int) -> int:
    """Pods of the canary for ``share`` percent of the users; never more than it had when people chose to begin."""
    target = rollout.spec.target
    return max(1, min(target.canary_replicas, ceil(target.primary_replicas * share / EVERYONE)))


def note_load(rollout: Rollout, observed: Observation, judgement: Judgement) -> Rollout:
    """Remember how much a pod of the primary was seen to carry, and how much all users ask for now."""
    figures = judgement.figures
    if figures is None or figures.primary is None:
        return rollout
    primary = _rate(rollout, figures.primary)
    if rollout.phase is Phase.MIRRORING and primary is not None and observed.primary.answering > 0:
        rate = primary / observed.primary.answering
        return rollout if rate <= (rollout.pod_rate or 0.0) else replace(rollout, pod_rate=rate)
    canary = 0.0 if figures.canary is None else _rate(rollout, figures.canary)
    if rollout.phase is not Phase.SHIFTING or primary is None or canary is None:
        return rollout
    rate, before = primary + canary, rollout.user_rate
    same = before is not None and abs(rate - before) <= before * NOISE
    return rollout if same else replace(rollout, user_rate=rate)


def _rate(rollout: Rollout, side: SideFigures) -> float | None:
    """Requests per second over the time that the counts really span; None where that is unknown or too short.

    Of a Prometheus that was away for a part of the window nobody knows how long it counted, and in a short one a scrape
    more or less would make it look like another traffic.
    """
    if side.first is None or side.last is None:
        return None
    enough = side.last - side.first >= max(LONG_ENOUGH, 4 * rollout.spec.metrics.scrape_interval)
    return side.per_second if enough else None


def _serving(rollout: Rollout, observed: Observation) -> int:
    """Ready pods that are known to carry users. While they return, the primary's are the ones that are asked about:
    counted here, each that was added would ask for another.
    """
    if observed.routes is None:
        return 0
    proven = observed.routes.primary > 0 and rollout.phase is not Phase.SWITCHING_BACK
    return (observed.primary.answering if proven else 0) + (observed.canary.answering if observed.routes.canary else 0)
