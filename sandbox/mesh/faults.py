"""The faults in force: how badly which version or workload behaves. Changed live, from any thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Misbehaviour of the pods that match; a selector left at None matches every pod."""

    version: str | None = None
    workload: str | None = None
    error_share: float = 0.0  # of requests answered 500, 0..1
    latency_ms: float = 0.0  # on top of the usual

    def hits(self, *, version: str, workload: str) -> bool:
        """Whether a pod of this code version and workload is affected."""
        return self.version in {None, version} and self.workload in {None, workload}


class Faults:
    """The table of faults; one entry per (version, workload) selector."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[tuple[str | None, str | None], Fault] = {}

    def set(
        self,
        *,
        version: str | None = None,
        workload: str | None = None,
        error_share: float = 0.0,
        latency_ms: float = 0.0,
    ) -> None:
        """Make the matching pods misbehave from now on; replaces what the same selector had."""
        if not 0 <= error_share <= 1:
            raise ValueError(f"An error share lies between 0 and 1, not at {error_share}.")
        fault = Fault(version=version, workload=workload, error_share=error_share, latency_ms=latency_ms)
        with self._lock:
            self._faults[version, workload] = fault

    def clear(self) -> None:
        """Make every pod behave."""
        with self._lock:
            self._faults.clear()

    def current(self) -> tuple[Fault, ...]:
        """The faults in force, in the order they were set."""
        with self._lock:
            return tuple(self._faults.values())

    def on(self, *, version: str, workload: str) -> Fault:
        """What a pod suffers: the worst error share and the longest delay of all faults that hit it."""
        hits = [fault for fault in self.current() if fault.hits(version=version, workload=workload)]
        return Fault(
            error_share=max((fault.error_share for fault in hits), default=0.0),
            latency_ms=max((fault.latency_ms for fault in hits), default=0.0),
        )
