"""Judgements where there are no figures to judge by. Pure."""

from __future__ import annotations

from bot.model.figures import Finding, Incident, Judgement, Verdict
from bot.words.sentence import Text, said


def warming_up(at: float) -> Judgement:
    """The judgement before there is anything to judge."""
    sentence = said("analysis.warming_up")
    finding = Finding(gate="warm-up", verdict=Verdict.INCONCLUSIVE, sentence=sentence)
    return Judgement(at=at, verdict=Verdict.INCONCLUSIVE, findings=(finding,))


def unavailable(at: float, sentence: Text) -> Judgement:
    """The judgement when Prometheus could not be asked."""
    finding = Finding(gate="metrics", verdict=Verdict.ERROR, sentence=sentence)
    return Judgement(at=at, verdict=Verdict.ERROR, findings=(finding,), incident=Incident.NO_METRICS)
