"""Recorded intervals, judged offline: JSON Lines in, an answer per interval and a summary out.

    {"history": [{"requests", "errors", "buckets"}, ...], "settings": {...}}        optional, first line
    {"t": seconds, "stage": "mirror" or a weight,
     "canary": {"requests", "errors", "buckets"}, "primary": {...}}                 one interval each

Counts are increments; ``buckets`` are cumulative, by ``le`` in milliseconds with ``+Inf``. A missing side is a missing
scrape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from bot.rollout.errors import Refusal
from bot.rollout.judge.judge import Assessment, Interval, JudgeState, Verdict, start, step
from bot.rollout.judge.settings import JudgeSettings, MetricLimits
from bot.rollout.judge.wording import text
from bot.rollout.model import SideFigures
from bot.rollout.service import GateLimits

Answer = dict[str, Any]
DEFAULTS = JudgeSettings()


def replay(lines: Iterable[str], settings: JudgeSettings = DEFAULTS) -> Iterator[Answer]:
    """Each interval's answer, and last the summary.

    Raises:
        Refusal: a line is not what it should be, with its number.
    """
    history: list[SideFigures] = []
    _check_ceiling(settings)
    state: JudgeState | None = None
    stages: list[Answer] = []
    aborted: Answer = {"aborted_at": None, "aborted_by": None}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        data = _json(number, line)
        if "t" not in data:
            if state is not None:
                raise Refusal(f"line {number}: history and settings come before the first interval.")
            settings = read_settings(number, data.get("settings", {}), settings)
            _check_ceiling(settings)
            history = [_side(number, row) for row in data.get("history", [])]
            continue
        state = state or start(settings, history)
        interval = _interval(number, data)
        state, assessment = step(state, interval, settings)
        _note(interval, assessment, state, stages, aborted)
        yield _answer(interval, state, assessment, settings)
    yield {"summary": {**aborted, "stages": stages}}


def read_settings(number: int, given: Mapping[str, Any], settings: JudgeSettings) -> JudgeSettings:
    """These settings with some replaced; ``errors`` and ``slow`` key by key.

    Raises:
        Refusal: an unknown key.
    """
    known = {one.name for one in fields(JudgeSettings)}
    limits = {one.name for one in fields(MetricLimits)}
    unknown = sorted(set(given) - known)
    unknown += sorted(f"{name}.{key}" for name in ("errors", "slow") for key in set(given.get(name, {})) - limits)
    if unknown:
        raise Refusal(f"line {number}: no such setting: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
    changed: dict[str, Any] = dict(given)
    for name in {"errors", "slow"} & set(given):
        changed[name] = replace(getattr(settings, name), **given[name])
    if "weights" in given:
        changed["weights"] = {**settings.weights, **given["weights"]}
    if "bounds" in given:
        changed["bounds"] = tuple(float(bound) for bound in given["bounds"])
    return replace(settings, **changed)


def settings_of(gates: GateLimits) -> JudgeSettings:
    """The judge's settings for a service: its tolerances, ceiling and bounds; what is off keeps the defaults."""
    errors, latency = gates.errors, gates.latency
    settings = DEFAULTS
    if errors is not None:
        limits = replace(settings.errors, tolerance=errors.tolerance)
        settings = replace(settings, errors=limits, ceiling=errors.ceiling)
    if latency is not None:
        limits = replace(settings.slow, tolerance=latency.tolerance)
        settings = replace(settings, slow=limits, bounds=latency.bounds)
    return settings


def _check_ceiling(settings: JudgeSettings) -> None:
    if not 0 < settings.ceiling < 1:
        raise Refusal(f"The ceiling is a share between 0 and 1, not {settings.ceiling:g}.")


def _note(interval: Interval, assessment: Assessment, state: JudgeState, stages: list[Answer], aborted: Answer) -> None:
    if not stages or str(stages[-1]["stage"]) != interval.stage:
        stage = int(interval.stage) if interval.stage.isdigit() else interval.stage
        stages.append({"stage": stage, "from": interval.t, "passed_at": None})
    if assessment.verdict is Verdict.PASS and stages[-1]["passed_at"] is None:
        stages[-1]["passed_at"] = interval.t
    if assessment.verdict is Verdict.ABORT and aborted["aborted_at"] is None:
        aborted.update(aborted_at=interval.t, aborted_by=state.aborted_by)


def _answer(interval: Interval, state: JudgeState, assessment: Assessment, settings: JudgeSettings) -> Answer:
    metrics = {
        metric.name: {
            "worse": metric.log_e,
            "not_worse": metric.proof.log_e,
            "ratio": {
                "low": assessment.ratios[metric.name].low,
                "best": assessment.ratios[metric.name].best,
                "high": assessment.ratios[metric.name].high,
            },
        }
        for metric in state.metrics
    }
    return {
        "t": interval.t,
        "verdict": str(assessment.verdict),
        "log_e": assessment.log_e,
        "metrics": metrics,
        "ceiling": state.ceiling.log_e,
        "text": text(state, assessment, settings),
    }


def _json(number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise Refusal(f"line {number}: not JSON ({error}).") from error
    if not isinstance(data, dict):
        raise Refusal(f"line {number}: an object is needed.")
    return data


def _interval(number: int, data: Mapping[str, Any]) -> Interval:
    stage = data.get("stage")
    if not isinstance(data["t"], int | float) or not isinstance(stage, str | int):
        raise Refusal(f'line {number}: "t" is seconds and "stage" is "mirror" or a weight.')
    sides = {name: _side(number, data[name]) if data.get(name) else None for name in ("canary", "primary")}
    return Interval(t=float(data["t"]), stage=str(stage), canary=sides["canary"], primary=sides["primary"])


def _side(number: int, data: Any) -> SideFigures:
    try:
        buckets = {float(bound): float(count) for bound, count in (data.get("buckets") or {}).items()}
        side = SideFigures(
            requests=float(data["requests"]), errors=float(data.get("errors", 0)), buckets=dict(sorted(buckets.items()))
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(f'line {number}: a side has numbers "requests", "errors" and "buckets" by bound.') from error
    if side.requests < 0 or not 0 <= side.errors <= side.requests:
        raise Refusal(f"line {number}: errors lie between 0 and the requests, which are not negative.")
    return side
