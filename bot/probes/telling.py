"""What the controller tells while it works: counted, and logged once."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.controller.controller import Watch
from bot.controller.edges import Broken, kind
from bot.controller.ports import Clock
from bot.probes.figures import OwnMetrics
from bot.rollout.desired import Action, SetRoutes
from bot.rollout.errors import Fault
from bot.rollout.figures import Judgement
from bot.rollout.freeze import FreezeLine
from bot.rollout.model import BOT, Entry, EntryKind, Phase, Rollout

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Telling:
    """Takes down what happens to rollouts, in the log and in the process' own figures."""

    def __init__(self, own: OwnMetrics, clock: Clock) -> None:
        self._own = own
        self._clock = clock
        self._broken: dict[str, str] = {}  # the newest mistake of ours that the log has, by service

    def watch(self) -> Watch:
        """What the controller calls."""
        return Watch(
            ticked=lambda seconds, lag: self._own.tick(seconds=seconds, lag=lag),
            judged=self._judged,
            changed=self._changed,
            acted=self._acted,
            failed=self._failed,
            froze=self._froze,
        )

    def _changed(self, before: Rollout, after: Rollout, entries: Sequence[Entry]) -> None:
        bound = log.bind(service=after.service, rollout=after.id, stage=after.current.name, phase=str(after.phase))
        for entry in entries:
            bound.info(f"rollout_{entry.kind}", text=entry.text, by=entry.by)
        if after.phase is Phase.ABORTING and before.phase is not Phase.ABORTING:
            by_people = any(entry.kind is EntryKind.ABORTING and entry.by != BOT for entry in entries)
            self._own.aborted("people" if by_people else "gate")
        if before.asked_at is not None and len(after.approvals) > len(before.approvals):
            self._own.approved(after.approvals[-1].at - before.asked_at)

    def _judged(self, _rollout: Rollout, judgement: Judgement) -> None:
        self._own.verdict(str(judgement.verdict))

    def _acted(self, rollout: Rollout, action: Action) -> None:
        if isinstance(action, SetRoutes) and rollout.phase is Phase.ABORTING:
            self._own.abort_accepted(self._clock.now() - rollout.since)
        log.info("acted", service=rollout.service, rollout=rollout.id, action=type(action).__name__, detail=str(action))

    def _failed(self, rollout: Rollout, fault: Fault) -> None:
        self._own.look_failed(kind(fault))
        bound = log.bind(service=rollout.service, system=fault.system, sentence=fault.sentence)
        if not isinstance(fault, Broken):
            bound.warning("outside_fault")
        elif self._broken.get(rollout.service) != fault.sentence:  # its traceback is long, and comes with every look
            self._broken[rollout.service] = fault.sentence
            bound.error("look_broken", exc_info=fault.error)

    def _froze(self, line: FreezeLine) -> None:
        freeze = line.freeze
        bound = log.bind(scope=freeze.scope, by=line.by, frozen_by=freeze.by, until=freeze.until)
        bound.info(str(line.deed), reason=freeze.reason)
