"""``canary-bot record``: the counts of a rollout from Prometheus, as the JSON Lines that ``replay`` reads.

The stages are those of the service's last rollout, by its story. Recording ends where users begin to return: from there
on the upgraded primary is on trial.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.controller.ports import Metrics
from bot.model.errors import Refusal
from bot.model.figures import SideFigures
from bot.model.rollout import Phase, Rollout, Stage
from bot.model.service import ServiceConfig
from bot.model.story import Entry, EntryKind
from bot.words.sentence import Code, said

PAST_SECONDS = 3600.0  # of the primary, before the first interval
MIRROR = "mirror"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be recorded: the last ``seconds``, of a rollout or (``rollout`` None) of a version as if mirrored."""

    service: ServiceConfig
    seconds: float
    version: str | None
    rollout: Rollout | None
    story: Sequence[Entry] = ()


def record(wanted: Wanted, metrics: Metrics, now: float) -> Iterator[str]:
    """The lines: the primary's past, then an interval each.

    Raises:
        Refusal: there is nothing to record.
        Fault: Prometheus cannot be asked.
    """
    service, rollout = wanted.service, wanted.rollout
    if rollout is None and wanted.version is None:
        command = Code(f"canary-bot record {service.name} --version V")
        raise Refusal(said("cli.nothing_to_record", service=service.name, command=command))
    canary = service.canary_name(rollout.spec.version if rollout else str(wanted.version))
    since = _stages(rollout, wanted.story) if rollout else [(now - wanted.seconds, MIRROR)]
    # What was answered last may not have been scraped, or not be stored yet: it is not recorded as too little.
    known = metrics.clock(now) - service.metrics.delay
    start, end = max(now - wanted.seconds, since[0][0]), min(known, _end(rollout, wanted.story, now))
    step = service.metrics.scrape_interval
    past = metrics.rows(service, [service.primary_deployment], start - PAST_SECONDS, start)[service.primary_deployment]
    yield _line({"history": [_side(row) for row in past if row is not None]})
    rows = metrics.rows(service, [canary, service.primary_deployment], start, end)
    pairs = zip(rows[canary], rows[service.primary_deployment], strict=True)
    for number, (ours, theirs) in enumerate(pairs, 1):
        t = start + number * step
        sides = {name: _side(row) for name, row in (("canary", ours), ("primary", theirs)) if row is not None}
        stage = _stage_at(since, t)
        limited = {"limited": True} if stage == MIRROR and rollout is not None and rollout.copies_some else {}
        yield _line({"t": round(t, 3), "stage": stage} | limited | sides)


def _stages(rollout: Rollout, story: Sequence[Entry]) -> list[tuple[float, str | int]]:
    """When each stage began, oldest first."""
    by_name = {stage.name: stage for stage in rollout.spec.plan}
    began: list[tuple[float, str | int]] = [(rollout.spec.started_at, MIRROR)]
    for entry in story:
        stage = by_name.get(entry.stage) if entry.kind is EntryKind.STAGE else None
        if stage is not None:
            began.append((entry.at, _label(stage)))
    return began


def _label(stage: Stage) -> str | int:
    return MIRROR if stage.routes.mirror else stage.routes.canary


def _end(rollout: Rollout | None, story: Sequence[Entry], now: float) -> float:
    if rollout is None:
        return now
    back = {stage.name for stage in rollout.spec.plan if stage.phase in {Phase.SWITCHING_BACK, Phase.BAKING}}
    turned = [
        entry.at
        for entry in story
        if entry.kind is EntryKind.ABORTING or (entry.kind is EntryKind.STAGE and entry.stage in back)
    ]
    return min([*turned, rollout.ended_at or now])


def _stage_at(since: Sequence[tuple[float, str | int]], t: float) -> str | int:
    return next(stage for began, stage in reversed(since) if began <= t or began == since[0][0])


def _side(row: SideFigures) -> dict[str, Any]:
    buckets = {"+Inf" if math.isinf(bound) else f"{bound:.10g}": count for bound, count in row.buckets.items()}
    return {"requests": row.requests, "errors": row.errors, "buckets": buckets}


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data)
