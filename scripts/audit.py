"""``python -m scripts.audit DIRECTORY``: whether a pinned package has a known vulnerability, asked of files alone.

The directory holds advisories as JSON in the format of OSV (https://ossf.github.io/osv-schema/), in any depth: a
checkout of the PyPA advisory database after its YAML was made JSON, or OSV's own archive of the ecosystem ``PyPI``. How
old it is, is said first: an advisory that is newer than the copy is not known.

Exit code 0: nothing is known; 1: something is; 2: there is nothing to ask.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from scripts.lock_file import Pin, read

OLD = 30  # days

Advisory = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One pin with a known vulnerability."""

    pin: Pin
    advisory: str
    summary: str
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        way_out = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no fixed version is known"
        return f"{self.pin.name} {self.pin.version}: {self.advisory}: {self.summary} ({way_out})"


def advisories(directory: Path) -> list[Advisory]:
    """Every advisory in the directory.

    Raises:
        ValueError: a file there is no advisory; what it says is then not known.
    """
    found: list[Advisory] = []
    for path in sorted(directory.rglob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as broken:
            raise ValueError(f"{path} is no JSON") from broken
        if not isinstance(said, dict) or "id" not in said or "modified" not in said:
            raise ValueError(f"{path} is no OSV advisory")
        found.append(said)
    return found


def hits(pins: Iterable[Pin], known: Iterable[Advisory]) -> Iterator[Hit]:
    """The pins that advisories name; withdrawn ones name none."""
    by_name = {pin.name: pin for pin in pins}
    for one in known:
        for affected in one.get("affected", ()) if not one.get("withdrawn") else ():
            package = affected.get("package") or {}
            pin = by_name.get(canonicalize_name(str(package.get("name", ""))))
            if pin is not None and package.get("ecosystem") == "PyPI" and _is_affected(pin.version, affected):
                summary = str(one.get("summary") or one.get("details") or "").partition("\n")[0]
                yield Hit(pin=pin, advisory=str(one["id"]), summary=summary, fixed=tuple(_fixed(affected)))


def age(known: Iterable[Advisory], now: datetime) -> int:
    """Days since the newest of them was changed: at least so old is the copy."""
    newest = max(datetime.fromisoformat(one["modified"]) for one in known)
    return (now - (newest if newest.tzinfo else newest.replace(tzinfo=UTC))).days


def main(directory: Path | None, pins: Iterable[Pin], now: datetime) -> int:
    """Print what is known, and tell the exit code."""
    try:
        known = advisories(directory) if directory is not None and directory.is_dir() else []
    except ValueError as broken:
        print(broken)
        return 2
    if not known:
        print("No advisories: ADVISORIES=DIR names a copy of the OSV database; SECURITY.md says where to get one.")
        return 2
    days = age(known, now)
    print(f"{len(known)} advisories, the newest {days} days old{': fetch a newer copy' if days > OLD else ''}.")
    found = list(hits(pins, known))
    for hit in found:
        print(hit)
    print(f"{len(found)} known." if found else "Nothing is known of what is pinned.")
    return 1 if found else 0


def _is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    if version in affected.get("versions", ()):
        return True
    ranges = (one for one in affected.get("ranges", ()) if one.get("type") == "ECOSYSTEM")
    return any(_is_within(Version(version), one.get("events", ())) for one in ranges)


def _is_within(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """Events in the order of their versions: from ``introduced`` until ``fixed``, or after ``last_affected``."""
    within = False
    for kind, at in sorted(((kind, _version(at)) for event in events for kind, at in event.items()), key=itemgetter(1)):
        if kind == "introduced" and version >= at:
            within = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            within = False
    return within


def _fixed(affected: Mapping[str, Any]) -> Iterator[str]:
    for one in affected.get("ranges", ()):
        if one.get("type") == "ECOSYSTEM":
            yield from (event["fixed"] for event in one.get("events", ()) if "fixed" in event)


def _version(written: str) -> Version:
    try:
        return Version(written)
    except InvalidVersion:
        return Version("0")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None, read(), datetime.now(UTC)))
