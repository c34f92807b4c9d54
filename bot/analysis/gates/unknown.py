"""A finding that says neither good nor bad: what it would take to know is not there. Pure."""

from __future__ import annotations

from typing import TypedDict, Unpack

from bot.model.figures import Finding, Tendency, Verdict
from bot.words.sentence import Text


class Shown(TypedDict, total=False):
    """What else of such a finding is shown, as in ``Finding``."""

    value: float
    limit: float
    allowed: Text
    canary: Text
    primary: Text
    seen: Tendency


def unknown(gate: str, sentence: Text, **shown: Unpack[Shown]) -> Finding:
    """That a gate cannot be judged yet, and why."""
    return Finding(gate=gate, verdict=Verdict.INCONCLUSIVE, sentence=sentence, **shown)
