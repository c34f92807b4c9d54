"""What the controller tells whoever measures it; nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.model.errors import Fault
from bot.model.figures import Judgement
from bot.model.freeze import FreezeLine
from bot.model.rollout import Rollout
from bot.model.story import Entry
from bot.rollout.actions import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What is told to whoever measures us; every field is a plain function. The defaults measure nothing."""

    ticked: Callable[[float, float], None] = lambda _seconds, _lag: None
    judged: Callable[[Rollout, Judgement], None] = lambda _rollout, _judgement: None
    changed: Callable[[Rollout, Rollout, Sequence[Entry]], None] = lambda _before, _after, _entries: None
    acted: Callable[[Rollout, Action], None] = lambda _rollout, _action: None
    failed: Callable[[Rollout, Fault], None] = lambda _rollout, _fault: None
    untold: Callable[[str, Fault], None] = lambda _service, _fault: None
    froze: Callable[[FreezeLine], None] = lambda _line: None
    clock_set: Callable[[float], None] = lambda _seconds: None


UNMEASURED = Telemetry()
