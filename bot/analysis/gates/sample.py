"""Whether the side that is on trial has answered enough requests of the stage to be judged at all. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.analysis.amounts import by_side
from bot.analysis.gates.unknown import unknown
from bot.model.figures import Finding, SideFigures
from bot.model.rollout import Rollout
from bot.words.sentence import Text, said


def find(rollout: Rollout, subject: SideFigures, name: Text) -> Iterator[Finding]:
    """Whether ``subject``, called ``name``, has at least ``minimum_requests`` of the stage."""
    least = rollout.spec.gates.minimum_requests
    if subject.requests < least:
        yield unknown(
            "sample",
            said("analysis.sample", name=name, n=round(subject.requests), least=least),
            value=subject.requests,
            limit=float(least),
            allowed=said("analysis.allowed_least", least=least),
            **by_side(rollout, said("analysis.number", n=round(subject.requests))),
        )
