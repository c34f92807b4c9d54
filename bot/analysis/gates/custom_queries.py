"""A team's own queries, each against its own bounds. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bot.analysis.amounts import amount
from bot.analysis.gates.strikes import Evaluation
from bot.model.figures import Unit
from bot.model.rollout import Rollout
from bot.model.service import CustomGate
from bot.words.sentence import Text, said


def evaluations(rollout: Rollout, answers: Mapping[str, float | None]) -> Iterator[Evaluation]:
    """Each of the service's queries; ``answers`` by the name of the gate, None or absent: there was none."""
    for gate in rollout.spec.gates.custom:
        yield _evaluate(gate, answers.get(gate.name))


def _evaluate(gate: CustomGate, value: float | None) -> Evaluation:
    low, high, allowed = gate.minimum, gate.maximum, _bounds(gate)
    if value is None or not math.isfinite(value):
        nothing = said("analysis.query_empty", check=gate.name)
        return Evaluation(
            name=gate.name, bad=None, sentence=nothing, action=gate.action, rule=gate.rule, allowed=allowed
        )
    return Evaluation(
        name=gate.name,
        bad=(high is not None and value > high) or (low is not None and value < low),
        sentence=said("analysis.query", check=gate.name, n=value, allowed=allowed),
        action=gate.action,
        rule=gate.rule,
        value=value,
        limit=high if high is not None else low,
        allowed=allowed,
        subject=amount(value, Unit.NUMBER),
    )


def _bounds(gate: CustomGate) -> Text:
    low, high = gate.minimum, gate.maximum
    if low is not None and high is not None:
        return said("analysis.allowed_between", least=low, most=high)
    if low is not None:
        return said("analysis.allowed_least", least=low)
    return said("analysis.allowed_most", most=high) if high is not None else ""
