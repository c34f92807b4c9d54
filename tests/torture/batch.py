"""A few schedules in a process of their own, on one Redis."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from sandbox.redis import Redis
from tests.torture.play import play
from tests.torture.schedule import draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A seed, and what it violated."""

    seed: int
    violations: list[str]


def run(seeds: Sequence[int]) -> list[Found]:
    """Play these schedules on one Redis; those that violated something."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    directory = Path(tempfile.mkdtemp(prefix="torture-"))
    with Redis(directory / "redis", appendonly=False) as redis:
        played = [Found(seed=seed, violations=play(directory, redis.port, draw(seed))) for seed in seeds]
    return [found for found in played if found.violations]
