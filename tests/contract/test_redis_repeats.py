"""A payload that Slack delivers to two replicas is served by one."""

from __future__ import annotations

import pytest

from bot.adapters.redis_connection import connect
from bot.adapters.redis_deduplication import REMEMBERED_FOR, RedisDeduplication
from bot.model.errors import Fault
from bot.slack.requester import Deduplication
from tests.contract.conftest import Server


@pytest.mark.parametrize("kind", ["redis", "cluster"])
def test_what_one_replica_served_is_new_to_no_other(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    server.client.flushall()
    here, there = (Deduplication(RedisDeduplication(connect(server.url)).is_new) for _ in range(2))

    assert here.is_new("trigger-1")
    assert not there.is_new("trigger-1")
    assert not here.is_new("trigger-1")
    assert there.is_new("trigger-2")
    assert server.client.ttl("canary:served:trigger-1") == pytest.approx(REMEMBERED_FOR, abs=30)


def test_without_a_key_everything_is_new(redis_server: Server) -> None:
    deduplication = Deduplication(RedisDeduplication(connect(redis_server.url)).is_new)

    assert [deduplication.is_new(""), deduplication.is_new("")] == [True, True]


def test_while_redis_is_gone_a_replica_still_knows_what_it_served_itself() -> None:
    gone = RedisDeduplication(connect("redis://127.0.0.1:1/0"))
    deduplication = Deduplication(gone.is_new)

    assert [deduplication.is_new("trigger-1"), deduplication.is_new("trigger-1")] == [True, False]
    with pytest.raises(Fault, match="cannot be reached"):
        gone.is_new("trigger-1")
