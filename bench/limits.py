"""What the bot may cost, and how soon it must act: each limit held against what was measured, as a line of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.cluster import READ_DELAY
from bench.sweeps import TICK_SECONDS

MANY = 1000  # live rollouts
CORE_SHARE = 0.6  # of one core
RECONCILE_SECONDS = 0.5  # from a sample that is read to routes that are accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A figure whose name begins and ends like this may be at most so much."""

    begins: str
    ends: str
    most: float

    def concerns(self, name: str) -> bool:
        """Whether the figure of that name is one of those."""
        return name.startswith(self.begins) and name.endswith(self.ends)


_COST = f"{MANY} live rollouts: "
LIMITS = (
    Limit(begins=_COST, ends="CPU per sweep (ms)", most=CORE_SHARE * TICK_SECONDS * 1000),
    Limit(begins=_COST, ends="peak memory (MB)", most=300),
    Limit(begins=_COST, ends="Prometheus requests per sweep", most=20),
    Limit(begins=_COST, ends="Kubernetes requests per sweep", most=0),
    Limit(begins="bad sample to routes accepted", ends="p95 (s)", most=TICK_SECONDS + READ_DELAY + RECONCILE_SECONDS),
    Limit(begins="", ends="CPU per sweep, signed over unsigned", most=1.1),
    Limit(begins="acknowledged", ends="p99, canary-bot over bare", most=1.5),
)


def verdicts(results: Mapping[str, float]) -> Iterator[tuple[bool, str]]:
    """For each limit on something that was measured whether it was kept, and the line that says so."""
    for limit in LIMITS:
        for name, value in results.items():
            if limit.concerns(name):
                kept = value <= limit.most
                yield kept, f"{'pass' if kept else 'FAIL'}  {name:<64} {value:12.3f}  at most {limit.most:g}"
