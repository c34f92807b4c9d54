"""Recorded intervals, judged offline as live rollouts are: JSON Lines in, an answer per interval and a summary out.

    {"history": [{"requests", "errors", "buckets"}, ...], "settings": {...}}        optional, first line
    {"t": seconds, "stage": "mirror" or a weight,
     "canary": {"requests", "errors", "buckets"}, "primary": {...}}                 one interval each
     "limited": true                                                                copies are of some requests only

Counts are increments; ``buckets`` are cumulative, by ``le`` in milliseconds with ``+Inf``. A missing side is a missing
scrape.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, pairwise
from typing import Any

from bot.analysis.judge import editions
from bot.analysis.judge.editions import State
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.settings import JudgeSettings, MetricLimits, Weights
from bot.analysis.judge.verdict import Assessment, Decision, MetricAssessment
from bot.analysis.judge.wording import text
from bot.model.digits import whole_number
from bot.model.errors import Refusal
from bot.model.figures import SideFigures
from bot.model.judge_settings import STRICTNESS
from bot.words.rendering import plain
from bot.words.sentence import said

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLine:
    """What a file says before its first interval."""

    settings: JudgeSettings
    history: Sequence[SideFigures] = ()


DEFAULTS = STRICTNESS
PARTS = ("errors", "slow", "weights")


def replay(lines: Iterable[str], settings: JudgeSettings = DEFAULTS) -> Iterator[Answer]:
    """Each interval's answer, and last the summary.

    Raises:
        Refusal: a line is not what it should be, with its number.
    """
    stages: list[Answer] = []
    aborted: Answer = {"aborted_at": None, "aborted_by": None}
    opening, intervals = read(lines, settings)
    settings, state = opening.settings, editions.start(opening.settings, opening.history)
    for interval in intervals:
        before = state
        state, assessment = editions.step(before, interval, settings, math.inf)
        if state is not before:  # an interval that was seen before is answered again, and counts once
            _note(interval, assessment, state, stages, aborted)
        yield _answer(interval, state, assessment, settings)
    yield {"summary": {**aborted, "stages": stages}}


def read(lines: Iterable[str], settings: JudgeSettings) -> tuple[FirstLine, Iterator[Interval]]:
    """What a file says before its first interval, over these settings; and its intervals, read as they are asked for.

    Raises:
        Refusal: a line is not what it should be, with its number; of an interval, when that is asked for.
    """
    given = ((number, _json(number, line)) for number, line in enumerate(lines, 1) if line.strip())
    opening = FirstLine(settings=settings)
    for number, data in given:
        if "t" in data:
            return opening, _intervals(chain([(number, data)], given))
        opening = _first_line(number, data, opening.settings)
    return opening, iter(())


def _first_line(number: int, data: Mapping[str, Any], settings: JudgeSettings) -> FirstLine:
    if set(data) - {"history", "settings"}:
        raise Refusal(said("analysis.line_without_t", line=number))
    settings = read_settings(number, data.get("settings", {}), settings)
    return FirstLine(settings=settings, history=_history(number, data.get("history", [])))


def _intervals(given: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Interval]:
    for number, data in given:
        if "t" not in data:
            raise Refusal(said("analysis.line_without_t", line=number))
        yield _interval(number, data)


def read_settings(number: int, given: Mapping[str, Any], settings: JudgeSettings) -> JudgeSettings:
    """These settings with some replaced; ``errors``, ``slow`` and ``weights`` key by key.

    Raises:
        Refusal: an unknown key, or a value that cannot be.
    """
    try:
        return _replaced(settings, given)
    except (TypeError, ValueError, AttributeError) as error:
        raise Refusal(said("analysis.line_wrong", line=number, why=str(error))) from error


def _replaced(value: JudgeSettings, given: Mapping[str, Any]) -> JudgeSettings:
    if not isinstance(given, Mapping):
        raise TypeError("settings are an object")
    parts: dict[str, Any] = {name: _part(getattr(value, name), name, given[name]) for name in PARTS if name in given}
    if "bounds" in given:
        parts["bounds"] = tuple(float(bound) for bound in given["bounds"])
    plain = {name: found for name, found in given.items() if name not in parts}
    return replace(value, **parts, **_numbers(plain, JudgeSettings, ""))


def _part(value: MetricLimits | Weights, name: str, given: Mapping[str, Any]) -> MetricLimits | Weights:
    return replace(value, **_numbers(given, type(value), f"{name}."))


def _numbers(
    given: Mapping[str, Any], kind: type[JudgeSettings | MetricLimits | Weights], prefix: str
) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"{prefix}* are set one by one")
    known = [one.name for one in fields(kind)]
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"no such setting: {', '.join(prefix + key for key in unknown)}. Known: {', '.join(known)}")
    if wrong := sorted(key for key, found in given.items() if not _is_number(found)):
        raise ValueError(f"a number is needed for {', '.join(prefix + key for key in wrong)}")
    return dict(given)


def _is_number(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def _note(interval: Interval, assessment: Assessment, state: State, stages: list[Answer], aborted: Answer) -> None:
    note_stage(interval, stages)
    if assessment.verdict is Decision.PASS and stages[-1]["passed_at"] is None:
        stages[-1]["passed_at"] = interval.t
    if assessment.verdict is Decision.ABORT and aborted["aborted_at"] is None:
        aborted.update(aborted_at=interval.t, aborted_by=state.aborted_by)


def note_stage(interval: Interval, stages: list[Answer]) -> None:
    """Adds the interval's stage where it begins."""
    if not stages or str(stages[-1]["stage"]) != interval.stage:
        share = whole_number(interval.stage)  # percent, as stages of traffic are called
        stages.append({"stage": interval.stage if share is None else share, "from": interval.t, "passed_at": None})


def _answer(interval: Interval, state: State, assessment: Assessment, settings: JudgeSettings) -> Answer:
    return {
        "t": interval.t,
        "verdict": str(assessment.verdict),
        "log_e": assessment.log_e,
        "metrics": {name: _metric(metric) for name, metric in assessment.metrics.items()},
        "ceiling": assessment.ceiling,
        "text": plain(text(state, assessment, settings)),
    }


def _metric(metric: MetricAssessment) -> Answer:
    ratio = metric.ratio
    shown = {"low": ratio.low, "best": ratio.best, "high": ratio.high}
    return {"worse": metric.worse, "not_worse": metric.not_worse, "ratio": shown}


def _json(number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise Refusal(said("analysis.line_no_json", line=number, why=str(error))) from error
    if not isinstance(data, dict):
        raise Refusal(said("analysis.line_no_object", line=number))
    return data


def _history(number: int, rows: Any) -> list[SideFigures]:
    if not isinstance(rows, list):
        raise Refusal(said("analysis.line_history", line=number))
    return [_side(number, row) for row in rows]


def _interval(number: int, data: Mapping[str, Any]) -> Interval:
    t, stage = data["t"], data.get("stage")
    if not _is_number(t):
        raise Refusal(said("analysis.line_t", line=number))
    if isinstance(stage, bool) or not isinstance(stage, str | int):
        raise Refusal(said("analysis.line_stage", line=number))
    canary, primary = (None if data.get(name) is None else _side(number, data[name]) for name in ("canary", "primary"))
    limited = data.get("limited") is True
    return Interval(t=float(t), stage=str(stage), canary=canary, primary=primary, limited=limited)


def _side(number: int, data: Any) -> SideFigures:
    try:
        given = sorted((float(bound), float(count)) for bound, count in (data.get("buckets") or {}).items())
        side = SideFigures(requests=float(data["requests"]), errors=float(data.get("errors", 0)), buckets=dict(given))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(said("analysis.line_side", line=number)) from error
    if not 0 <= side.errors <= side.requests < math.inf:
        raise Refusal(said("analysis.line_errors", line=number))
    counts = [0.0, *(count for _, count in given)]
    if not all(lower <= upper < math.inf for lower, upper in pairwise(counts)):
        raise Refusal(said("analysis.line_buckets", line=number))
    return side
