"""metadata.managedFields: who wrote which field last.

Coarser than the real thing: fields are named down to the keys of ``spec`` (and of labels and annotations), not to the
leaves. Enough to answer "who changed the routes?".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.kube.objects import Object, timestamp

Path = tuple[str, ...]

_OF_METADATA = ("labels", "annotations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, through which version and subresource."""

    manager: str
    api_version: str
    subresource: str = ""


def record(obj: Object, before: Object | None, writer: Writer, now: datetime) -> None:
    """Give ``writer`` the fields that differ between ``before`` and ``obj``, and take them from everyone else."""
    entries: list[dict[str, Any]] = [
        dict(entry) for entry in (before or {}).get("metadata", {}).get("managedFields", [])
    ]
    leaves, then = _leaves(obj), _leaves(before or {})
    changed = {path for path, value in leaves.items() if then.get(path) != value}
    gone = set(then) - set(leaves)
    if not changed and not gone:
        obj["metadata"].pop("managedFields", None)  # the store carries the old ones over
        return
    mine: set[Path] = set()
    others = []
    for entry in entries:
        owned = _paths(entry["fieldsV1"])
        if _is_by(entry, writer):
            mine = owned - gone
        elif left := owned - changed - gone:
            others.append(entry | {"fieldsV1": _fields(left)})
    entry = {
        "manager": writer.manager,
        "operation": "Update",
        "apiVersion": writer.api_version,
        "time": timestamp(now),
        "fieldsType": "FieldsV1",
        "fieldsV1": _fields(mine | changed),
        **({"subresource": writer.subresource} if writer.subresource else {}),
    }
    obj["metadata"]["managedFields"] = [*others, entry]


def _is_by(entry: dict[str, Any], writer: Writer) -> bool:
    identity = (entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
    return identity == (writer.manager, "Update", writer.api_version, writer.subresource)


def _leaves(obj: Object) -> dict[Path, Any]:
    metadata = obj.get("metadata", {})
    found: dict[Path, Any] = {
        ("metadata", part, key): value for part in _OF_METADATA for key, value in (metadata.get(part) or {}).items()
    }
    for section, content in obj.items():
        if section in {"apiVersion", "kind", "metadata"}:
            continue
        if isinstance(content, dict):
            found |= {(section, key): value for key, value in content.items()}
        else:
            found[(section,)] = content
    return found


def _fields(paths: set[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        at = tree
        for step in path:
            at = at.setdefault(f"f:{step}", {})
    return tree


def _paths(tree: dict[str, Any], above: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for key, below in tree.items():
        path = (*above, key.removeprefix("f:"))
        found |= _paths(below, path) if below else {path}
    return found
