"""Keys of ours that somebody else wrote over with another kind of value: one service's trouble, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import connect
from bot.adapters.redis_retention import REFUSED_MOST
from bot.adapters.redis_store import INDEXES, RedisStore
from bot.adapters.serialization import Keys
from bot.model.errors import Fault
from bot.model.rollout import Phase, RolloutId
from tests.contract.conftest import Server, Shelf
from tests.contract.examples import entry, rollout

SPOILED = "default/reviews"
KEYS = Keys(service=SPOILED)
OURS = (
    KEYS.rollout(RolloutId("r2")),
    KEYS.story(RolloutId("r2")),
    KEYS.active,
    KEYS.history,
    KEYS.outbox,
    KEYS.cards,
    KEYS.tries,
    KEYS.fence,
    KEYS.refused,
)


@pytest.fixture(params=["redis", "cluster"])
def spoiled(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    """A Redis with a live rollout of two services, words and cards of both waiting."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    connection = connect(server.url)
    store = RedisStore(connection)
    store.create(rollout(1, service="details"), [entry("one")])
    store.create(rollout(2), [entry("two")])
    yield Shelf(store=store, outbox=RedisOutbox(connection), server=server)
    connection.close()


def put_another_kind(shelf: Shelf, key: str) -> None:
    server = cast("Server", shelf.server)
    other = "list" if server.client.type(key) != "list" else "set"
    server.client.delete(key)
    if other == "list":
        server.client.rpush(key, "not ours")
    else:
        server.client.sadd(key, "not ours")


@pytest.mark.parametrize("key", OURS)
def test_one_key_of_another_kind_keeps_no_other_service_waiting(spoiled: Shelf, key: str) -> None:
    put_another_kind(spoiled, key)

    cast("RedisStore", spoiled.store).reindex()

    assert spoiled.store.busy()["default/details"] == "r1"
    assert "r1" in [one.spec.id for one in spoiled.store.live()]
    notifications = [notification for notification in spoiled.outbox.pending() if notification.key == "default/details"]
    assert [notification.entry for notification in notifications] == [entry("one"), None]
    assert spoiled.outbox.depth() >= len(notifications)


def test_a_live_record_of_another_kind_is_set_aside_as_one_that_cannot_be_read(spoiled: Shelf) -> None:
    put_another_kind(spoiled, KEYS.rollout(RolloutId("r2")))

    assert list(spoiled.store.unreadable(SPOILED)) == ["r2"]
    assert spoiled.store.set_aside(SPOILED, RolloutId("r2"))

    taken = spoiled.store.create(rollout(3), [])
    assert spoiled.store.active(SPOILED) == taken


def test_a_refused_start_of_another_kind_keeps_no_later_one_from_being_filed(spoiled: Shelf) -> None:
    for number in range(3, 3 + REFUSED_MOST):
        spoiled.store.file(rollout(number, phase=Phase.REFUSED), [])
    put_another_kind(spoiled, KEYS.rollout(RolloutId("r3")))

    spoiled.store.file(rollout(3 + REFUSED_MOST, phase=Phase.REFUSED), [])

    kept = cast("Server", spoiled.server).client.zrange(KEYS.history, 0, -1)
    assert ("r3" in kept, f"r{3 + REFUSED_MOST}" in kept) == (False, True)


def test_what_cannot_be_written_says_what_is_wrong_and_what_to_do(spoiled: Shelf) -> None:
    put_another_kind(spoiled, KEYS.active)

    with pytest.raises(Fault, match=r"another kind of value .* delete that key"):
        spoiled.store.create(rollout(3), [])


@pytest.mark.parametrize("index", INDEXES)
def test_an_index_of_another_kind_is_built_again(spoiled: Shelf, index: str) -> None:
    before = spoiled.store.busy(), len(spoiled.outbox.pending())
    put_another_kind(spoiled, index)

    cast("RedisStore", spoiled.store).reindex()

    assert (spoiled.store.busy(), len(spoiled.outbox.pending())) == before
