"""The arithmetic of a rolling update: how many Pods each ReplicaSet should have next. Pure.

After the Deployment controller's own steps: grow the new one as far as the surge allows, first drop old Pods that are
not available anyway, then as many available ones as the minimum allows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kube.objects import digest

_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own: no vowels, no words
_HASH_LENGTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a ReplicaSet is asked to have, and how much of it is available."""

    wanted: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a rolling update must respect."""

    replicas: int
    surge: int
    unavailable: int


def bounds(spec: Mapping[str, Any]) -> Bounds:
    """The bounds of a Deployment's spec; percentages round up for surge and down for unavailable."""
    replicas = int(spec.get("replicas", 1))
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge = math.ceil(_part_of(replicas, rolling.get("maxSurge", "25%")))
    unavailable = math.floor(_part_of(replicas, rolling.get("maxUnavailable", "25%")))
    if surge == 0 and unavailable == 0:
        unavailable = 1  # otherwise nothing could ever move
    return Bounds(replicas=replicas, surge=surge, unavailable=unavailable)


def next_sizes(limits: Bounds, new: Size, olds: Sequence[Size]) -> tuple[int, list[int]]:
    """What the new and the old ReplicaSets (oldest first) should be asked for next."""
    total = new.wanted + sum(old.wanted for old in olds)
    new_size = _grown(limits, new, total)
    minimum = limits.replicas - limits.unavailable
    new_unavailable = max(0, new_size - new.available)
    spare = total - new.wanted + new_size - minimum - new_unavailable
    sizes = _without_unhealthy(olds, spare)
    dropped = sum(old.wanted - size for old, size in zip(olds, sizes, strict=True))
    available = new.available + sum(old.available for old in olds)
    return new_size, _scaled_down(sizes, min(spare - dropped, available - minimum))


def template_hash(template: Mapping[str, Any]) -> str:
    """A ReplicaSet's `pod-template-hash`."""
    number = int(digest(json.dumps(template, sort_keys=True)), 16)
    notifications = []
    for _ in range(_HASH_LENGTH):
        number, index = divmod(number, len(_HASH_ALPHABET))
        notifications.append(_HASH_ALPHABET[index])
    return "".join(notifications)


def _grown(limits: Bounds, new: Size, total: int) -> int:
    if new.wanted >= limits.replicas:
        return limits.replicas
    room = max(0, limits.replicas + limits.surge - total)
    return min(limits.replicas, new.wanted + room)


def _without_unhealthy(olds: Sequence[Size], spare: int) -> list[int]:
    sizes = []
    for old in olds:
        drop = max(0, min(spare, old.wanted - old.available))
        spare -= drop
        sizes.append(old.wanted - drop)
    return sizes


def _scaled_down(sizes: Sequence[int], spare: int) -> list[int]:
    result = []
    for size in sizes:
        drop = max(0, min(spare, size))
        spare -= drop
        result.append(size - drop)
    return result


def _part_of(replicas: int, value: int | str) -> float:
    if isinstance(value, str):
        return replicas * int(value.removesuffix("%")) / 100
    return value
