"""A channel is archived in mid-run: the question is answered where it came instead, over both of Slack's wires."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.slack.channels import Channels
from bot.slack.client import web_client
from bot.slack.connection import SocketMode
from bot.slack.delivery import Delivery
from bot.slack.http_mode import PATH, HttpMode
from bot.slack.web_api import Channel
from sandbox.slack import Message, Slack
from sandbox.slack.model import BOT_USER
from sandbox.slack.scopes import MANIFEST
from tests.sandbox.test_slack_app import Bot, connected

pytestmark = pytest.mark.sandbox


@pytest.fixture(params=["socket", "http"])
def bot(request: pytest.FixtureRequest) -> Iterator[Bot]:
    with Slack(scopes=MANIFEST) as slack:
        bot = Bot(slack)
        client = web_client(slack.bot_token, slack.url + "/api/")
        bot.delivery = Delivery(
            outbox=bot.controller.store,
            store=bot.controller.store,
            channel=Channel(client, bot.controller.clock),
            clock=bot.controller.clock,
            mentions=bot.approvers.mentions,
            people=bot.approvers.people,
            channels=Channels(client, time.monotonic),
            steady=bot.controller.clock.now,
        )
        if request.param == "socket":
            with connected(SocketMode(bot.app, slack.app_token)):
                slack.wait_for_connections()
                yield bot
            return
        http = HttpMode(bot.app, 0, signing_secret=slack.signing_secret, host="127.0.0.1")
        with connected(http):
            slack.request_url(f"http://127.0.0.1:{http.port}{PATH}")
            yield bot


def direct(slack: Slack, user: str) -> list[Message]:
    """What the app wrote to one person, in their conversation."""
    return [message for message in slack.workspace.messages(slack.workspace.user(user).id) if message.user == BOT_USER]


@pytest.mark.parametrize("how", ["archived", "taken out", "made private", "restricted"])
def test_a_question_is_approved_from_the_direct_message_and_the_card_comes_back(bot: Bot, how: str) -> None:
    slack, controller = bot.slack, bot.controller
    controller.begin("reviews", "v2", by=slack.workspace.user("@lena").id)  # type: ignore[arg-type]  # an id
    bot.deliver()
    before = slack.workspace.channel("#releases")
    away = before.members - {BOT_USER}
    slack.workspace.put_channel(
        {
            "archived": replace(before, is_archived=True),
            "taken out": replace(before, members=away),
            "made private": replace(before, members=away, is_private=True),
            "restricted": replace(before, restricted=True),
        }[how]
    )
    bot.asks()
    bot.deliver(20)
    assert [len(direct(slack, user)) for user in ("@lena", "@maya", "@omar")] == [1, 1, 1]
    (question,) = direct(slack, "@omar")
    assert "Shift 20 % of users to v2?" in question.text
    assert "is closed to canary-bot" in str(question.blocks)

    slack.click("@omar", question, "canary_approve")
    controller.wait_until(lambda: controller.live()[0].approvals)

    bot.deliver(20)
    (settled,) = direct(slack, "@maya")
    assert "canary_approve" not in str(settled.blocks)
    assert "approved by" in str(settled.blocks)
    slack.workspace.put_channel(before)
    bot.deliver(70)
    cards = [message for message in slack.workspace.messages("#releases") if not message.is_reply]
    assert "approved by" in str(cards[-1].blocks)
    assert controller.store.pending() == []
