"""Whether rows add up to what was served: what was read for the judge, beside what targets have been seen to serve.

Readings are written down as they pass. After a sweep those that the judge kept are added up, side by side, for as long
as one begins where the one before ended; a side that was said to be unknown begins its sum anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.controller.ports import Metrics, Window
from bot.model.errors import Fault
from bot.model.figures import Figures, SideFigures
from bot.model.rollout import Rollout, RolloutId
from sandbox.traffic import Scraped

Served = tuple[int, int]  # requests, and those that failed


@dataclass(slots=True)
class Sum:
    """One side of one rollout: what its rows held, and what its targets had served where they began.

    That is known twice: as it was scraped when the row before was kept, if there was one and that side was known in it,
    and as it is scraped now. The judge may go by either: it remembers the first, unless it had to forget it since.
    """

    before: frozenset[Served]
    rows: list[SideFigures] = field(default_factory=list)

    @property
    def counted(self) -> tuple[float, float]:
        """Requests and failures of all rows."""
        return sum(row.requests for row in self.rows), sum(row.errors for row in self.rows)


@dataclass(slots=True)
class Accounts:
    """The books of a schedule."""

    scraped: Scraped
    readings: list[tuple[RolloutId, Figures]] = field(default_factory=list)  # since they were looked at last
    _until: dict[RolloutId, float] = field(default_factory=dict)
    _known: dict[tuple[RolloutId, str, float], Served] = field(default_factory=dict)  # at the end of each known row
    _sums: dict[tuple[RolloutId, str], Sum] = field(default_factory=dict)
    checked: int = 0

    def audit(self, rollout: Rollout | None) -> Iterator[str]:
        """What does not add up, in sentences; for the rollout as it is stored after a sweep."""
        readings, self.readings = self.readings, []
        if rollout is None or rollout.analysis_state.until is None:
            return
        for row in self._kept(rollout, [row for of, row in readings if of == rollout.spec.id]):
            target = rollout.spec.target
            yield from self._add(rollout.spec.id, target.primary_deployment, row, row.primary)
            yield from self._add(rollout.spec.id, target.canary_deployment, row, row.canary)

    def sums(self) -> Sequence[Sum]:
        """What is added up at present."""
        return list(self._sums.values())

    def _kept(self, rollout: Rollout, readings: Sequence[Figures]) -> Iterator[Figures]:
        """The rows that led from what was kept before to what is kept now; a gap begins everything anew."""
        now, before = rollout.analysis_state.until, self._until.get(rollout.spec.id)
        assert now is not None
        self._until[rollout.spec.id] = now
        if before == now:
            return
        # What was read by a clock that has been set since is thrown away, also if it would have ended at this moment.
        kept = {(one.start, one.end) for one in rollout.analysis_state.recent}
        row = next((row for row in reversed(readings) if row.end == now and (row.start, row.end) in kept), None)
        if row is None or row.start != before:
            for side in (rollout.spec.target.primary_deployment, rollout.spec.target.canary_deployment):
                self._sums.pop((rollout.spec.id, side), None)
        if row is not None:
            yield row

    def _add(self, rollout_id: RolloutId, workload: str, row: Figures, side: SideFigures | None) -> Iterator[str]:
        key, now = (rollout_id, workload), self._served(workload, row.end)
        then = self._known.get((*key, row.start))
        if side is None:
            self._sums.pop(key, None)
            return
        self._known[(*key, row.end)] = now
        known = self._sums.get(key)
        if known is None:
            begins = {self._served(workload, row.start), *([then] if then else [])}
            known = self._sums[key] = Sum(before=frozenset(begins))
        known.rows.append(side)
        served = [(now[0] - before[0], now[1] - before[1]) for before in sorted(known.before)]
        self.checked += 1
        if tuple(round(count) for count in known.counted) not in served:
            begun = row.start if len(known.rows) == 1 else f"{len(known.rows)} rows ago"
            yield (
                f"rows of {workload} add up to {known.counted} (requests, errors) since {begun}, and its targets "
                f"served {served}, as far as they were scraped"
            )
            self._sums.pop(key)  # told once

    def _served(self, workload: str, at: float) -> Served:
        return self.scraped.served(workload, at)


class Bookkeeper:
    """The port ``Metrics``, with everything that is read written down."""

    def __init__(self, metrics: Metrics, accounts: Accounts) -> None:
        self._metrics = metrics
        self._accounts = accounts

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        """As the real one."""
        found = self._metrics.read(windows)
        self._accounts.readings += [(of, row) for of, row in found.items() if isinstance(row, Figures)]
        return found

    def __getattr__(self, name: str) -> Any:
        """Everything else is not about rows."""
        return getattr(self._metrics, name)
