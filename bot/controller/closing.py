"""The last count of a rollout that was aborted: what users met of the canary between the last reading and their return.

Figures come a scrape late, and an abort is over before they are there. So the record of an aborted rollout is completed
once, a moment after its end; its card then tells all of it. A bot that dies meanwhile leaves what was counted before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.analysis.course import exposed
from bot.controller.edges import contained
from bot.controller.ports import Metrics, Store, Window
from bot.model.errors import Fault, Stale
from bot.model.figures import Figures
from bot.model.rollout import Phase, Rollout, RolloutId

PATIENCE = 300.0  # seconds after which a count that could not be had is given up


class Closing:
    """Remembers which rollouts have ended without their last count, and takes it."""

    def __init__(self) -> None:
        self._waiting: dict[RolloutId, Rollout] = {}

    def ended(self, rollout: Rollout) -> None:
        """To be told of every rollout that is stored."""
        if rollout.phase is Phase.ABORTED and owes(rollout):
            self._waiting[rollout.spec.id] = rollout

    def take(self, store: Store, metrics: Metrics, now: float) -> list[Rollout]:
        """Complete the records whose figures are there by now; those that were are returned as they are stored."""
        due = {one.spec.id: one for one in self._waiting.values() if now >= _when(one)}
        windows = [Window(rollout=one, since=since, until=now - one.spec.metrics.delay) for one, since in _since(due)]
        try:
            with contained("count last requests"):
                found = metrics.read(windows) if windows else {}
                closed = [self._close(due[each], row, store) for each, row in found.items() if isinstance(row, Figures)]
        except Fault:
            closed = []  # tried again, for a while; nothing hangs on it but a figure
        for each, one in due.items():
            if now > _when(one) + PATIENCE:
                self._waiting.pop(each, None)
        return [one for one in closed if one is not None]

    def _close(self, rollout: Rollout, row: Figures, store: Store) -> Rollout | None:
        self._waiting.pop(rollout.spec.id, None)
        shifted = replace(rollout, phase=Phase.SHIFTING)  # where its users were; the rest of the row has none of them
        exposure = exposed(rollout.exposure, shifted, row)
        state = replace(rollout.analysis_state, exposure=exposure, until=row.end)
        try:
            return store.save(replace(rollout, analysis_state=state))
        except Stale:  # somebody cleaned up after it; what they stored has the figures from before
            return None


def owes(rollout: Rollout) -> bool:
    """Whether users may have met the canary since the last row that was counted."""
    moved = {stage.name for stage in rollout.spec.plan if stage.routes.canary > 0}
    return rollout.analysis_state.until is not None and any(one.name in moved for one in rollout.walked)


def _when(rollout: Rollout) -> float:
    """When the first scrape after its end has been stored, seconds since the epoch."""
    source = rollout.spec.metrics
    return (rollout.ended_at or 0.0) + source.scrape_interval + source.delay


def _since(due: Mapping[RolloutId, Rollout]) -> list[tuple[Rollout, float]]:
    return [(one, until) for one in due.values() if (until := one.analysis_state.until) is not None]
