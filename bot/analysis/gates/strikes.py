"""A limit counts its strikes: it acts once enough of its last evaluations were bad. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.analysis.amounts import by_side
from bot.model.figures import Finding, Tendency, Unit, Verdict
from bot.model.rollout import Rollout
from bot.model.service import GateAction, Rule
from bot.words.sentence import Text, said

Strikes = Mapping[str, tuple[bool, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One limit at one evaluation.

    Attributes:
        bad: whether it is passed; None: not known.
        unit: of ``value`` and ``limit``.
        sample: how many requests it rests on.
        allowed: the limit in words.
        subject, reference: the figures of both sides in words.
    """

    name: str
    bad: bool | None
    sentence: Text
    action: GateAction
    rule: Rule
    value: float | None = None
    limit: float | None = None
    sample: float | None = None
    unit: Unit = Unit.NUMBER
    allowed: Text = ""
    subject: Text = ""
    reference: Text = ""


def counted(
    rollout: Rollout, evaluations: Iterable[Evaluation], before: Strikes
) -> tuple[tuple[Finding, ...], Strikes]:
    """The finding of each, and the strikes with these among them; ``before``: whether the last ones were bad."""
    findings, strikes = [], {}
    for evaluation in evaluations:
        history = (*before.get(evaluation.name, ()), evaluation.bad is True)[-evaluation.rule.within :]
        strikes[evaluation.name] = history
        findings.append(_found(rollout, evaluation, sum(history)))
    return tuple(findings), strikes


def _found(rollout: Rollout, evaluation: Evaluation, strikes: int) -> Finding:
    sentence = evaluation.sentence
    if evaluation.bad is None:
        verdict = Verdict.INCONCLUSIVE
    elif strikes >= evaluation.rule.times:
        verdict = Verdict.INCONCLUSIVE if evaluation.action is GateAction.HOLD else Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE if evaluation.bad else Verdict.PASS
    if evaluation.rule.within > 1 and strikes:
        sentence = said(
            "analysis.strikes",
            what=sentence,
            strikes=strikes,
            within=evaluation.rule.within,
            times=evaluation.rule.times,
        )
    return Finding(
        gate=evaluation.name,
        verdict=verdict,
        sentence=sentence,
        value=evaluation.value,
        limit=evaluation.limit,
        sample=evaluation.sample,
        unit=evaluation.unit,
        acts=evaluation.action is not GateAction.OBSERVE,
        allowed=evaluation.allowed,
        seen=Tendency.WORSE if evaluation.bad else None,
        **by_side(rollout, evaluation.subject, evaluation.reference),
    )
