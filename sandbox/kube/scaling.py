"""The arithmetic of a HorizontalPodAutoscaler: how many Pods it asks for next. Pure.

After the controller's own steps: a ratio of use and target, with a tolerance in which nothing is done; then the most
cautious of the recent recommendations; then how fast it may go; then the bounds of its spec.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kube.objects import Object

TOLERANCE = 0.1
STABLE_SECONDS = {"scaleUp": 0.0, "scaleDown": 300.0}
POLICIES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "scaleUp": (
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    ),
    "scaleDown": ({"type": "Percent", "value": 100, "periodSeconds": 15},),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A recommendation of some time ago."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of some time ago: by how many Pods, up or down."""

    at: float
    by: int


def least(hpa: Object) -> int:
    """The fewest Pods it asks for."""
    return int(hpa["spec"].get("minReplicas", 1))


def most(hpa: Object) -> int:
    """The most Pods it asks for."""
    return int(hpa["spec"]["maxReplicas"])


def target(hpa: Object) -> float:
    """The use it aims at, in percent of what a Pod requests."""
    metric = next(one["resource"] for one in hpa["spec"]["metrics"] if one["type"] == "Resource")
    return float(metric["target"]["averageUtilization"])


def recommended(aim: float, *, wanted: int, ready: int, load: float) -> int:
    """Pods for a ``load`` (percent of one Pod's request, all Pods together), of which ``ready`` carry it now."""
    ratio = load / ready / aim
    return wanted if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * ready)


def stable(hpa: Object, advised: Sequence[Advice], *, wanted: int, now: float) -> int:
    """Up at least to the smallest recommendation of the window for that, down at most to the largest of the other."""
    newest = advised[-1].replicas
    low = min([newest, *(one.replicas for one in advised if now - one.at < _window(hpa, "scaleUp"))])
    high = max([newest, *(one.replicas for one in advised if now - one.at < _window(hpa, "scaleDown"))])
    return min(max(wanted, low), high)


def limited(hpa: Object, asked: int, steps: Sequence[Step], *, wanted: int, now: float) -> int:
    """As far towards ``asked`` as its policies allow at this moment, and within its bounds."""
    if asked > wanted:
        asked = min(asked, _furthest(_policies(hpa, "scaleUp"), steps, wanted=wanted, now=now, sign=1))
    elif asked < wanted:
        asked = max(asked, _furthest(_policies(hpa, "scaleDown"), steps, wanted=wanted, now=now, sign=-1))
    return min(max(asked, least(hpa)), most(hpa))


def longest_window(hpa: Object) -> float:
    """For how many seconds its recommendations matter."""
    return max(_window(hpa, "scaleUp"), _window(hpa, "scaleDown"))


def _window(hpa: Object, way: str) -> float:
    return float(_behavior(hpa, way).get("stabilizationWindowSeconds", STABLE_SECONDS[way]))


def _policies(hpa: Object, way: str) -> Sequence[Mapping[str, Any]]:
    return _behavior(hpa, way).get("policies") or POLICIES[way]


def _behavior(hpa: Object, way: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (hpa["spec"].get("behavior") or {}).get(way) or {}
    return found


def _furthest(
    policies: Sequence[Mapping[str, Any]], steps: Sequence[Step], *, wanted: int, now: float, sign: int
) -> int:
    """The policy that allows most decides; each counts from where its period began."""
    ends: list[int] = []
    for policy in policies:
        recent = [one.by for one in steps if now - one.at < policy["periodSeconds"] and one.by * sign > 0]
        began = wanted - sum(recent)
        value = int(policy["value"])
        if policy["type"] == "Pods":
            ends.append(began + sign * value)
        elif sign > 0:
            ends.append(math.ceil(began * (1 + value / 100)))
        else:
            ends.append(math.floor(began * (1 - value / 100)))
    return max(ends) if sign > 0 else max(0, min(ends))
