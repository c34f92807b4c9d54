"""A rollout's trace as a small JSON text and back: exactly the same trace, so a restart changes no ruling.

All arrays of the state are one list of numbers, in the order of its fields; their shapes are those of a state that has
just begun. Logs are written as whole ten-millionths, which are a third shorter than fractions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import starmap
from typing import Any

import numpy as np

from bot.analysis.judge.second import sequential
from bot.analysis.judge.second.baseline import Baseline
from bot.analysis.judge.second.constants import DECIMALS
from bot.analysis.judge.second.single import Trace, fixed_of
from bot.analysis.judge.second.stretch import Typical
from bot.analysis.judge.settings import Floats, JudgeSettings
from bot.analysis.judge.state import Metric, Minute
from bot.model.figures import SideFigures

VERSION = 1
UNIT = 10.0**DECIMALS
LARGEST = 1e8  # times UNIT it is still an exact whole number
_BASELINE, _TYPICAL, _METRIC, _MINUTE = (
    tuple(one.name for one in fields(kind)) for kind in (Baseline, Typical, Metric, Minute)
)
_PLAIN = ("past_share", "stage", "watermark", "row_end", "canary_at", "primary_at", "aborted_by")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def save(trace: Trace) -> str:
    """The trace as JSON."""
    saved = {name: getattr(trace, name) for name in _PLAIN}
    return _encode(
        saved
        | {
            "second": VERSION,
            "metrics": [[getattr(metric, name) for name in _METRIC] for metric in trace.metrics],
            "base": [_numbers(getattr(trace.base, name)) for name in _BASELINE],
            "typical": trace.typical and [_numbers(getattr(trace.typical, name)) for name in _TYPICAL],
            "buckets": trace.buckets,
            "state": [*map(_packed, np.concatenate([*_arrays(trace.state)], axis=None).tolist())],
            "waiting": [side and _side(side) for side in trace.waiting],
            "recent": [[getattr(row, name) for name in _MINUTE] for row in trace.recent],
        }
    )


def load(text: str, settings: JudgeSettings) -> Trace:
    """What ``save`` wrote.

    Raises:
        ValueError: the text is another edition's or version's; the evidence then starts again.
    """
    data: dict[str, Any] = json.loads(text)
    if data.get("second") != VERSION:
        raise ValueError(f"The second edition's state is of version {data.get('second')}, not {VERSION}.")
    metrics = tuple(starmap(Metric, data["metrics"]))
    base: Baseline = _read(Baseline, _BASELINE, data["base"])
    scores: Typical | None = data["typical"] and _read(Typical, _TYPICAL, data["typical"])
    begun = sequential.begin(fixed_of(metrics, base, scores, settings), settings)
    return Trace(
        metrics=metrics,
        base=base,
        typical=scores,
        buckets=tuple(data["buckets"]),
        state=_filled(begun, iter(np.array([*map(_unpacked, data["state"])]))),
        waiting=(_read_side(data["waiting"][0]), _read_side(data["waiting"][1])),
        recent=tuple(starmap(Minute, data["recent"])),
        **{name: data[name] for name in _PLAIN},
    )


def _arrays(value: Any) -> Iterator[Floats]:
    """All arrays within, in the order of the fields."""
    for one in fields(value):
        part = getattr(value, one.name)
        if is_dataclass(part):
            yield from _arrays(part)
        else:
            yield np.asarray(part, float)


def _filled(begun: Any, numbers: Iterator[float]) -> Any:
    """The same kind of value with these numbers in its arrays."""
    found = {}
    for one in fields(begun):
        part = getattr(begun, one.name)
        if is_dataclass(part):
            found[one.name] = _filled(part, numbers)
        else:
            flat = np.fromiter(numbers, float, part.size).reshape(part.shape)
            found[one.name] = flat > 0 if part.dtype == bool else flat
    return type(begun)(**found)


def _packed(value: float) -> int | float:
    """Whole ten-millionths; what is beyond exact ones as a fraction."""
    return round(value * UNIT) if abs(value) < LARGEST else value


def _unpacked(value: float) -> float:
    return value / UNIT if isinstance(value, int) else value


def _numbers(values: Floats) -> Any:
    """JSON has no NaN."""
    return [None if math.isnan(one) else one for one in values.tolist()] if values.ndim else float(values)


def _read(kind: Any, names: Sequence[str], saved: Sequence[Any]) -> Any:
    """The last of the fields is about yes or no."""
    arrays = [np.array(one, float) for one in saved]
    return kind(**dict(zip(names, [*arrays[:-1], arrays[-1] > 0], strict=True)))


def _side(side: SideFigures) -> Sequence[Any]:
    # JSON has no infinity, which is where the last bucket ends.
    return side.requests, side.errors, [[None if math.isinf(le) else le, n] for le, n in side.buckets.items()]


def _read_side(saved: Sequence[Any] | None) -> SideFigures | None:
    if saved is None:
        return None
    requests, errors, buckets = saved
    counted = {math.inf if le is None else le: n for le, n in buckets}
    return SideFigures(requests=requests, errors=errors, buckets=counted)
