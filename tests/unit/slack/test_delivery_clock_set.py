"""Somebody sets the clock on the wall while words wait: no patience is over that nobody has had, and none is longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bot.model.story import EntryKind
from bot.slack.approvers import People
from bot.slack.channels import Channels
from bot.slack.delivery import KEPT_FOR, Delivery
from bot.slack.web_api import Channel
from tests.builders import LENA, OMAR
from tests.fakes.clock import FakeClock
from tests.unit.slack.test_delivery import POST, UPDATE
from tests.unit.slack.test_direct import Direct, Workspace


@dataclass
class Wall:
    """The clock on the wall, which may be set."""

    true: FakeClock
    ahead: float = 0.0

    def now(self) -> float:
        return self.true.now() + self.ahead


@dataclass
class Post(Direct):
    """A delivery whose pauses go by a stopwatch and whose entries bear the time of the wall."""

    wall: Wall = field(init=False)

    def a_delivery(self) -> Delivery:
        self.wall = Wall(self.clock)
        return Delivery(
            outbox=self.store,
            store=self.store,
            channel=Channel(self.slack.client, self.wall),
            clock=self.wall,
            people=lambda rule: self.people if rule.approvers else People(()),
            channels=Channels(self.slack.client, self.clock.now),
            steady=self.clock.now,
        )


@pytest.fixture
def post() -> Iterator[Post]:
    with Workspace() as slack:
        yield Post(slack)


def test_a_line_that_slack_did_not_take_yet_is_said_although_the_clock_is_set_forward(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(POST, times=2)
    post.happen(rollout, "Aborted at mirror: errors.", kind=EntryKind.ABORTING)
    post.run(1)
    post.wall.ahead = KEPT_FOR
    post.run(400)

    assert post.lines() == ["Aborted at mirror: errors."] * 3


def test_words_for_a_closed_channel_are_kept_although_the_clock_is_set_forward(post: Post) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "Aborted at mirror: errors.", kind=EntryKind.ABORTING)
    post.run(1)
    post.wall.ahead = KEPT_FOR
    post.run(120)
    post.slack.forget()
    post.open()
    post.run(65)

    assert post.lines() == ["Aborted at mirror: errors."]


def test_a_question_waits_no_longer_for_its_buttons_where_the_clock_is_set_back(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(UPDATE, "ratelimited", status=429, retry_after=60)
    post.happen(rollout, "Approve?", kind=EntryKind.ASK)
    post.wall.ahead = -KEPT_FOR
    post.run(15)

    assert post.lines() == ["Approve?"]


def test_a_group_that_slack_does_not_tell_of_yet_is_told_although_the_clock_is_set_forward(post: Post) -> None:
    rollout = post.begun(OMAR)
    post.people = People((OMAR,), whole=False)
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(1)
    post.wall.ahead = KEPT_FOR - 1
    post.run(5)

    post.people = People((OMAR, LENA))
    post.run(60)
    assert len(post.notified(LENA)) == 1
