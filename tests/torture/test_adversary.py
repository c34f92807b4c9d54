"""Fault schedules with an adversary, who may edit the VirtualService, write to Redis, is scraped, or reaches the ports.

One promise more than the other schedules have: no image that no approved rollout named ever runs in a primary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.figures import Mood
from sandbox.redis import Redis
from tests.torture.events import SWEEPS, Event
from tests.torture.play import play
from tests.torture.schedule import Schedule, draw
from tests.torture.surroundings import EVIL

SCHEDULES, EACH = 40, 10
RECORDS, ANNOTATIONS = ("bare", "signed"), ("image", "deployment", "owner")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis"), appendonly=False) as redis:
        yield redis


def with_an_adversary(seed: int) -> Schedule:
    """A drawn schedule of a bot with a key, and forgeries at moments of their own."""
    dice = random.Random(f"adversary {seed}")  # noqa: S311  # no secret
    drawn = draw(seed)
    forged = [
        Event(what="forge_annotations", at=dice.randint(2, SWEEPS - 5), details={"how": dice.choice(ANNOTATIONS)}),
        Event(what="forge_record", at=dice.randint(2, SWEEPS - 5), details={"how": dice.choice(RECORDS)}),
        Event(what="mood", at=dice.randint(0, 9), sweeps=dice.randint(5, 20), details={"mood": Mood.FORGED}),
        Event(what="replay_annotations", at=dice.randint(2, 15), sweeps=dice.randint(1, SWEEPS - 16)),
        Event(what="slow_connections", at=dice.randint(0, 5), sweeps=SWEEPS, details={"count": 500}),
    ]
    chosen = forged if dice.random() < 0.3 else [dice.choice(forged)]
    return replace(drawn, signed=True, events=(*drawn.events, *chosen))


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SCHEDULES, EACH))
def test_no_forgery_breaks_a_promise(redis: Redis, tmp_path: Path, first: int) -> None:
    broken = {seed: play(tmp_path, redis.port, with_an_adversary(seed)) for seed in range(first, first + EACH)}

    assert {seed: violations for seed, violations in broken.items() if violations} == {}


def calm(*events: Event) -> Schedule:
    """A rollout to which nothing happens but this."""
    return replace(
        draw(0),
        events=events,
        scalers={},
        skew=0.0,
        leaving=None,
        neighbour=False,
        relabel=False,
        apart=False,
        callees=(),
    )


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("at", [6, 8, 10])
def test_a_scraped_stranger_keeps_no_users_on_a_canary_that_fails_them(redis: Redis, tmp_path: Path, at: int) -> None:
    forged = Event(what="mood", at=1, sweeps=SWEEPS, details={"mood": Mood.FORGED})

    assert play(tmp_path, redis.port, calm(forged, Event(what="canary_fails_requests", at=at, sweeps=SWEEPS))) == []


@pytest.mark.sandbox
@pytest.mark.timeout(300)
def test_slow_connections_to_both_ports_delay_neither_probes_nor_people_nor_the_rollout(
    redis: Redis, tmp_path: Path
) -> None:
    slow = Event(what="slow_connections", at=1, sweeps=SWEEPS, details={"count": 500})

    assert play(tmp_path, redis.port, calm(slow)) == []


@pytest.mark.sandbox
@pytest.mark.timeout(300)
def test_the_referee_sees_what_a_forged_record_does_to_a_bot_without_a_key(redis: Redis, tmp_path: Path) -> None:
    violations = play(tmp_path, redis.port, calm(Event(what="forge_record", at=12, details={"how": "bare"})))

    assert any(EVIL in violation for violation in violations)
