"""What every ``Outbox`` promises, asked of the fake, of a real Redis and of a real Redis Cluster."""

from __future__ import annotations

import pytest

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import connect
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import CARDS, WORDS
from bot.controller.ports import CardRef
from bot.model.errors import Fault
from bot.model.rollout import RolloutId
from tests.contract.conftest import Server, Shelf
from tests.contract.examples import entry, rollout


def test_every_entry_is_a_notification_and_the_card_has_one_however_often_it_changes(shelf: Shelf) -> None:
    created = shelf.store.create(rollout(), [entry("one"), entry("two")])
    shelf.store.save(created)

    notifications = shelf.outbox.pending()

    assert [(notification.revision, notification.number, notification.entry) for notification in notifications] == [
        (1, 0, entry("one")),
        (1, 1, entry("two")),
        (2, 0, None),
    ]
    assert {(notification.key, notification.rollout_id) for notification in notifications} == {
        ("default/reviews", "r1")
    }


def test_the_depth_counts_every_notification_that_waits_and_no_other(shelf: Shelf) -> None:
    assert shelf.outbox.depth() == 0
    first = shelf.store.create(rollout(1, service="reviews"), [entry(str(number)) for number in range(150)])
    shelf.store.save(first)
    shelf.store.create(rollout(2, service="details"), [entry("one")])

    assert shelf.outbox.depth() == 150 + 1 + 2  # words, and a card each

    shelf.outbox.done(shelf.outbox.pending(100))
    assert shelf.outbox.depth() == 51
    while notifications := shelf.outbox.pending():
        shelf.outbox.done(notifications)
    assert shelf.outbox.depth() == 0


def test_a_card_that_changed_while_it_was_shown_stays_out_of_date(shelf: Shelf) -> None:
    created = shelf.store.create(rollout(), [])
    shown = shelf.outbox.pending()
    shelf.store.save(created)

    shelf.outbox.done(shown)
    assert [notification.revision for notification in shelf.outbox.pending()] == [2]

    shelf.outbox.done(shelf.outbox.pending())
    assert list(shelf.outbox.pending()) == []


def test_cards_that_have_been_out_of_date_for_longest_come_first(shelf: Shelf) -> None:
    first = shelf.store.create(rollout(1, service="reviews"), [])
    second = shelf.store.create(rollout(2, service="details"), [])
    shown = shelf.outbox.pending()
    shelf.store.save(first)
    shelf.store.save(second)

    assert [notification.rollout_id for notification in shelf.outbox.pending()] == ["r1", "r2"]
    shelf.outbox.done(shown[:1])  # it has changed meanwhile: its turn is over, its notification is not

    assert [notification.rollout_id for notification in shelf.outbox.pending()] == ["r2", "r1"]


def test_cards_that_cannot_be_shown_for_now_let_others_pass_and_are_not_forgotten(shelf: Shelf) -> None:
    for number, service in enumerate(("details", "ratings", "reviews"), start=1):
        shelf.store.create(rollout(number, service=service), [])
    first, second, third = shelf.outbox.pending()

    shelf.outbox.postpone([first, second])
    assert [notification.rollout_id for notification in shelf.outbox.pending()] == ["r3", "r1", "r2"]

    shelf.outbox.done([first])
    shelf.outbox.postpone([first, third])  # what was shown meanwhile does not come back
    shelf.outbox.postpone([])
    assert [notification.rollout_id for notification in shelf.outbox.pending()] == ["r2", "r3"]


def test_tries_to_post_a_notification_are_counted_until_their_outcome_is_known(shelf: Shelf) -> None:
    shelf.store.create(rollout(), [entry("one")])
    word, card = shelf.outbox.pending()

    for notification, count in ((word, 1), (word, 2), (word, 2), (card, 1)):
        shelf.outbox.note_tries(notification, count)
    assert [shelf.outbox.tries(word), shelf.outbox.tries(card)] == [2, 1]

    shelf.outbox.done([word])
    shelf.outbox.remember_card("default/reviews", RolloutId("r1"), CardRef(channel="C0", ts="1.0"))
    assert [shelf.outbox.tries(word), shelf.outbox.tries(card)] == [0, 0]


def test_that_people_were_told_a_notification_is_known_until_it_is_delivered(shelf: Shelf) -> None:
    shelf.store.create(rollout(), [entry("one"), entry("two")])
    first, second, _ = shelf.outbox.pending()

    shelf.outbox.note_notified(first)
    shelf.outbox.note_notified(first)
    shelf.outbox.note_tries(second, 1)

    assert [shelf.outbox.notified(notification) for notification in (first, second)] == [True, False]
    assert [shelf.outbox.tries(notification) for notification in (first, second)] == [0, 1]
    assert len(shelf.outbox.pending()) == 3  # the channel has not got it yet
    shelf.outbox.done([first])
    assert not shelf.outbox.notified(first)


def test_notifications_whose_place_in_the_index_was_lost_are_found_again(redis_server: Server) -> None:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    store, outbox = RedisStore(connection), RedisOutbox(connection)
    store.create(rollout(), [entry("one")])
    redis_server.client.delete(WORDS, CARDS)
    assert list(outbox.pending()) == []

    store.reindex()

    assert [notification.id.partition(":")[0] for notification in outbox.pending()][1:] == ["card"]
    assert len(outbox.pending()) == 2


def test_asking_a_thousand_quiet_services_asks_none_of_them(redis_server: Server) -> None:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    store, outbox = RedisStore(connection), RedisOutbox(connection)
    for number in range(50):
        store.create(rollout(number, service=f"s{number}"), [entry("one")])
    outbox.done(outbox.pending(1000))
    outbox.pending(1000)
    before = redis_server.client.info("commandstats")

    assert list(outbox.pending(1000)) == []

    after = redis_server.client.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name: count for name, count in calls.items() if count} == {
        "cmdstat_smembers": 1,
        "cmdstat_zrange": 1,
        "cmdstat_info": 1,
    }


def test_a_delivered_notification_is_gone_and_the_others_keep_their_order(shelf: Shelf) -> None:
    shelf.store.create(rollout(), [entry("one"), entry("two"), entry("three")])
    first, second, *rest = shelf.outbox.pending()
    assert len(rest) == 2

    shelf.outbox.done([second])
    shelf.outbox.done([second])  # delivering is repeated after a crash; forgetting may be too

    assert list(shelf.outbox.pending()) == [first, *rest]


def test_a_service_with_many_notifications_keeps_no_other_waiting(shelf: Shelf) -> None:
    shelf.store.create(rollout(1, service="details"), [entry(str(number)) for number in range(20)])
    shelf.store.create(rollout(2, service="reviews"), [entry("mine")])

    texts = [notification.entry.text for notification in shelf.outbox.pending(limit=4) if notification.entry]

    assert texts == ["0", "mine", "1", "2"]


def test_done_and_pending_are_content_with_nothing(shelf: Shelf) -> None:
    shelf.outbox.done([])

    assert list(shelf.outbox.pending()) == []


def test_the_place_of_a_card_is_remembered_for_its_rollout(shelf: Shelf) -> None:
    here = CardRef(channel="C0RELEASES", ts="1750000000.000100")

    assert shelf.outbox.card("default/reviews", RolloutId("r1")) is None
    shelf.outbox.remember_card("default/reviews", RolloutId("r1"), here)

    assert shelf.outbox.card("default/reviews", RolloutId("r1")) == here
    assert shelf.outbox.card("default/reviews", RolloutId("r2")) is None


def test_an_outbox_that_cannot_be_reached_is_a_fault() -> None:
    with pytest.raises(Fault, match="Redis: cannot be reached"):
        RedisOutbox(connect("redis://127.0.0.1:1/0")).pending()
