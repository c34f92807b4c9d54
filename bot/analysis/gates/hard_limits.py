"""Hard limits, for those who know a threshold: by the last minute, so that a fault that starts late is not thinned out
by good minutes before it. A latency limit goes by the whole stage where a minute has too few requests. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.analysis.amounts import amount, of
from bot.analysis.gates.strikes import Evaluation
from bot.analysis.histograms import quantile
from bot.analysis.sides import Sides
from bot.model.copies import replace
from bot.model.figures import SideFigures, Unit
from bot.model.judge_settings import FEWEST
from bot.model.rollout import Rollout
from bot.model.service import HardLimit, Measure
from bot.words.sentence import Item, Share, Text, said


def evaluations(rollout: Rollout, late: Sides, stage: Sides) -> Iterator[Evaluation]:
    """Each of the service's limits. ``late``: figures of the last minute, ``stage``: of the stage so far."""
    least = rollout.spec.gates.minimum_requests
    # Where a minute's traffic is too thin for a quantile, the stage's has to do.
    thin = late.subject is None or late.subject.requests < least
    for limit in rollout.spec.gates.limits:
        yield _evaluate(limit, stage if thin and limit.of is Measure.LATENCY else late, least)


def _evaluate(limit: HardLimit, window: Sides, least: int) -> Evaluation:
    subject, reference = window.subject, window.fair
    value, against = (None if side is None else _measured(limit, side, least) for side in (subject, reference))
    evaluation = Evaluation(
        name=limit.name,
        bad=None,
        sentence=said("analysis.limit_unknown", check=limit.name, name=window.name),
        action=limit.action,
        rule=limit.rule,
        unit=Unit.SHARE if limit.of is Measure.ERRORS else Unit.MILLISECONDS,
        allowed=_allowed_words(limit, window.other),
    )
    if value is None or subject is None:
        return evaluation
    most = _allowed(limit, against)
    if most is None:
        alone = said("analysis.limit_alone", check=limit.name, other=window.other)
        return replace(evaluation, bad=False, sentence=alone, subject=_shown(limit, subject, value))
    here = _shown(limit, subject, value)
    return replace(
        evaluation,
        bad=value > most and (limit.of is Measure.LATENCY or subject.errors >= FEWEST),
        sentence=said("analysis.limit", check=limit.name, name=window.name, here=here, allowed=evaluation.allowed),
        value=value,
        limit=most,
        sample=subject.requests,
        subject=here,
        reference=_shown(limit, reference, against) if reference is not None and against is not None else "",
    )


def _measured(limit: HardLimit, side: SideFigures, least: int) -> float | None:
    if limit.of is Measure.ERRORS:
        return side.error_share
    return quantile(side.buckets, limit.quantile) if side.requests >= least else None


def _shown(limit: HardLimit, side: SideFigures, value: float) -> Text:
    return of(side.errors, side.requests) if limit.of is Measure.ERRORS else amount(value, Unit.MILLISECONDS)


def _allowed(limit: HardLimit, against: float | None) -> float | None:
    limits = [] if limit.maximum is None else [limit.maximum]
    if limit.relative is not None and against is not None:
        limits.append(limit.relative * against)
    return min(limits, default=None)


def _allowed_words(limit: HardLimit, other: Text) -> Text:
    most: Item = ""
    if limit.maximum is not None:
        most = Share(limit.maximum) if limit.of is Measure.ERRORS else said("analysis.milliseconds", n=limit.maximum)
    if limit.relative is None:
        return said("analysis.allowed_most", most=most)
    if limit.maximum is None:
        return said("analysis.allowed_times", times=limit.relative, other=other)
    return said("analysis.allowed_times_below", times=limit.relative, other=other, most=most)
