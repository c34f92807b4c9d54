"""What a lock file pins: names, versions, where they apply, and the hashes of what may be installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BOT = Path(__file__).parent.parent / "requirements" / "bot.txt"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package. ``marker`` says where it is installed; empty is everywhere."""

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read(path: Path = BOT) -> list[Pin]:
    """Every pin, in the order of the file.

    Raises:
        ValueError: a line pins no exact version, or has no hash.
    """
    whole = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [_pin(line) for line in whole.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _pin(line: str) -> Pin:
    requirement = Requirement(line.partition(" --hash=")[0].strip())
    exact = [one.version for one in requirement.specifier if one.operator == "=="]
    hashes = tuple(_HASH.findall(line))
    if len(exact) != 1 or not hashes:
        raise ValueError(f"{requirement.name} is not pinned to one version with its hashes")
    return Pin(
        name=canonicalize_name(requirement.name),
        version=exact[0],
        marker=str(requirement.marker or ""),
        sha256=hashes,
    )
