"""A surveyor that has already looked."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model.errors import Fault
from bot.model.service import Service
from bot.preflight import Survey


@dataclass
class FakeSurveyor:
    """The port ``Surveyor``: answers ``found`` whatever is asked, and remembers the questions in ``asked``.

    While ``outage`` is set every call raises it.
    """

    found: Survey
    outage: Fault | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def survey(self, service: Service, version: str) -> Survey:
        if self.outage:
            raise self.outage
        self.asked.append((service.name, version))
        return self.found
