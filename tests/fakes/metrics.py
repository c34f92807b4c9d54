"""Prometheus as a table: what each workload is said to have answered, whatever the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.controller.ports import Window
from bot.model.errors import Fault
from bot.model.figures import Figures, SideFigures
from bot.model.rollout import RolloutId
from bot.model.service import ServiceConfig
from bot.preflight import Callers, MetricFacts
from tests.snapshots import HEALTHY


@dataclass
class FakeMetrics:
    """The port ``Metrics``.

    Attributes:
        sides: by ``namespace/workload``; a workload that is missing has no data. Scraped at both ends of a window
            unless they say otherwise.
        per: seconds that ``sides`` counts; None: so many in any window.
        past: the same for ``rows``; each row is alike.
        callers_seen: who calls the service and who reached the canary.
        reached_at: when they last reached the canary; None: just now.
        telemetry_seen: what is known before anything begins; nothing to complain about unless it is said.
        custom: values of custom queries by gate name; one that is missing returned nothing.
        outage: while set, nothing can be had: ``read`` answers it, everything else raises it.
        reads: every list of windows that was read, oldest first.
    """

    sides: dict[str, SideFigures] = field(default_factory=dict)
    per: float | None = None
    past: dict[str, SideFigures] = field(default_factory=dict)
    custom: dict[str, float] = field(default_factory=dict)
    callers_seen: Callers = field(default_factory=Callers)
    reached_at: float | None = None
    telemetry_seen: MetricFacts = HEALTHY
    outage: Fault | None = None
    reads: list[list[tuple[float, float]]] = field(default_factory=list)

    def clock(self, now: float) -> float:
        return now

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        self.reads.append([(window.since, window.until) for window in windows])
        return {window.rollout.spec.id: self.outage or self._figures(window) for window in windows}

    def rows(
        self, service: ServiceConfig, workloads: Sequence[str], start: float, end: float
    ) -> Mapping[str, Sequence[SideFigures | None]]:
        self._answer()
        count = int((end - start) / service.metrics.scrape_interval)
        return {name: [self.past.get(f"{service.namespace}/{name}")] * count for name in workloads}

    def callers(
        self,
        service: ServiceConfig,  # noqa: ARG002  # the port's
        canary: str,  # noqa: ARG002  # the port's
        end: float,
        since: float | None = None,
    ) -> Callers:
        self._answer()
        if since is None or since < (end if self.reached_at is None else self.reached_at):
            return self.callers_seen
        return replace(self.callers_seen, of_canary={})

    def telemetry(self, service: ServiceConfig, canary: str, end: float) -> MetricFacts:  # noqa: ARG002  # the port's
        self._answer()
        return self.telemetry_seen

    def ping(self) -> None:
        self._answer()

    def _figures(self, window: Window) -> Figures:
        target, gates = window.rollout.spec.target, window.rollout.spec.gates.custom
        return Figures(
            start=window.since,
            end=window.until,
            primary=self._side(target.namespace, target.primary_deployment, window),
            canary=self._side(target.namespace, target.canary_deployment, window),
            custom={gate.name: self.custom.get(gate.name) for gate in gates},
        )

    def _side(self, namespace: str, workload: str, window: Window) -> SideFigures | None:
        side = self.sides.get(f"{namespace}/{workload}")
        if side is None or side.last is not None:
            return side
        times = 1.0 if self.per is None else (window.until - window.since) / self.per
        return SideFigures(
            requests=side.requests * times,
            errors=side.errors * times,
            buckets={bound: count * times for bound, count in side.buckets.items()},
            client_errors={code: count * times for code, count in side.client_errors.items()},
            first=window.since,
            last=window.until,
        )

    def _answer(self) -> None:
        if self.outage is not None:
            raise self.outage
