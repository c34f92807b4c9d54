"""Law: what one rollout's words or one service's channel or approvers raise ends there; it is counted and told once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bot.model.rollout import RolloutId
from bot.model.service import ApprovalRule
from bot.model.story import Entry
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.channels import Channels
from bot.slack.delivery import Delivery
from bot.slack.web_api import Channel
from bot.words.rendering import plain
from bot.words.sentence import Text
from tests.builders import MAYA, a_service
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import FakeSlack
from tests.fakes.store import InMemoryStore
from tests.unit.slack.test_delivery import Post
from tests.unit.test_containment import Notified, each_error


@each_error
def test_a_rollout_whose_words_cannot_be_made_is_told_of_once_and_the_others_are_said(
    error: Exception, slack: FakeSlack
) -> None:
    class Poisoned(InMemoryStore):
        def story(self, key: str, rollout_id: RolloutId) -> tuple[Entry, ...]:
            if rollout_id == "r-aaa":
                raise error
            return tuple(super().story(key, rollout_id))

    notified, post = Notified(), Post(slack, store=Poisoned())
    post.delivery = Delivery(
        outbox=post.store,
        store=post.store,
        channel=Channel(slack.client, post.clock),
        clock=post.clock,
        steady=post.clock.now,
        failed=notified.failures.item,
    )
    poisoned, other = post.begin("aaa"), post.begin("reviews")
    with capture_logs() as lines:
        post.happen(poisoned, "mirror: on")
        post.happen(other, "shift 20: on")
        post.run(40)

    assert post.lines() == ["shift 20: on"]
    assert notified.counted(f'looks_failed_total{{cause="{type(error).__name__}"}}') >= 2
    assert [line["exc_info"] for line in lines if line["event"] == "item_failed"] == [error]


@each_error
@pytest.mark.parametrize("where", ["group", "channel"])
def test_what_slack_says_of_one_service_hides_nothing_of_the_others(
    error: Exception, where: str, slack: FakeSlack
) -> None:
    class OddGroup(Approvers):
        def wrong(self, name: str) -> Text | None:
            if name == "@odd":
                raise error
            return super().wrong(name)

    class OddChannel(Channels):
        def why(self, channel: str, code: str) -> Text:
            if channel == "#odd":
                raise error
            return super().why(channel, code)

    notified, clock = Notified(), FakeClock()
    services = [
        a_service(name="aaa", channel="#odd" if where == "channel" else "#releases", approvals=_by("@odd", where)),
        a_service(name="reviews", channel="#ops", approvals=_by(MAYA, "")),
    ]
    channels, approvers = OddChannel(slack.client, clock.now), OddGroup(slack.client, clock.now)
    audience = Audience(services, channels, approvers, notified.failures.item)

    with capture_logs() as lines:
        audience.check()
        audience.check()

    assert plain(audience.trouble() or "").startswith("reviews: I see no channel #ops:")
    assert notified.counted(f'looks_failed_total{{cause="{type(error).__name__}"}}') == 2
    told_of = [line for line in lines if line["event"] == "item_failed"]
    assert [(line["about"], line["exc_info"]) for line in told_of] == [("people of aaa", error)]


def _by(name: str, where: str) -> ApprovalRule:
    return ApprovalRule(approvers=(name if where != "channel" else MAYA,))
