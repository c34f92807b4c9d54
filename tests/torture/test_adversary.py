"""Fault schedules with an adversary: somebody may edit the VirtualService or write to Redis, and does so in the middle.

One promise more than the other schedules have: no image that no approved rollout named ever runs in a primary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

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
    ]
    chosen = forged if dice.random() < 0.3 else [dice.choice(forged)]
    return replace(drawn, signed=True, events=(*drawn.events, *chosen))


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SCHEDULES, EACH))
def test_no_forgery_breaks_a_promise(redis: Redis, tmp_path: Path, first: int) -> None:
    broken = {seed: play(tmp_path, redis.port, with_an_adversary(seed)) for seed in range(first, first + EACH)}

    assert {seed: violations for seed, violations in broken.items() if violations} == {}


@pytest.mark.sandbox
@pytest.mark.timeout(300)
def test_the_referee_sees_what_a_forged_record_does_to_a_bot_without_a_key(redis: Redis, tmp_path: Path) -> None:
    forgery = Event(what="forge_record", at=12, details={"how": "bare"})
    calm = replace(
        draw(0),
        events=(forgery,),
        scalers={},
        skew=0.0,
        leaving=None,
        neighbour=False,
        relabel=False,
        apart=False,
        callees=(),
    )

    violations = play(tmp_path, redis.port, calm)

    assert any(EVIL in violation for violation in violations)
