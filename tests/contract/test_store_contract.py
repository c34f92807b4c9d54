"""What every ``Store`` promises, asked of the fake, of a real Redis and of a real Redis Cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bot.adapters.redis_connection import connect
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import SCHEMA, SERVICES, Keys
from bot.model.errors import Fault, Refusal, Stale, Unreadable
from bot.model.rollout import Phase, RolloutId
from bot.words.rendering import plain
from tests.builders import MAYA
from tests.contract.conftest import Server, Shelf
from tests.contract.examples import entry, rollout
from tests.fakes.store import InMemoryStore


def test_a_created_rollout_is_the_live_one_at_revision_one(shelf: Shelf) -> None:
    created = shelf.store.create(rollout(), [entry("begun")])

    assert created == replace(rollout(), revision=1)
    assert shelf.store.active("default/reviews") == created
    assert shelf.store.load("default/reviews", created.spec.id) == created
    assert list(shelf.store.live()) == [created]
    assert list(shelf.store.story("default/reviews", created.spec.id)) == [entry("begun")]


def test_a_second_live_rollout_of_a_service_is_refused_in_words(shelf: Shelf) -> None:
    first = shelf.store.create(rollout(1), [])

    with pytest.raises(Refusal) as refused:
        shelf.store.create(rollout(2), [entry("begun")])

    assert str(refused.value) == "v2 is already rolling out (mirror). `/canary status reviews`"
    assert list(shelf.store.live()) == [first]
    assert list(shelf.store.story("default/reviews", RolloutId("r2"))) == []


def test_a_refused_rollout_is_filed_beside_the_live_one(shelf: Shelf) -> None:
    live = shelf.store.create(rollout(1), [])

    filed = shelf.store.create(rollout(2, phase=Phase.REFUSED), [entry("not now")])

    assert shelf.store.active("default/reviews") == live
    assert list(shelf.store.history("default/reviews")) == [live]
    assert list(shelf.store.refusals("default/reviews")) == [filed]


def test_a_refused_start_is_kept_for_whoever_looks_it_up_and_nobody_is_notified(shelf: Shelf) -> None:
    filed = shelf.store.file(rollout(2, phase=Phase.REFUSED), [entry("not now")])

    assert list(shelf.store.refusals("default/reviews")) == [filed]
    assert list(shelf.store.story("default/reviews", filed.spec.id)) == [entry("not now")]
    assert list(shelf.outbox.pending()) == []


def test_refused_starts_crowd_no_rollout_out_of_the_history_and_are_not_the_last(shelf: Shelf) -> None:
    first = shelf.store.create(rollout(1, phase=Phase.PROMOTED), [])
    refused = [shelf.store.create(rollout(number, phase=Phase.REFUSED), []) for number in range(2, 27)]
    second = shelf.store.create(rollout(27, phase=Phase.ABORTED), [])
    refused += [shelf.store.create(rollout(number, phase=Phase.REFUSED), []) for number in range(28, 40)]

    assert list(shelf.store.history("default/reviews")) == [second, first]
    assert list(shelf.store.history("default/reviews", 1)) == [second]
    assert list(shelf.store.refusals("default/reviews", 15)) == refused[:-16:-1]


def test_a_record_that_cannot_be_read_is_told_behind_any_number_of_refused_starts(shelf: Shelf) -> None:
    spoilt = shelf.store.create(rollout(1, phase=Phase.ABORTED), [])
    for number in range(2, 20):
        shelf.store.create(rollout(number, phase=Phase.REFUSED), [])
    garble(shelf, spoilt.spec.id, NEWER)

    assert set(shelf.store.unreadable("default/reviews")) == {spoilt.spec.id}


def test_a_change_from_an_old_copy_is_stale_and_writes_nothing(shelf: Shelf) -> None:
    old = shelf.store.create(rollout(), [])
    new = shelf.store.save(replace(old, stage=1), [entry("on")])

    with pytest.raises(Stale):
        shelf.store.save(replace(old, stage=2), [entry("lost")])

    assert shelf.store.active("default/reviews") == new == replace(old, stage=1, revision=2)
    assert list(shelf.store.story("default/reviews", old.spec.id)) == [entry("on")]
    assert [notification.entry for notification in shelf.outbox.pending()] == [entry("on"), None]


def test_a_write_with_an_older_lease_than_the_services_newest_is_refused_and_writes_nothing(shelf: Shelf) -> None:
    first = shelf.store.create(rollout(), [], fence=7)
    second = shelf.store.save(first, fence=7)
    third = shelf.store.save(second, fence=9)

    with pytest.raises(Stale, match="old lease"):
        shelf.store.save(third, [entry("from a replica that leads no more")], fence=8)

    assert shelf.store.active("default/reviews") == third
    assert list(shelf.store.story("default/reviews", first.spec.id)) == []


def test_what_people_ask_for_needs_no_lease_and_a_lease_of_one_service_says_nothing_about_another(shelf: Shelf) -> None:
    led = shelf.store.create(rollout(1, service="reviews"), [], fence=9)
    other = shelf.store.create(rollout(2, service="details"), [], fence=3)

    by_hand = shelf.store.save(led, [entry("paused")])

    assert shelf.store.save(by_hand, fence=9).revision == 3
    assert shelf.store.save(other, fence=3).revision == 2


def test_a_rollout_that_was_never_created_cannot_be_saved(shelf: Shelf) -> None:
    with pytest.raises(Stale):
        shelf.store.save(replace(rollout(), revision=3))

    assert shelf.store.active("default/reviews") is None


def test_of_many_writers_with_the_same_copy_one_wins(shelf: Shelf) -> None:
    copy = shelf.store.create(rollout(), [])

    def write(number: int) -> bool:
        try:
            shelf.store.save(replace(copy, evidence=number), [entry(f"writer {number}")])
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(1 if shelf.server is None else 8) as pool:
        won = list(pool.map(write, range(1, 17)))

    assert won.count(True) == 1
    assert len(shelf.store.story("default/reviews", copy.spec.id)) == 1


def test_an_ended_rollout_frees_its_service_and_stays_in_its_history(shelf: Shelf) -> None:
    first = shelf.store.create(rollout(1), [])
    ended = shelf.store.save(replace(first, phase=Phase.PROMOTED, ended_at=1.0))

    assert shelf.store.active("default/reviews") is None
    assert list(shelf.store.live()) == []
    second = shelf.store.create(rollout(2), [])
    assert list(shelf.store.history("default/reviews")) == [second, ended]
    assert list(shelf.store.history("default/reviews", limit=1)) == [second]


def test_live_rollouts_of_all_services_come_oldest_first(shelf: Shelf) -> None:
    third = shelf.store.create(rollout(3, service="details"), [])
    first = shelf.store.create(rollout(1, service="reviews"), [])
    second = shelf.store.create(rollout(2, service="ratings"), [])

    assert list(shelf.store.live()) == [first, second, third]


def test_some_of_the_live_rollouts_are_read_by_their_services(shelf: Shelf) -> None:
    reviews = shelf.store.create(rollout(1, service="reviews"), [])
    ratings = shelf.store.create(rollout(2, service="ratings"), [])
    details = shelf.store.create(rollout(3, service="details"), [])
    shelf.store.save(replace(details, phase=Phase.ABORTED))

    busy = shelf.store.busy()

    assert busy == {reviews.key: reviews.spec.id, ratings.key: ratings.spec.id}
    assert list(shelf.store.live({ratings.key: ratings.spec.id})) == [ratings]
    assert list(shelf.store.live({details.key: details.spec.id})) == []
    assert list(shelf.store.live({})) == []


def test_what_another_process_has_written_since_is_what_is_read(redis_server: Server) -> None:
    redis_server.client.flushall()
    store, other = RedisStore(connect(redis_server.url)), RedisStore(connect(redis_server.url))
    ours = store.create(rollout(), [])
    assert list(store.live()) == [ours]

    theirs = other.save(replace(ours, paused_by=MAYA))

    assert list(store.live()) == [theirs]


def test_what_is_not_there_is_none_or_empty(shelf: Shelf) -> None:
    assert shelf.store.active("default/reviews") is None
    assert shelf.store.load("default/reviews", RolloutId("r9")) is None
    assert list(shelf.store.story("default/reviews", RolloutId("r9"))) == []
    assert list(shelf.store.history("default/reviews")) == []
    assert list(shelf.store.live()) == []


def test_a_write_repeated_after_a_lost_answer_is_written_once(redis_server: Server) -> None:
    """The connection is tried twice: the first try may have been heard although its answer was not."""
    redis_server.client.flushall()
    store = RedisStore(connect(redis_server.url))
    copy = store.create(rollout(), [])

    assert store.save(copy, [entry("once")]) == store.save(copy, [entry("once")])

    assert list(store.story("default/reviews", copy.spec.id)) == [entry("once")]


def test_one_unreadable_rollout_does_not_hide_the_others(redis_server: Server) -> None:
    redis_server.client.flushall()
    store = RedisStore(connect(redis_server.url))
    newer = store.create(rollout(1, service="details"), [])
    kept = store.create(rollout(2), [])
    name = Keys(service=newer.key).rollout(newer.spec.id)
    document = str(redis_server.client.get(name))
    redis_server.client.set(name, document.replace(f'{{"schema":{SCHEMA},', f'{{"schema":{SCHEMA + 1},'))

    assert list(store.live()) == [kept]
    with pytest.raises(Fault, match=rf"holds rollout r1 in schema {SCHEMA + 1}, written by a newer canary-bot"):
        store.active(newer.key)


def test_a_lost_index_is_rebuilt(redis_server: Server) -> None:
    redis_server.client.flushall()
    store = RedisStore(connect(redis_server.url))
    live = store.create(rollout(), [])
    redis_server.client.delete(SERVICES)

    store.reindex()

    assert list(store.live()) == [live]


def test_a_redis_that_cannot_be_reached_is_a_fault_without_the_password() -> None:
    store = RedisStore(connect("redis://:hunter2@127.0.0.1:1/0"))

    with pytest.raises(Fault) as fault:
        store.ping()

    assert str(fault.value) == "Redis: cannot be reached."


# Records that cannot be read

NEWER = '{"schema": 99, "rollout": {"id": "r2", "revision": 7}}'
BROKEN = (NEWER, "{", "7", '{"schema": 2, "rollout": {}}', '{"rollout": []}')


def garble(shelf: Shelf, rollout_id: str, text: str, key: str = "default/reviews") -> None:
    if isinstance(shelf.store, InMemoryStore):
        shelf.store.garbled[RolloutId(rollout_id)] = "holds a rollout that cannot be read."
    else:
        assert shelf.server is not None
        shelf.server.client.set(Keys(service=key).rollout(RolloutId(rollout_id)), text)


@pytest.mark.parametrize("text", BROKEN)
def test_a_record_that_cannot_be_read_hides_no_other_and_is_told(shelf: Shelf, text: str) -> None:
    filed = [shelf.store.create(rollout(n, phase=Phase.ABORTED), []) for n in (1, 2, 3)]
    garble(shelf, "r2", text)

    assert list(shelf.store.history("default/reviews")) == [filed[2], filed[0]]
    assert list(shelf.store.unreadable("default/reviews")) == ["r2"]
    assert all(plain(why).startswith("holds ") for why in shelf.store.unreadable("default/reviews").values())
    assert shelf.store.unreadable("default/reviews", 1) == {}


@pytest.mark.parametrize("text", BROKEN)
def test_a_live_record_that_cannot_be_read_keeps_no_other_service_waiting(shelf: Shelf, text: str) -> None:
    other = shelf.store.create(rollout(1, service="details"), [])
    shelf.store.create(rollout(2), [])
    garble(shelf, "r2", text)

    assert shelf.store.busy() == {"default/details": "r1", "default/reviews": "r2"}
    assert list(shelf.store.live()) == [other]
    assert list(shelf.store.live(shelf.store.busy())) == [other]
    with pytest.raises(Unreadable, match=r"cannot be read|written by a newer"):
        shelf.store.active("default/reviews")
    with pytest.raises(Unreadable):
        shelf.store.load("default/reviews", RolloutId("r2"))
    with pytest.raises((Refusal, Unreadable)):
        shelf.store.create(rollout(3), [])


@pytest.mark.parametrize("text", BROKEN)
def test_a_service_is_freed_of_a_live_record_that_cannot_be_read(shelf: Shelf, text: str) -> None:
    shelf.store.create(rollout(2), [entry("begun")])
    garble(shelf, "r2", text)

    assert not shelf.store.set_aside("default/reviews", RolloutId("r1"))
    assert shelf.store.set_aside("default/reviews", RolloutId("r2"))
    assert not shelf.store.set_aside("default/reviews", RolloutId("r2"))

    assert (shelf.store.busy(), shelf.store.active("default/reviews")) == ({}, None)
    taken = shelf.store.create(rollout(3), [])
    assert shelf.store.active("default/reviews") == taken
    assert list(shelf.store.unreadable("default/reviews")) == ["r2"]
    assert list(shelf.store.story("default/reviews", RolloutId("r2"))) == [entry("begun")]


def test_a_line_of_a_story_that_cannot_be_read_hides_no_other(redis_server: Server) -> None:
    redis_server.client.flushall()
    store = RedisStore(connect(redis_server.url))
    live = store.create(rollout(), [entry("begun")])
    redis_server.client.xadd(Keys(service=live.key).story(live.spec.id), {"entry": "{"})
    store.save(live, [entry("on")])

    begun, unknown, on = store.story(live.key, live.spec.id)

    assert (begun.text, on.text) == ("begun", "on")
    assert plain(unknown.text).startswith("Redis holds a line of a story that cannot be read")
    assert unknown.at > 1_700_000_000


def test_a_live_record_that_can_be_read_is_not_set_aside(redis_server: Server) -> None:
    redis_server.client.flushall()
    store = RedisStore(connect(redis_server.url))
    live = store.create(rollout(), [])

    assert not store.set_aside("default/reviews", live.spec.id)
    assert store.active("default/reviews") == live


def test_a_record_holds_what_its_rollout_has_whatever_was_written_for_it_before(shelf: Shelf) -> None:
    created = shelf.store.create(rollout(), [])

    other = replace(created, spec=replace(created.spec, version="v3"))
    saved = shelf.store.save(other)
    again = shelf.store.save(replace(saved, reason="said since"))

    assert shelf.store.load("default/reviews", created.spec.id) == again
    assert again.spec.version == "v3"
