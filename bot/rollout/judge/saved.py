"""The judge's state as a small JSON text and back: exactly the same state, so a restart changes no verdict.

Lists rather than named fields for what repeats: a state stays under 4 kB. Where it is kept is not known here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from bot.rollout.judge.judge import JudgeState, Metric
from bot.rollout.judge.processes import Bets, Proof
from bot.rollout.judge.ratio import Seen

VERSION = 1


def save(state: JudgeState) -> str:
    """The state as JSON, watermark included."""
    data = {
        "version": VERSION,
        "metrics": [_metric(metric) for metric in state.metrics],
        "ceiling": _bets(state.ceiling),
        "ceiling_weight": state.ceiling_weight,
        "past_share": state.past_share,
        "has_history": state.has_history,
        "watermark": state.watermark,
        "began": state.began,
        "stage": state.stage,
        "stage_began": _finite(state.stage_began),
        "stage_requests": state.stage_requests,
        "injected": state.injected,
        "canary_at": state.canary_at,
        "primary_at": state.primary_at,
        "veto_until": _finite(state.veto_until),
        "recent": state.recent,
        "first_buckets": {str(bound): count for bound, count in state.first_buckets.items()},
        "aborted_by": state.aborted_by,
    }
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def load(text: str) -> JudgeState:
    """What ``save`` wrote.

    Raises:
        ValueError: the text is of another version; the evidence then starts again.
    """
    data: dict[str, Any] = json.loads(text)
    version = data.pop("version", None)
    if version != VERSION:
        msg = f"The judge's state is of version {version}, not {VERSION}."
        raise ValueError(msg)
    replaced = {
        "metrics": tuple(_read_metric(metric) for metric in data["metrics"]),
        "ceiling": _read_bets(data["ceiling"]),
        "stage_began": _or_never(data["stage_began"]),
        "veto_until": _or_never(data["veto_until"]),
        "recent": tuple(tuple(row) for row in data["recent"]),
        "first_buckets": {float(bound): count for bound, count in data["first_buckets"].items()},
    }
    return JudgeState(**{**data, **replaced})


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "weight": metric.weight,
        "bound": metric.bound,
        "phi": metric.phi,
        "bets": _bets(metric.bets),
        "vote": None if metric.vote is None else _bets(metric.vote),
        "proof": [metric.proof.all, metric.proof.stage],
        "seen": metric.seen.classes,
        "totals": metric.totals,
    }


def _read_metric(data: dict[str, Any]) -> Metric:
    whole, stage = data["proof"]
    replaced = {
        "bets": _read_bets(data["bets"]),
        "vote": None if data["vote"] is None else _read_bets(data["vote"]),
        "proof": Proof(tuple(whole), tuple(stage)),
        "seen": Seen(tuple(tuple(one) for one in data["seen"])),
        "totals": tuple(data["totals"]),
    }
    return Metric(**{**data, **replaced})


def _bets(bets: Bets) -> list[float]:
    return [bets.log_e, bets.reserve, *bets.bets]


def _read_bets(values: Sequence[float]) -> Bets:
    whole, reserve, *bets = values
    return Bets(tuple(bets), reserve, whole)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no infinity


def _or_never(value: float | None) -> float:
    return -math.inf if value is None else value
