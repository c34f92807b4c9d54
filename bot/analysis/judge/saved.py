"""The judge's state as a small JSON text and back: exactly the same state, so a restart changes no verdict.

Lists rather than named fields for what repeats, and all log capital in one of them: a state stays under 4 kB, and is
written and read in a fraction of the time that a row takes to judge. Where it is kept is not known here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import starmap
from typing import Any

import numpy as np

from bot.analysis.judge.processes import DECIMALS, NotWorse, Worse
from bot.analysis.judge.ratio import BadRequests
from bot.analysis.judge.settings import LADDER, LOWER, Floats
from bot.analysis.judge.state import Course, Evidence, JudgeState, Metric, Minute

VERSION = 5
BEFORE = 4  # the same without ``Course.limited``
UNIT = 10.0**DECIMALS
LARGEST = 1e6  # a log beyond it, times UNIT, would not be an exact whole number
REMEMBERED = 2048  # texts with what they say: a state is read more often than it changes

Shape = tuple[int, ...]
_METRIC, _MINUTE, _COURSE = (tuple(one.name for one in fields(kind)) for kind in (Metric, Minute, Course))
_COURSE_BEFORE = tuple(name for name in _COURSE if name != "limited")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def save(state: JudgeState) -> str:
    """The state as JSON, watermark included."""
    evidence = state.evidence
    counts = (evidence.totals, evidence.stage_totals, evidence.pending)
    return _encode(
        {
            "version": VERSION,
            "metrics": [_parts(metric, _METRIC) for metric in state.metrics],
            "votes": evidence.votes is not None,
            "logs": pack(_logs(state)),
            "counts": np.concatenate(counts, axis=None).tolist(),
            "seen": [seen.classes for seen in evidence.seen],
            "ceiling_weight": state.ceiling_weight,
            "reserved": state.reserved,
            "past_share": state.past_share,
            "course": _course(state.course),
            # JSON has no infinity, which is where the last bucket ends.
            "first_buckets": [[None if math.isinf(le) else le, count] for le, count in state.first_buckets.items()],
            "blind": sorted(state.blind),
            "aborted_by": state.aborted_by,
        }
    )


@lru_cache(REMEMBERED)
def load(text: str) -> JudgeState:
    """What ``save`` wrote.

    Raises:
        ValueError: the text is of another version; the evidence then starts again.
    """
    data: dict[str, Any] = json.loads(text)
    version = data.get("version")
    if version not in {VERSION, BEFORE}:
        raise ValueError(f"The judge's state is of version {version}, not {VERSION}.")
    metrics = tuple(starmap(Metric, data["metrics"]))
    shapes = _shapes(len(metrics), len(data["logs"]), votes=data["votes"])
    logs = unpack(data["logs"], shapes)
    worse = Worse(next(logs), next(logs), next(logs))
    votes = Worse(next(logs), next(logs), next(logs)) if data["votes"] else None
    not_worse = NotWorse(next(logs), next(logs))
    counts = np.asarray(data["counts"], float).reshape(3, len(metrics), -1)
    counts.setflags(write=False)
    totals, stage_totals, pending = counts
    return JudgeState(
        metrics=metrics,
        evidence=Evidence(
            worse=worse,
            votes=votes,
            not_worse=not_worse,
            seen=tuple(BadRequests(tuple(map(tuple, classes))) for classes in data["seen"]),
            totals=totals,
            stage_totals=stage_totals,
            pending=pending,
        ),
        ceiling=Worse(next(logs), next(logs), next(logs)),
        relapse=Worse(next(logs), next(logs), next(logs)),
        ceiling_weight=data["ceiling_weight"],
        reserved=data["reserved"],
        past_share=data["past_share"],
        course=_read_course(data["course"], _COURSE if version == VERSION else _COURSE_BEFORE),
        first_buckets={math.inf if le is None else le: count for le, count in data["first_buckets"]},
        blind=frozenset(data["blind"]),
        aborted_by=data["aborted_by"],
    )


def pack(logs: Iterable[Floats]) -> list[float]:
    """Rounded logs in one list, as whole billionths: JSON writes those four times as fast as fractions."""
    values = np.concatenate([*logs], axis=None)
    if np.abs(values).max() >= LARGEST:
        return list(values.tolist())
    return list(np.rint(values * UNIT).astype(np.int64).tolist())


def unpack(packed: Sequence[float], shapes: Iterable[Shape]) -> Iterator[Floats]:
    """The very values that ``pack`` was given, one array of each shape."""
    values = np.asarray(packed)
    values = values / UNIT if values.dtype.kind == "i" else values
    values.setflags(write=False)  # what is remembered is shared
    at = 0
    for shape in shapes:
        size = math.prod(shape)
        yield values[at : at + size].reshape(shape)
        at += size


def _logs(state: JudgeState) -> list[Floats]:
    evidence = state.evidence
    processes = [evidence.worse, *([evidence.votes] if evidence.votes else [])]
    return [
        *(part for one in processes for part in (one.active, one.reserve, one.log_e)),
        *(evidence.not_worse.all, evidence.not_worse.stage),
        *(part for one in (state.ceiling, state.relapse) for part in (one.active, one.reserve, one.log_e)),
    ]


def _shapes(metrics: int, length: int, *, votes: bool) -> list[Shape]:
    """Of the arrays of ``_logs``; what is left are the alternatives of the ceiling, and as many of a relapse."""
    one: list[Shape] = [(metrics, len(LADDER)), (metrics,), (metrics,)]
    known = [*one, *(one if votes else []), (metrics, len(LOWER)), (metrics, len(LOWER))]
    alone: list[Shape] = [((length - sum(map(math.prod, known))) // 2 - 2,), (), ()]
    return [*known, *alone, *alone]


def _parts(value: object, names: tuple[str, ...]) -> list[Any]:
    """The fields in order; ``dataclasses.astuple`` copies deeply, which costs more than writing the JSON."""
    return [getattr(value, name) for name in names]


def _course(course: Course) -> list[Any]:
    *parts, recent = _parts(course, _COURSE)
    return [*parts, [_parts(row, _MINUTE) for row in recent]]


def _read_course(saved: list[Any], names: Sequence[str]) -> Course:
    *parts, recent = saved
    return Course(**dict(zip(names, [*parts, tuple(starmap(Minute, recent))], strict=True)))
