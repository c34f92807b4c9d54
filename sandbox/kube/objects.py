"""Small helpers for raw Kubernetes objects: copies, times, labels. No kind is known here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

Object = dict[str, Any]
T = TypeVar("T")


def clone(value: T) -> T:
    """A deep copy of a JSON value; several times faster than ``copy.deepcopy``, which must cope with cycles."""
    return cast("T", _clone(value))


def timestamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, the way Kubernetes writes metav1.Time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(*parts: str) -> str:
    """A stable SHA-256 of some text, in hexadecimal."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """An object's labels, empty when it has none."""
    found: dict[str, str] = obj.get("metadata", {}).get("labels") or {}
    return found


def is_terminating(obj: Mapping[str, Any]) -> bool:
    """Whether deletion was asked for and the object is only finishing."""
    return "deletionTimestamp" in obj["metadata"]


def condition(obj: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    """The status condition of that type, if the object has it."""
    conditions: list[dict[str, Any]] = obj.get("status", {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), None)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod's Ready condition is True."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def owner_uid(obj: Mapping[str, Any]) -> str | None:
    """The uid of the controller an object belongs to."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clone(item) for item in value]
    return value
