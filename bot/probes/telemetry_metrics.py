"""What the controller tells while it works: counted, and logged once."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.controller.containment import Broken, kind
from bot.controller.ports import Clock
from bot.controller.telemetry import Telemetry
from bot.model.errors import Fault
from bot.model.figures import Judgement, Verdict
from bot.model.freeze import FreezeLine
from bot.model.rollout import BOT, Phase, Rollout, RolloutId
from bot.model.story import Entry, EntryKind
from bot.probes.own_metrics import OwnMetrics
from bot.rollout.actions import Action, SetRoutes
from bot.words.sentence import Text

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class TelemetryMetrics:
    """Takes down what happens to rollouts, in the log and in the process' own figures."""

    def __init__(self, own: OwnMetrics, clock: Clock) -> None:
        self._own = own
        self._clock = clock
        self._worked = 0.0  # seconds, in this round
        self._lag = 0.0  # seconds, the longest of this round
        self._visible: dict[RolloutId, float] = {}  # of aborts under way: since when their reason can have been seen
        self._broken: dict[str, Text] = {}  # the newest mistake of ours that the log has, by service

    def telemetry(self) -> Telemetry:
        """What the controller calls."""
        return Telemetry(
            ticked=self._ticked,
            judged=self._judged,
            changed=self._changed,
            acted=self._acted,
            failed=self._failed,
            froze=self._froze,
            untold=self._untold,
            clock_set=lambda seconds: log.warning("clock_set", seconds=round(seconds, 1)),
        )

    def _untold(self, service: str, fault: Fault) -> None:
        error = fault.error if isinstance(fault, Broken) else None
        log.warning("unreadable_record_not_told", service=service, sentence=fault.sentence, exc_info=error)

    def round_is_over(self) -> None:
        """Every live rollout has had its reconcile."""
        self._own.tick(seconds=self._worked, lag=self._lag)
        self._worked = self._lag = 0.0

    def _ticked(self, seconds: float, lag: float) -> None:
        """A turn: with many rollouts a round has several."""
        self._worked += seconds
        self._lag = max(self._lag, lag)

    def _changed(self, before: Rollout, after: Rollout, entries: Sequence[Entry]) -> None:
        bound = log.bind(
            service=after.spec.service, rollout=after.spec.id, stage=after.current.name, phase=str(after.phase)
        )
        for entry in entries:
            seen = entry.shown
            shown = {"shown": seen.text, "permalink": seen.permalink} if seen is not None else {}
            bound.info(f"rollout_{entry.kind}", text=entry.text, by=entry.by, **shown)
        if after.phase is Phase.ABORTING and before.phase is not Phase.ABORTING:
            reason = _reason(before, after, entries)
            self._own.aborted(reason)
            if reason == "gate":
                self._visible[after.spec.id] = _visible_since(before)
        if len(after.step_backs) > len(before.step_backs):
            self._own.stepped_back()
        if before.asked_at is not None and len(after.approvals) > len(before.approvals):
            self._own.approved(after.approvals[-1].at - before.asked_at)

    def _judged(self, _rollout: Rollout, judgement: Judgement) -> None:
        self._own.verdict(str(judgement.verdict))

    def _acted(self, rollout: Rollout, action: Action) -> None:
        if isinstance(action, SetRoutes) and rollout.phase is Phase.ABORTING:
            visible = self._visible.pop(
                rollout.spec.id, None
            )  # later routes of the same way home are no longer the reaction
            if visible is not None:
                self._own.abort_accepted(max(0.0, self._clock.now() - visible))
        log.info(
            "acted",
            service=rollout.spec.service,
            rollout=rollout.spec.id,
            action=type(action).__name__,
            detail=str(action),
        )

    def _failed(self, rollout: Rollout, fault: Fault) -> None:
        self._own.reconcile_failed(kind(fault))
        bound = log.bind(service=rollout.spec.service, system=fault.system, sentence=fault.sentence)
        if not isinstance(fault, Broken):
            bound.warning("outside_fault")
        # Its traceback is long, and comes with every reconcile.
        elif self._broken.get(rollout.spec.service) != fault.sentence:
            self._broken[rollout.spec.service] = fault.sentence
            bound.error("reconcile_broken", exc_info=fault.error)

    def _froze(self, line: FreezeLine) -> None:
        freeze = line.freeze
        bound = log.bind(scope=freeze.scope, by=line.by, frozen_by=freeze.by, until=freeze.until)
        bound.info(str(line.action), reason=freeze.reason)


def _reason(before: Rollout, after: Rollout, entries: Sequence[Entry]) -> str:
    """Who or what made it an abort."""
    if any(entry.kind is EntryKind.ABORTING and entry.by != BOT for entry in entries):
        return "people"
    judged = after.judgement is not None and after.judgement.verdict is Verdict.FAIL
    # A verdict that had fallen before is not what it is about: a failed one aborts at the reconcile that finds it.
    return "gate" if judged and after.judgement != before.judgement else "other"


def _visible_since(before: Rollout) -> float:
    """The end of what was judged before, and found not to be bad; the stage's begin where nothing was."""
    same = before.judgement is not None and before.analysis_state.stage == before.current.name
    if before.judgement is not None and same:
        return before.judgement.at
    return before.settled_at if before.settled_at is not None else before.since
