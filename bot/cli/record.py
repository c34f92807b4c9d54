"""``canary-bot record``: the counts of a rollout from Prometheus, as the JSON Lines that ``replay`` reads.

The stages are those of the service's last rollout, as it went through them. Recording ends where users begin to return:
from there on the upgraded primary is on trial.
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
from bot.model.rollout import Phase, Rollout, Stage, copies_from
from bot.model.service import ServiceConfig
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
    since = _stages(rollout) if rollout else [(now - wanted.seconds, MIRROR)]
    # What was answered last may not have been scraped, or not be stored yet: it is not recorded as too little.
    known = metrics.clock(now) - service.metrics.delay
    start, end = max(now - wanted.seconds, since[0][0]), min(known, _end(rollout, now))
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


def _stages(rollout: Rollout) -> list[tuple[float, str | int]]:
    """When each stage began, oldest first; on copies after a step back as in the mirror."""
    walk = [(one.began, one.name) for one in rollout.walked]
    if not rollout.retreat and not rollout.ended:
        walk.append((rollout.since, rollout.current.name))
    labels = {stage.name: _label(stage) for stage in rollout.spec.plan}
    labels |= {copies_from(one.share): MIRROR for one in rollout.step_backs}
    began = [(at, labels[name]) for at, name in walk if name in labels]
    return [(rollout.spec.started_at, MIRROR), *began]


def _label(stage: Stage) -> str | int:
    return MIRROR if stage.routes.mirror else stage.routes.canary


def _end(rollout: Rollout | None, now: float) -> float:
    """When users began to return for good: to the upgraded primary, or by an abort."""
    if rollout is None:
        return now
    back = {stage.name for stage in rollout.spec.plan if stage.phase in {Phase.SWITCHING_BACK, Phase.BAKING}}
    here = [] if rollout.retreat else [(rollout.since, rollout.current.name)]
    turned = [at for at, name in (*((one.began, one.name) for one in rollout.walked), *here) if name in back]
    stopped = [] if rollout.stopped is None else [rollout.stopped.at]
    return min([*turned, *stopped, rollout.ended_at or now])


def _stage_at(since: Sequence[tuple[float, str | int]], t: float) -> str | int:
    return next(stage for began, stage in reversed(since) if began <= t or began == since[0][0])


def _side(row: SideFigures) -> dict[str, Any]:
    buckets = {"+Inf" if math.isinf(bound) else f"{bound:.10g}": count for bound, count in row.buckets.items()}
    return {"requests": row.requests, "errors": row.errors, "buckets": buckets}


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data)
