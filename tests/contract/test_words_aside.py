"""However many words of a service nobody can read, those behind them are delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.adapters.outbox import MOST_UNREADABLE, RedisOutbox
from bot.adapters.redis_connection import RedisClient, connect
from bot.adapters.redis_retention import RedisRetention
from bot.adapters.redis_signing import RedisSigning
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import Keys
from bot.adapters.words_aside import KEPT
from bot.model.signing import UNSIGNED, Signature, Signer
from bot.model.story import Entry
from tests.contract.conftest import Server
from tests.contract.examples import entry, rollout

REVIEWS = Keys(service="default/reviews")
OURS = Signer(keys=(b"a key of ours",))
AT_ONCE = 1000


@dataclass
class Outboxes:
    """A Redis, and what is told of it."""

    server: Server
    connection: RedisClient
    failed: list[str] = field(default_factory=list)

    def outbox(self, signer: Signer = UNSIGNED) -> RedisOutbox:
        return RedisOutbox(self.connection, signer, failed=lambda about, error: self.failed.append(f"{about}: {error}"))

    def forge(self, count: int, **fields: str) -> None:
        """So many words that nobody can read."""
        batch = self.server.client.pipeline(transaction=False)
        for _ in range(count):
            word: dict[Any, Any] = {"rollout": "r2", "revision": "1", "entry": "{}", **fields}
            batch.xadd(REVIEWS.outbox, word)
        batch.execute()
        self.server.client.sadd("canary:index:services", "default/reviews")
        self.server.client.sadd("canary:index:words", "default/reviews")

    def begin(self, signer: Signer = UNSIGNED) -> None:
        """A rollout with a word to say."""
        RedisStore(self.connection, signer).create(rollout(2), [entry("aborted")])

    def aside(self) -> int:
        return int(self.server.client.xlen(REVIEWS.aside))


@pytest.fixture(params=["redis", "cluster"])
def redis(request: pytest.FixtureRequest) -> Iterator[Outboxes]:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    connection = connect(server.url)
    yield Outboxes(server, connection)
    connection.close()


def said(outbox: RedisOutbox) -> Sequence[Entry]:
    return [one.entry for one in outbox.pending(AT_ONCE) if one.entry is not None]


@pytest.mark.parametrize("count", [AT_ONCE, 3 * AT_ONCE + 7])
def test_many_words_that_cannot_be_read_hide_none_behind_them(redis: Outboxes, count: int) -> None:
    redis.forge(count)
    redis.begin()
    outbox = redis.outbox()

    assert said(outbox) == [entry("aborted")]
    left = redis.server.client.xlen(REVIEWS.outbox) - 1
    assert redis.aside() + left == count
    assert left <= MOST_UNREADABLE


def test_they_are_told_together_and_counted(redis: Outboxes) -> None:
    redis.forge(AT_ONCE)
    redis.begin()
    outbox = redis.outbox()

    for _ in range(3):
        said(outbox)

    (line,) = redis.failed
    assert line.startswith("notifications of default/reviews: Redis: holds 1,000 notifications of default/reviews that")
    assert REVIEWS.aside in line
    assert outbox.set_aside() == AT_ONCE


def test_a_few_stay_where_they_are_for_the_version_that_wrote_them(redis: Outboxes) -> None:
    redis.forge(MOST_UNREADABLE)
    redis.begin()
    outbox = redis.outbox()

    assert said(outbox) == [entry("aborted")]
    assert (redis.aside(), len(redis.failed)) == (0, MOST_UNREADABLE)


def test_what_was_set_aside_is_said_by_a_leader_that_can_read_it(redis: Outboxes) -> None:
    signed = RedisStore(redis.connection, OURS)
    signed.create(rollout(2), [entry(f"line {number}") for number in range(150)])
    assert said(redis.outbox(Signer(keys=(b"another key",)))) == []
    assert redis.aside() == 150

    able = redis.outbox(OURS)
    assert able.recall() == 150

    assert said(able) == [entry(f"line {number}") for number in range(150)]
    assert (redis.aside(), able.set_aside()) == (0, 0)


def test_unsigned_words_that_were_set_aside_are_counted_and_signed_like_the_others(redis: Outboxes) -> None:
    RedisStore(redis.connection).create(rollout(2), [entry(f"line {number}") for number in range(150)])
    assert said(redis.outbox(OURS)) == []
    signing = RedisSigning(redis.connection, OURS)
    assert signing.unbelieved()[Signature.MISSING] == 151  # and the record

    signing.sign()

    assert len(said(redis.outbox(OURS))) == 150


def test_something_else_in_their_place_leaves_them_where_they_are_and_keeps_no_other_service_waiting(
    redis: Outboxes,
) -> None:
    redis.server.client.set(REVIEWS.aside, "not ours")
    redis.forge(AT_ONCE)
    RedisStore(redis.connection).create(rollout(1, service="details"), [entry("started")])
    outbox = redis.outbox()

    assert said(outbox) == [entry("started")]
    assert (outbox.set_aside(), outbox.recall()) == (0, 0)
    assert redis.server.client.xlen(REVIEWS.outbox) == AT_ONCE
    assert any("notifications of default/reviews: Redis: holds another kind" in line for line in redis.failed)


def test_words_of_a_thousand_fields_are_carried_as_words(redis: Outboxes) -> None:
    redis.forge(101, **{f"field {number}": "x" for number in range(5000)})
    outbox = redis.outbox()

    said(outbox)

    found: Any = redis.server.client.xrange(REVIEWS.aside, count=1)
    ((_, fields),) = found
    assert set(fields) == {"rollout", "revision", "entry"}
    assert redis.aside() == 101


def test_so_many_are_kept_and_no_more_and_old_ones_go(redis: Outboxes) -> None:
    redis.forge(KEPT + 2 * AT_ONCE)
    said(redis.outbox())
    assert redis.aside() == KEPT
    redis.begin()
    redis.server.client.delete(REVIEWS.aside)
    redis.server.client.xadd(REVIEWS.aside, {"entry": "{}"}, id="1-0")  # of 1970

    RedisRetention(redis.connection).tidy(0.0)

    assert redis.aside() == 0
