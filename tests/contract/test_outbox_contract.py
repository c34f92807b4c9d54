"""What every ``Outbox`` promises, asked of the fake, of a real Redis and of a real Redis Cluster."""

from __future__ import annotations

import pytest

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_link import connect
from bot.controller.ports import CardRef
from bot.rollout.errors import Fault
from bot.rollout.model import RolloutId
from tests.contract.conftest import Shelf
from tests.contract.examples import entry, rollout


def test_every_change_posts_its_entries_and_then_the_card(shelf: Shelf) -> None:
    created = shelf.store.create(rollout(), [entry("one"), entry("two")])
    shelf.store.save(created)

    letters = shelf.outbox.pending()

    assert [(letter.revision, letter.entry) for letter in letters] == [
        (1, entry("one")),
        (1, entry("two")),
        (1, None),
        (2, None),
    ]
    assert {(letter.key, letter.rollout_id) for letter in letters} == {("default/reviews", "r1")}


def test_a_delivered_letter_is_gone_and_the_others_keep_their_order(shelf: Shelf) -> None:
    shelf.store.create(rollout(), [entry("one"), entry("two"), entry("three")])
    first, second, *rest = shelf.outbox.pending()

    shelf.outbox.done([second])
    shelf.outbox.done([second])  # delivering is repeated after a crash; forgetting may be too

    assert list(shelf.outbox.pending()) == [first, *rest]


def test_a_service_with_many_letters_keeps_no_other_waiting(shelf: Shelf) -> None:
    shelf.store.create(rollout(1, service="details"), [entry(str(number)) for number in range(20)])
    shelf.store.create(rollout(2, service="reviews"), [entry("mine")])

    texts = [letter.entry.text for letter in shelf.outbox.pending(limit=4) if letter.entry]

    assert texts == ["0", "mine", "1"]


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
