"""Prometheus as a table: what each workload is said to have answered, whatever the window."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.rollout.errors import Fault
from bot.rollout.model import Figures, Rollout, SideFigures
from bot.rollout.service import Service


@dataclass
class FakeMetrics:
    """The port ``Metrics``.

    Attributes:
        sides: by ``namespace/workload``; a workload that is missing has no data.
        coverage: as read while requests are mirrored.
        custom: values of custom queries by gate name; one that is missing returned nothing.
        outage: while set, every call raises it.
        windows: every window that was read, oldest first.
    """

    sides: dict[str, SideFigures] = field(default_factory=dict)
    coverage: float | None = 1.0
    custom: dict[str, float] = field(default_factory=dict)
    outage: Fault | None = None
    windows: list[tuple[float, float]] = field(default_factory=list)

    def read(self, rollout: Rollout, start: float, end: float) -> Figures:
        self._answer()
        self.windows.append((start, end))
        target = rollout.target
        return Figures(
            start=start,
            end=end,
            primary=self.sides.get(f"{target.namespace}/{target.primary_deployment}"),
            canary=self.sides.get(f"{target.namespace}/{target.canary_deployment}"),
            coverage=self.coverage if rollout.current.routes.mirror else None,
            custom={gate.name: self.custom.get(gate.name) for gate in rollout.gates.custom},
        )

    def history(self, service: Service, workload: str, seconds: float, end: float) -> SideFigures | None:
        self._answer()
        self.windows.append((end - seconds, end))
        return self.sides.get(f"{service.namespace}/{workload}")

    def ping(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.outage is not None:
            raise self.outage
