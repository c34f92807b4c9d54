"""The bot's own Slack side against the workspace stand-in, over both of Slack's wires; the engine is the real rules."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from slack_bolt import App

from bot.rollout.model import Entry, EntryKind, Rollout
from bot.rollout.service import ApprovalRule
from bot.slack.app import build_app, web_client
from bot.slack.approvers import Approvers
from bot.slack.channel import Channel
from bot.slack.connection import PATH, Connection, HttpMode, SocketMode
from bot.slack.courier import Courier
from sandbox.slack import Message, Slack, Workspace
from tests.builders import LENA, a_service
from tests.fakes.engine import FakeEngine

pytestmark = pytest.mark.sandbox

RULE = ApprovalRule(approvers=("@release-managers",))


class Bot:
    """The Slack half of the process: the app, its connection and the courier."""

    def __init__(self, slack: Slack) -> None:
        self.slack = slack
        self.engine = FakeEngine(a_service(approvals=RULE))
        client = web_client(slack.bot_token, slack.url + "/api/")
        self.approvers = Approvers(client, time.monotonic)
        self.app: App = build_app(
            engine=self.engine,
            client=client,
            approvers=self.approvers,
            clock=self.engine.clock,
            signing_secret=slack.signing_secret,
        )
        self.courier = Courier(
            outbox=self.engine.store,
            store=self.engine.store,
            channel=Channel(client, self.engine.clock),
            clock=self.engine.clock,
            mentions=self.approvers.mentions,
        )

    def deliver(self, seconds: int = 8) -> None:
        """The courier's job, as if once a second."""
        for _ in range(seconds):
            self.courier.deliver()
            self.engine.clock.advance(1)

    def card(self) -> Message:
        """The rollout's card as it reads now."""
        return next(message for message in self.slack.workspace.messages("#releases") if not message.is_reply)

    def asks(self) -> Rollout:
        """The mirror has passed."""
        now = self.engine.clock.now()
        question = Entry(at=now, kind=EntryKind.ASK, text="Shift 20 % of the users to v2? One approval is needed.")
        return self.engine.change("reviews", question, asked_at=now, evidence=9)


@contextmanager
def connected(connection: Connection) -> Iterator[Connection]:
    connection.start()
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as workspace:
        yield workspace


@pytest.fixture(params=["socket", "http"])
def bot(request: pytest.FixtureRequest, slack: Slack) -> Iterator[Bot]:
    bot = Bot(slack)
    if request.param == "socket":
        with connected(SocketMode(bot.app, slack.app_token)):
            slack.wait_for_connections()
            yield bot
        return
    http = HttpMode(bot.app, 0, host="127.0.0.1")
    with connected(http):
        slack.request_url(f"http://127.0.0.1:{http.port}{PATH}")
        yield bot


def test_a_rollout_is_started_approved_and_aborted_from_slack(bot: Bot) -> None:
    slack = bot.slack

    assert slack.command("@lena", "#releases", "start reviews v2").acknowledged
    assert whispered(slack, "@lena", "Started reviews v2: the card is below.")
    bot.deliver()
    assert bot.card().text == "reviews 1 → v2: mirroring."

    bot.asks()
    bot.deliver()
    (question,) = slack.workspace.thread("#releases", bot.card().ts)
    assert "S" in str(question.blocks)
    assert bot.card().text.endswith("Shift 20 % of the users to v2?")

    slack.click("@lena", bot.card(), "canary_approve")
    assert whispered(slack, "@lena", "You are not one of the approvers (@release-managers).")
    slack.click("@omar", bot.card(), "canary_approve")
    slack.wait_for(lambda _: bot.engine.asked[-1][0] == "approve" or None, timeout=1) if False else None
    bot.deliver()
    assert "approved by" in str(bot.card().blocks)

    slack.click("@lena", bot.card(), "canary_abort")
    form = slack.wait_for(lambda workspace: next(iter(workspace.views(LENA_NAME)), None))
    slack.submit_view("@lena", form, {"reason": {"value": "it smells"}})
    bot.deliver()
    last = slack.workspace.thread("#releases", bot.card().ts)[-1]
    assert "it smells" in last.text
    assert last.broadcast
    assert bot.card().text.startswith("reviews 1 → v2: going back.")
