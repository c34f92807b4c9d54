"""What a rollout takes in Redis, as docs/redis.md says it: measured after a rollout of the production process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis import Redis as Client

from sandbox.redis import Redis
from tests.contract.acl import PAGE
from tests.crash.bots import BotServer
from tests.crash.stories import STORIES
from tests.crash.upsets import RedisDatabase
from tests.crash.world import World

pytestmark = pytest.mark.sandbox

KIB = 1024


@pytest.mark.parametrize("story", ["promote", "abort-weights", "halt-abort"])
def test_a_played_rollout_takes_no_more_than_the_page_says(story: str, tmp_path: Path) -> None:
    said = re.search(r"at most (\d+) KiB", PAGE.read_text(encoding="utf-8"))
    assert said is not None
    with BotServer() as bots, Redis(tmp_path / "redis", appendonly=False) as redis:
        place = RedisDatabase(port=redis.port, database=0)
        with World(tmp_path, bots, place, STORIES[story], None) as world, Client(port=redis.port) as client:
            world.play()
            own = [name for kind in ("rollout", "story", "card") for name in client.keys(f"canary:*:{kind}:*")]
            taken = sum(client.memory_usage(name, samples=0) or 0 for name in own)

    assert len(own) >= 2
    assert KIB < taken <= int(said[1]) * KIB
