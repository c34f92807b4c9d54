"""Trouble on request: the next requests of a kind fail, or lose their connection."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sandbox.kube.errors import injected
from sandbox.kube.writes import Target


@dataclass(slots=True, kw_only=True)
class Fault:
    """One planned failure. ``status`` None drops the connection; ``after`` does so once the write has happened."""

    verb: str
    kind: str
    times: int
    status: int | None = None
    after: bool = False


class Faults:
    """The failures planned so far, used up first come first served."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._lock = threading.Lock()

    def plan(self, fault: Fault) -> None:
        """Plan one failure."""
        with self._lock:
            self._planned.append(fault)

    def take(self, verb: str, target: Target) -> Fault | None:
        """The failure for this request, if one is planned; counts it. A planned status is raised at once."""
        with self._lock:
            wanted = (verb, target.kind.kind)
            fault = next((item for item in self._planned if (item.verb, item.kind) == wanted), None)
            if fault is None:
                return None
            fault.times -= 1
            if fault.times <= 0:
                self._planned.remove(fault)
        if fault.status is not None:
            raise injected(fault.status, target.kind, target.name)
        return fault
