"""Snapshots that were taken already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.cluster.deployments import versions_of
from bot.model.errors import Fault
from bot.model.service import ServiceConfig
from bot.preflight import Snapshot


@dataclass
class FakeSnapshots:
    """The port ``Snapshots``: answers ``found`` whatever is asked, and remembers the questions in ``asked``.

    While ``outage`` is set every call raises it.
    """

    found: Snapshot
    outage: Fault | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def take(self, service: ServiceConfig, version: str) -> Snapshot:
        if self.outage:
            raise self.outage
        self.asked.append((service.name, version))
        return self.found

    def versions(self, service: ServiceConfig) -> Sequence[str]:
        if self.outage:
            raise self.outage
        return versions_of(self.found.deployments, service.canary_deployment, service.primary_deployment)
