"""What every ``Freezes`` promises, asked of the fake, of a real Redis and of a real Redis Cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bot.adapters.redis_connection import connect
from bot.adapters.redis_freezes import FREEZE, RedisFreezes
from bot.adapters.serialization import FREEZES, FREEZES_STORY, dump_freeze
from bot.controller.ports import Freezes
from bot.model.errors import Fault
from bot.model.freeze import ALL, FreezeAction, FreezeLine
from tests.builders import LENA, MAYA, OMAR, a_freeze
from tests.contract.conftest import Server
from tests.fakes.freezes import InMemoryFreezes

NOW = 1000.5


@pytest.fixture(params=["memory", "redis", "cluster"])
def freezes(request: pytest.FixtureRequest) -> Iterator[Freezes]:
    if request.param == "memory":
        yield InMemoryFreezes()
        return
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    connection = connect(server.url)
    yield RedisFreezes(connection)
    connection.close()


def test_nothing_is_frozen_at_first(freezes: Freezes) -> None:
    assert list(freezes.current(NOW)) == []
    assert list(freezes.story()) == []


def test_what_is_frozen_is_told_as_it_was_said_all_services_first(freezes: Freezes) -> None:
    reviews = a_freeze("reviews", until=NOW + 0.25, reason='database "migration" <!channel> \u2014 100 %')
    details, everything = a_freeze("details", by=LENA), a_freeze(ALL, by=OMAR)

    assert [freezes.freeze(one) for one in (reviews, details, everything)] == [None, None, None]

    assert list(freezes.current(NOW)) == [everything, details, reviews]


def test_a_second_freeze_of_the_same_replaces_the_first_and_tells_it(freezes: Freezes) -> None:
    first, second = a_freeze(until=NOW + 60), a_freeze(since=NOW + 1, by=OMAR, reason="not yet")
    freezes.freeze(first)

    assert freezes.freeze(second) == first
    assert list(freezes.current(NOW)) == [second]


def test_what_was_over_is_not_told_as_replaced(freezes: Freezes) -> None:
    freezes.freeze(a_freeze(until=NOW + 60))

    assert freezes.freeze(a_freeze(since=NOW + 60)) is None


def test_a_freeze_is_over_at_its_time_and_is_forgotten_but_for_its_story(freezes: Freezes) -> None:
    short, long = a_freeze("reviews", until=NOW + 60), a_freeze("details")
    freezes.freeze(short)
    freezes.freeze(long)
    assert list(freezes.current(NOW + 59.9)) == [long, short]

    assert list(freezes.current(NOW + 60)) == [long]
    assert list(freezes.current(NOW)) == [long]  # gone for good
    assert [line.action for line in freezes.story()] == [FreezeAction.FROZE, FreezeAction.FROZE]


def test_an_ended_freeze_is_gone_and_the_story_says_who_ended_it(freezes: Freezes) -> None:
    reviews, everything = a_freeze("reviews"), a_freeze(ALL)
    freezes.freeze(reviews)
    freezes.freeze(everything)

    assert freezes.unfreeze(reviews, by=OMAR, now=NOW + 5)

    assert list(freezes.current(NOW + 5)) == [everything]
    assert list(freezes.story()) == [
        FreezeLine(at=NOW, by=MAYA, action=FreezeAction.FROZE, freeze=reviews),
        FreezeLine(at=NOW, by=MAYA, action=FreezeAction.FROZE, freeze=everything),
        FreezeLine(at=NOW + 5, by=OMAR, action=FreezeAction.UNFROZE, freeze=reviews),
    ]


@pytest.mark.parametrize("changed", [{"reason": "another"}, {"by": OMAR}, {"until": NOW + 60}, {"since": NOW + 1}])
def test_only_the_freeze_that_was_seen_is_ended(freezes: Freezes, changed: dict[str, object]) -> None:
    seen = a_freeze()
    freezes.freeze(seen)
    newer = replace(seen, **changed)  # type: ignore[arg-type]  # one field of any type
    freezes.freeze(newer)

    assert not freezes.unfreeze(seen, by=MAYA, now=NOW + 5)

    assert list(freezes.current(NOW)) == [newer]
    assert [line.action for line in freezes.story()] == [FreezeAction.FROZE, FreezeAction.FROZE]


def test_what_is_not_frozen_cannot_be_ended(freezes: Freezes) -> None:
    assert not freezes.unfreeze(a_freeze(), by=MAYA, now=NOW)
    assert list(freezes.story()) == []


def test_a_write_repeated_after_a_lost_answer_is_one_line(freezes: Freezes) -> None:
    """The connection is tried twice: the first try may have been heard although its answer was not."""
    freeze = a_freeze()

    assert [freezes.freeze(freeze), freezes.freeze(freeze)] == [None, None]
    assert [freezes.unfreeze(freeze, by=OMAR, now=NOW + 5) for _ in range(2)] == [True, True]

    assert [line.action for line in freezes.story()] == [FreezeAction.FROZE, FreezeAction.UNFROZE]


@pytest.mark.parametrize("kind", ["redis", "cluster"])
def test_of_many_replicas_that_end_one_freeze_one_does(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    server.client.flushall()
    freeze = a_freeze()
    RedisFreezes(connect(server.url)).freeze(freeze)

    def end(number: int) -> bool:
        return RedisFreezes(connect(server.url)).unfreeze(freeze, by=MAYA, now=NOW + number)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(end, range(8))).count(True) == 1
    assert server.client.xlen(FREEZES_STORY) == 2


def test_what_is_over_is_not_cleaned_away_when_it_has_just_been_replaced(redis_server: Server) -> None:
    redis_server.client.flushall()
    over, newer = a_freeze(until=NOW + 1), a_freeze(since=NOW + 2)

    class Replaced:
        """A link whose readers are always a moment late."""

        def hgetall(self, name: str) -> dict[str, str]:
            found: dict[str, str] = connection.hgetall(name)
            RedisFreezes(connection).freeze(newer)
            return found

        def __getattr__(self, name: str) -> object:
            return getattr(connection, name)

    connection = connect(redis_server.url)
    RedisFreezes(connection).freeze(over)

    assert list(RedisFreezes(Replaced()).current(NOW + 2)) == []  # type: ignore[arg-type]  # the rest is the link's
    assert list(RedisFreezes(connection).current(NOW + 2)) == [newer]


def test_a_freeze_that_a_newer_version_wrote_can_be_read_and_ended(redis_server: Server) -> None:
    redis_server.client.flushall()
    freezes, freeze = RedisFreezes(connect(redis_server.url)), a_freeze()
    redis_server.client.hset(FREEZES, freeze.scope, dump_freeze(freeze).replace("{", '{"approved":[],', 1))

    assert list(freezes.current(NOW)) == [freeze]
    assert freezes.unfreeze(freeze, by=MAYA, now=NOW)
    assert list(freezes.current(NOW)) == []


def test_what_cannot_be_read_is_a_fault_that_says_what_to_do(redis_server: Server) -> None:
    redis_server.client.flushall()
    redis_server.client.hset(FREEZES, "reviews", '{"scope": "reviews"}')

    with pytest.raises(Fault, match=r"wrong or missing by, reason, since and until. Delete that field of the hash"):
        RedisFreezes(connect(redis_server.url)).current(NOW)


def test_a_redis_that_cannot_be_reached_is_a_fault() -> None:
    freezes = RedisFreezes(connect("redis://127.0.0.1:1/0"))
    calls = [
        lambda: freezes.current(NOW),
        lambda: freezes.freeze(a_freeze()),
        lambda: freezes.unfreeze(a_freeze(), by=MAYA, now=NOW),
        freezes.story,
    ]

    for call in calls:
        with pytest.raises(Fault, match="cannot be reached"):
            call()


def test_both_keys_are_in_one_slot(cluster_server: Server) -> None:
    assert "KEYS[2]" in FREEZE
    slots = {cluster_server.client.execute_command("CLUSTER KEYSLOT", key) for key in (FREEZES, FREEZES_STORY)}  # type: ignore[no-untyped-call]  # redis's
    assert len(slots) == 1
