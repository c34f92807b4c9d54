"""Who wrote a part of an object last, by ``metadata.managedFields``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.cluster.objects import Object

Path = tuple[str, ...]

FIELD_MANAGER = "canary-bot"  # under which the bot itself writes

ROUTES: Path = ("f:spec", "f:http")
TEMPLATE: Path = ("f:spec", "f:template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A field manager; ``at`` is by the API server's clock, None where it does not say. ``manager`` "": not known."""

    manager: str = ""
    at: float | None = None


def writer_of(obj: Object, *paths: Path, not_by: str = "") -> Writer:
    """The last writer of any of these fields (of the object, without any); of two in one second the one not ``not_by``.

    Who writes a field takes it from whoever had it, so its owner is who wrote it; a removed field has none.
    """
    entries = obj["metadata"].get("managedFields") or []
    able = [one for one in entries if not one.get("subresource") and (not paths or any(_owns(one, p) for p in paths))]
    last = max(able, key=lambda one: (str(one.get("time", "")), one.get("manager") != not_by), default=None)
    return Writer() if last is None else Writer(manager=str(last.get("manager", "")), at=_seconds(last.get("time")))


def without_managed_fields(obj: Object) -> Object:
    """The object without its managedFields; itself unchanged."""
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def annotation(name: str) -> Path:
    """The path of an annotation."""
    return ("f:metadata", "f:annotations", f"f:{name}")


def _owns(entry: Object, path: Path) -> bool:
    tree = entry.get("fieldsV1") or {}
    for step in path:
        if step not in tree:
            return False
        tree = tree[step]
    return True


def _seconds(time: object) -> float | None:
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None
