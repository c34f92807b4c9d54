"""One value in Redis that nobody could have foreseen is one record's trouble: it is told, and no other waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import RedisClient, connect
from bot.adapters.redis_signing import RedisSigning
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import Keys, dump_entry
from bot.model.rollout import RolloutId
from bot.model.signing import Signer
from tests.contract.conftest import Server
from tests.contract.examples import entry, rollout

POISONED, WELL = Keys(service="default/reviews"), Keys(service="default/details")
DEEP = '{"schema":6,"rollout":' + '{"a":' * 100_000 + "1" + "}" * 100_001
VALUES: Sequence[bytes] = [
    b"\xff\xfe\x00",
    b'{"schema":6,"rollout":{"id":"\xff"}}',
    DEEP.encode(),
    b'{"schema":1e999,"rollout":{}}',
    b'{"schema":' + b"9" * 400 + b',"rollout":{}}',
    b"[]",
    b"null",
    b'"text"',
    b'{"schema":6,"rollout":{"id":"\\ud800"}}',
    b"",
]


@dataclass
class Shelves:
    """A Redis with a live rollout of two services, words and cards of both waiting."""

    server: Server
    connection: RedisClient
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        read_aloud = lambda about, _error: self.failed.append(about)  # noqa: E731  # one line
        self.store, self.outbox = (
            RedisStore(self.connection, failed=read_aloud),
            RedisOutbox(self.connection, failed=read_aloud),
        )
        self.signing = RedisSigning(self.connection, Signer(keys=(b"a key of ours",)), failed=read_aloud)
        self.store.create(rollout(1, service="details"), [entry("one")])
        self.store.create(rollout(2), [entry("two")])

    def of_others(self) -> list[object]:
        """What is delivered of the other service."""
        return [one.entry for one in self.outbox.pending() if one.key == "default/details"]


@pytest.fixture
def shelves(redis_server: Server) -> Iterator[Shelves]:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    yield Shelves(redis_server, connection)
    connection.close()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value[:30]))
def test_a_record_that_is_none_hides_no_other_and_can_be_set_aside(shelves: Shelves, value: bytes) -> None:
    shelves.server.client.set(POISONED.rollout(RolloutId("r2")), value)

    for _ in range(2):
        assert [one.spec.id for one in shelves.store.live()] == ["r1"]
    shelves.store.reindex()

    assert shelves.failed == ["rollout r2 of default/reviews"] * 2
    assert shelves.of_others() == [entry("one"), None]
    assert shelves.store.history("default/reviews") == []
    assert shelves.store.set_aside("default/reviews", RolloutId("r2"))
    assert shelves.store.busy() == {"default/details": "r1"}


@pytest.mark.parametrize("field", ["entry", "revision", "number", "rollout"])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value[:30]))
def test_a_word_that_nobody_can_read_keeps_no_other_waiting(shelves: Shelves, field: str, value: bytes) -> None:
    word: dict[Any, Any] = {"rollout": "r2", "revision": "1", "number": "0", "entry": dump_entry(entry("two"))}
    shelves.server.client.xadd(POISONED.outbox, {**word, field: value})

    found = shelves.outbox.pending()

    assert [one.entry for one in found if one.key == "default/reviews"][:1] == [entry("two")]
    assert [one.entry for one in found if one.key == "default/details"] == [entry("one"), None]
    if field != "rollout":  # any text may be an id, of which no rollout is found then
        assert [about.partition(" ")[0] for about in shelves.failed] == ["notification"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value[:30]))
def test_a_card_of_no_revision_keeps_no_other_waiting(shelves: Shelves, value: bytes) -> None:
    shelves.server.client.hset(POISONED.cards, mapping={"odd": value})

    assert [one.rollout_id for one in shelves.outbox.pending() if one.entry is None] == ["r1", "r2"]
    assert shelves.failed == ["card of odd of default/reviews"]


def test_a_service_that_cannot_be_signed_keeps_no_other_from_being_signed(shelves: Shelves) -> None:
    shelves.server.client.delete(POISONED.history)
    shelves.server.client.rpush(POISONED.history, "not ours")
    shelves.server.client.xadd(POISONED.outbox, {**{f"field {n}": "x" for n in range(5000)}, "entry": "{}"})

    assert shelves.signing.sign_once() >= 2

    assert shelves.failed == ["signing what default/reviews has"]
    text = shelves.server.client.get(WELL.rollout(RolloutId("r1")))
    assert '"signature":"' in str(text)
