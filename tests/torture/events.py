"""What a schedule is made of: events, the trouble that requests meet, and the time in which they happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.wire import Moment, System, Trouble

TICK = 5.0  # seconds of the schedule's own time between two sweeps
DEAD_MAN = 60.0  # seconds of silence, of the schedule's own time, after which the watchdog acts
SWEEPS = 30  # in which faults happen; afterwards everything heals


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that begins at a sweep and lasts so many; ``what`` is the name of a method of the rig's hand."""

    at: int
    what: str
    sweeps: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        details = ", ".join(f"{key}={value}" for key, value in self.details.items())
        lasting = f" for {self.sweeps} sweeps" if self.sweeps else ""
        return f"sweep {self.at}: {self.what}({details}){lasting}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Trouble for some requests of a system while it lasts; ``share`` of those that match, of 1."""

    system: System
    kinds: str  # a request's kind must begin with this
    moment: Moment
    trouble: Trouble
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The next request of a kind hangs in the network, and lands when that is over."""

    system: System
    kinds: str
    moment: Moment
