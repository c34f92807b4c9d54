"""The last count of a rollout that was aborted: what users met of the canary between the last reading and their return.

Figures come a scrape late, and an abort is over before they are there. So the record of an aborted rollout is completed
once, a moment after its end; its card then tells all of it. A bot that dies meanwhile leaves what was counted before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bot.analysis.course import exposed
from bot.controller.containment import contained
from bot.controller.ports import Metrics, Store, Window
from bot.model.errors import Fault, Stale
from bot.model.figures import Figures
from bot.model.rollout import Phase, Rollout, RolloutId

PATIENCE = 300.0  # seconds after which a count that could not be had is given up


class LastCounts:
    """Remembers which rollouts have ended without their last count, and takes it."""

    def __init__(self) -> None:
        self._waiting: dict[RolloutId, Rollout] = {}

    def note(self, rollout: Rollout) -> None:
        """To be told of every rollout that is stored."""
        if rollout.phase is Phase.ABORTED and _owes(rollout):
            self._waiting[rollout.spec.id] = rollout

    def take(self, store: Store, metrics: Metrics, now: float) -> None:
        """Complete the records whose figures are there by now. What cannot be had is tried again, for a while."""
        due = {one.spec.id: one for one in self._waiting.values() if now >= _when(one)}
        if not due:
            return
        try:
            with contained("count last requests"):
                theirs = metrics.clock(now)  # samples are stamped by another machine
                windows = [_window(one, theirs) for one in due.values()]
                for each, row in metrics.read(windows).items():
                    if isinstance(row, Figures):
                        self._complete(due[each], row, store)
        except Fault:
            pass  # nothing hangs on it but a figure, and that its system is away is told elsewhere
        for each, one in due.items():
            if now > _when(one) + PATIENCE:
                self._waiting.pop(each, None)

    def _complete(self, rollout: Rollout, row: Figures, store: Store) -> None:
        exposure = exposed(rollout.exposure, rollout, row)
        state = replace(rollout.analysis_state, exposure=exposure, until=row.end)
        # Where somebody has cleaned up after it, what they stored stays, with the figures from before.
        with suppress(Stale):
            store.save(replace(rollout, analysis_state=state))
        self._waiting.pop(rollout.spec.id, None)


def _owes(rollout: Rollout) -> bool:
    """Whether users may have met the canary since the last row that was counted."""
    moved = {stage.name for stage in rollout.spec.plan if stage.routes.canary > 0}
    return rollout.analysis_state.until is not None and any(one.name in moved for one in rollout.walked)


def _when(rollout: Rollout) -> float:
    """When the first scrape after its end has been stored, seconds since the epoch."""
    source = rollout.spec.metrics
    return (rollout.ended_at or 0.0) + source.scrape_interval + source.delay


def _window(rollout: Rollout, now: float) -> Window:
    """From the last row that was counted to what is surely stored; of the time after its end it holds no user."""
    since = rollout.analysis_state.until or 0.0
    return Window(rollout=rollout, since=since, until=max(since, now - rollout.spec.metrics.delay))
