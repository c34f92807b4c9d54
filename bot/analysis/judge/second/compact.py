"""A rollout's trace as a small JSON text and back: exactly the same trace, so a restart changes no ruling.

Two lines: what is settled at the start, which is read once however often the text changes, and what moves. All arrays
of the state are one list of numbers, in the order of its fields; their shapes are those of a state that has just begun.
Logs are written as whole ten-millionths, which are a third shorter than fractions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from itertools import starmap
from operator import attrgetter
from typing import Any, get_type_hints

import numpy as np

from bot.analysis.judge.ratio import BadRequests
from bot.analysis.judge.second.baseline import Baseline
from bot.analysis.judge.second.constants import DECIMALS
from bot.analysis.judge.second.sequential import State
from bot.analysis.judge.second.single import Trace, begun
from bot.analysis.judge.second.stretch import Typical
from bot.analysis.judge.settings import Floats, JudgeSettings
from bot.analysis.judge.state import Metric, Minute
from bot.model.figures import SideFigures

VERSION = 2
MARK = '{"second":'  # how a text of this edition begins
UNIT = 10.0**DECIMALS
LARGEST = 1e8  # times UNIT it is still an exact whole number
REMEMBERED = 2048  # texts with what they say: a trace is read more often than it changes
_BASELINE, _TYPICAL, _METRIC, _MINUTE = (
    tuple(one.name for one in fields(kind)) for kind in (Baseline, Typical, Metric, Minute)
)
_PLAIN = (
    *("stage", "watermark", "row_end", "began", "canary_at", "primary_at"),
    *("limited", "passing", "aborted_by"),
)
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def save(trace: Trace) -> str:
    """The trace as JSON."""
    moving = {name: getattr(trace, name) for name in _PLAIN} | {
        "state": _packed(np.concatenate(_arrays(trace.state), axis=None)),
        "totals": [*map(_short, trace.totals.ravel().tolist())],
        "seen": [seen.classes for seen in trace.seen],
        "waiting": [side and _side(side) for side in trace.waiting],
        "recent": [[_short(getattr(row, name)) for name in _MINUTE] for row in trace.recent],
        "blind": sorted(trace.blind),
        "first_buckets": _buckets(trace.first_buckets),
    }
    return f"{_settled(trace.metrics, trace.base, trace.typical, trace.buckets, trace.past_share)}\n{_encode(moving)}"


@lru_cache(REMEMBERED)
def load(text: str, settings: JudgeSettings) -> Trace:
    """What ``save`` wrote.

    Raises:
        ValueError: the text is another edition's or version's; the evidence then starts again.
    """
    settled, _, moving = text.partition("\n")
    fresh, data = _begun(settled, settings), json.loads(moving or "{}")
    state, _ = _filled(fresh.state, _unpacked(data["state"]))
    return replace(
        fresh,
        state=state,
        totals=np.array(data["totals"], float).reshape(fresh.totals.shape),
        seen=tuple(BadRequests(tuple(map(tuple, classes))) for classes in data["seen"]),
        waiting=(_read_side(data["waiting"][0]), _read_side(data["waiting"][1])),
        recent=tuple(starmap(Minute, data["recent"])),
        blind=frozenset(data["blind"]),
        first_buckets=_read_buckets(data["first_buckets"]),
        **{name: data[name] for name in _PLAIN},
    )


@lru_cache(REMEMBERED)
def _settled(
    metrics: tuple[Metric, ...],
    base: Baseline,
    scores: Typical | None,
    buckets: tuple[float, ...],
    past_share: float | None,
) -> str:
    return _encode(
        {
            "second": VERSION,
            "metrics": [[getattr(metric, name) for name in _METRIC] for metric in metrics],
            "base": [_numbers(getattr(base, name)) for name in _BASELINE],
            "typical": scores and [_numbers(getattr(scores, name)) for name in _TYPICAL],
            "buckets": buckets,
            "past_share": past_share,
        }
    )


@lru_cache(REMEMBERED)
def _begun(settled: str, settings: JudgeSettings) -> Trace:
    data: dict[str, Any] = json.loads(settled)
    if data.get("second") != VERSION:
        raise ValueError(f"The second edition's state is of version {data.get('second')}, not {VERSION}.")
    return begun(
        metrics=tuple(starmap(Metric, data["metrics"])),
        base=_read(Baseline, _BASELINE, data["base"]),
        scores=data["typical"] and _read(Typical, _TYPICAL, data["typical"]),
        buckets=tuple(data["buckets"]),
        past_share=data["past_share"],
        settings=settings,
    )


def _paths(kind: Any, before: str = "") -> Iterator[str]:
    """Where the arrays of such a value are, in the order of the fields."""
    for name, part in get_type_hints(kind).items():
        if is_dataclass(part):
            yield from _paths(part, f"{before}{name}.")
        else:
            yield before + name


_arrays = attrgetter(*_paths(State))  # found once: a state is stored every few seconds


@lru_cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _filled(begun: Any, numbers: Floats, at: int = 0) -> tuple[Any, int]:
    """The same kind of value with the numbers from this place on in its arrays, and the place after them."""
    found = {}
    for name in _names(begun.__class__):
        part = getattr(begun, name)
        if is_dataclass(part):
            found[name], at = _filled(part, numbers, at)
        else:
            flat = numbers[at : at + part.size].reshape(part.shape)
            found[name], at = (flat > 0 if part.dtype == bool else flat), at + part.size
    return type(begun)(**found), at


def _packed(values: Floats) -> list[int | float]:
    """Whole ten-millionths; what is beyond exact ones as a fraction."""
    exact = np.abs(values) < LARGEST
    packed: list[int | float] = np.rint(np.where(exact, values, 0.0) * UNIT).astype(np.int64).tolist()
    for at in np.flatnonzero(~exact).tolist():
        packed[at] = float(values[at])
    return packed


def _unpacked(values: Sequence[float]) -> Floats:
    found = np.array(values)
    if found.dtype == np.int64:  # the usual: nothing is beyond
        found = found / UNIT
    else:
        found = np.array([one / UNIT if isinstance(one, int) else one for one in values])
    found.setflags(write=False)  # what is remembered is shared
    return found


def _short(value: float) -> float:
    """Counts are whole numbers, which need no fraction."""
    return int(value) if value == int(value) else value


def _numbers(values: Floats) -> Any:
    """JSON has no NaN."""
    return [None if math.isnan(one) else one for one in values.tolist()] if values.ndim else float(values)


def _read(kind: Any, names: Sequence[str], saved: Sequence[Any]) -> Any:
    """The last of the fields is about yes or no."""
    arrays = [np.array(one, float) for one in saved]
    return kind(**dict(zip(names, [*arrays[:-1], arrays[-1] > 0], strict=True)))


def _buckets(counted: Any) -> list[list[float | None]]:
    # JSON has no infinity, which is where the last bucket ends.
    return [[None if math.isinf(le) else le, n] for le, n in counted.items()]


def _read_buckets(saved: Sequence[Any]) -> dict[float, float]:
    return {math.inf if le is None else le: n for le, n in saved}


def _side(side: SideFigures) -> Sequence[Any]:
    return side.requests, side.errors, _buckets(side.buckets)


def _read_side(saved: Sequence[Any] | None) -> SideFigures | None:
    if saved is None:
        return None
    requests, errors, buckets = saved
    return SideFigures(requests=requests, errors=errors, buckets=_read_buckets(buckets))
