"""The names of both sides' pods, those that are and those that were until a short while ago.

Figures end a little behind the clock, and a pod that is gone is in them for as long as Prometheus looks behind it. What
a process has not seen itself it does not know: after a restart, a pod that ended in that moment is a stranger until
Prometheus has let it go.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.model.observation import Observation
from bot.model.rollout import Rollout, RolloutId

KEPT_FOR = 900.0  # seconds: longer than Prometheus shows what it does not scrape any more
MOST = 10_000  # rollouts


class OwnPods:
    """What this process has seen; of each rollout one thread at a time."""

    def __init__(self) -> None:
        self._seen: dict[RolloutId, dict[tuple[str, str], float]] = {}

    def after(self, rollout: Rollout, observed: Observation, at: float) -> Mapping[str, frozenset[str]]:
        """The names by Deployment, with what was observed now (``at``, seconds of a stopwatch) among them."""
        target = rollout.spec.target
        sides = ((target.primary_deployment, observed.primary), (target.canary_deployment, observed.canary))
        known = self._seen.pop(rollout.spec.id, {}) | {(name, pod): at for name, side in sides for pod in side.pods}
        known = {key: seen for key, seen in known.items() if at - seen <= KEPT_FOR}
        if not rollout.ended:
            self._seen[rollout.spec.id] = known
        while len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
        return {name: frozenset(pod for owner, pod in known if owner == name) for name, _ in sides}


def ready_pods(rollout: Rollout, observed: Observation) -> Mapping[str, frozenset[str]]:
    """The names of those that answer now, by Deployment."""
    target = rollout.spec.target
    sides = ((target.primary_deployment, observed.primary), (target.canary_deployment, observed.canary))
    return {name: side.ready_pods for name, side in sides}
