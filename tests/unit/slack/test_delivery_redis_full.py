"""What people see while Redis can be read and takes no writes: nothing twice."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from bot.model.errors import Fault
from bot.model.rollout import Phase
from bot.model.story import Entry, EntryKind
from bot.slack.delivery import Delivery
from bot.slack.web_api import Channel
from tests.builders import a_rollout
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import FakeSlack
from tests.fakes.store import InMemoryStore

FULL = Fault("Redis", "has no memory left for writes.")


def deliver(delivery: Delivery, clock: FakeClock, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(Fault):  # as the scheduler does: the next run comes
            delivery.deliver()
        clock.advance(1)


def test_while_redis_takes_no_writes_a_rollout_gets_one_card_and_not_one_each_second(slack: FakeSlack) -> None:
    store, clock = InMemoryStore(), FakeClock()
    delivery = Delivery(outbox=store, store=store, channel=Channel(slack.client, clock), clock=clock, steady=clock.now)
    entry = Entry(at=clock.now(), kind=EntryKind.HELD, text="mirror: on")
    rollout = store.create(replace(a_rollout(), phase=Phase.MIRRORING), (entry,))
    store.full = FULL
    deliver(delivery, clock, times=10)
    store.full = None
    deliver(delivery, clock, times=200)

    posts = slack.said("chat.postMessage")
    assert [post for post in posts if "thread_ts" not in post] == posts[:1]
    assert store.card(rollout.key, rollout.spec.id) is not None
    assert store.pending() == []
