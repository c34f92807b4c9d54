"""The bot's own Slack side against the workspace stand-in, over both of Slack's wires; the controller is the real
rules.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from slack_bolt import App

from bot.model.errors import Refusal
from bot.model.rollout import Rollout
from bot.model.service import ApprovalRule
from bot.model.story import Entry, EntryKind
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.client import web_client
from bot.slack.connection import Connection, SocketMode
from bot.slack.delivery import Delivery
from bot.slack.http_mode import PATH, HttpMode
from bot.slack.web_api import Channel
from sandbox.slack import Message, Slack, Workspace
from sandbox.slack.model import View
from tests.builders import a_service
from tests.fakes.controller_port import FakeController

pytestmark = pytest.mark.sandbox

RULE = ApprovalRule(approvers=("@release-managers",))


class Bot:
    """The Slack half of the process: the app, its connection and delivery."""

    def __init__(self, slack: Slack) -> None:
        self.slack = slack
        self.controller = FakeController(a_service(approvals=RULE))
        client = web_client(slack.bot_token, slack.url + "/api/")
        self.approvers = Approvers(client, time.monotonic)
        self.app: App = build_app(
            controller=self.controller,
            client=client,
            approvers=self.approvers,
            clock=self.controller.clock,
            signing_secret=slack.signing_secret,
        )
        self.delivery = Delivery(
            outbox=self.controller.store,
            store=self.controller.store,
            channel=Channel(client, self.controller.clock),
            clock=self.controller.clock,
            mentions=self.approvers.mentions,
            steady=self.controller.clock.now,
        )

    def deliver(self, seconds: int = 8) -> None:
        """What delivery does, as if once a second."""
        for _ in range(seconds):
            self.delivery.deliver()
            self.controller.clock.advance(1)

    def card(self) -> Message:
        """The rollout's card as it reads now."""
        return next(message for message in self.slack.workspace.messages("#releases") if not message.is_reply)

    def asks(self) -> Rollout:
        """The mirror has passed."""
        now = self.controller.clock.now()
        question = Entry(at=now, kind=EntryKind.ASK, text="Shift 20 % of users to v2? 1 approval is needed.")
        return self.controller.change("reviews", question, asked_at=now, evidence=9)


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
    http = HttpMode(bot.app, 0, signing_secret=slack.signing_secret, host="127.0.0.1")
    with connected(http):
        slack.request_url(f"http://127.0.0.1:{http.port}{PATH}")
        yield bot


def test_a_rollout_is_started_approved_and_aborted_from_slack(bot: Bot) -> None:
    slack, controller = bot.slack, bot.controller

    assert slack.command("@lena", "#releases", "start reviews v2").acknowledged
    slack.wait_for(whispered("@lena", "Started reviews v2: the card is below."))
    bot.deliver()
    assert bot.card().text == "reviews 1 → v2: mirroring."

    bot.asks()
    bot.deliver()
    (question,) = slack.workspace.thread("#releases", bot.card().ts)
    group = next(iter(slack.workspace.usergroups))
    assert group in str(question.blocks)

    slack.click("@lena", bot.card(), "canary_approve")
    slack.wait_for(whispered("@lena", "You are not one of the approvers (@release-managers)."))
    slack.click("@omar", bot.card(), "canary_approve")
    controller.wait_until(lambda: controller.live()[0].approvals)
    bot.deliver()
    assert "approved by" in str(bot.card().blocks)

    slack.click("@lena", bot.card(), "canary_abort")
    form = slack.wait_for(lambda workspace: next(iter(workspace.views("@lena")), None))
    slack.submit_view("@lena", form, {"reason": {"value": "it smells"}})
    controller.wait_until(lambda: controller.reasons == ["it smells"] and controller.live()[0].retreat)
    bot.deliver()
    notice = slack.workspace.thread("#releases", bot.card().ts)[-1]
    assert "it smells" in notice.text
    assert notice.broadcast
    assert bot.card().text.startswith("reviews 1 → v2: going back.")


def test_the_start_form_lists_versions_and_stays_open_until_it_says_what_came_of_it(bot: Bot) -> None:
    slack, controller = bot.slack, bot.controller
    controller.deployed = {"reviews": ("v3", "v2")}
    controller.outage = Refusal("reviews v2 was not started.", ["It is *frozen*."])

    assert slack.command("@lena", "#releases", "start reviews").acknowledged
    form = slack.wait_for(shown_to("@lena", "version:reviews"))
    assert slack.submit_view("@lena", form, {"version:reviews": {"value": "v2"}}).acknowledged
    refused = slack.wait_for(shown_to("@lena", "It is *frozen*."))
    controller.outage = None
    assert slack.submit_view("@lena", refused, {}).acknowledged  # with what was chosen before
    slack.wait_for(shown_to("@lena", "Started reviews v2: the card is in"))

    assert [rollout.spec.version for rollout in controller.live()] == ["v2"]
    assert slack.workspace.ephemerals("@lena") == ()


def shown_to(user: str, words: str) -> Callable[[Workspace], View | None]:
    return lambda workspace: next((view for view in workspace.views(user) if words in str(view.blocks)), None)


def test_seven_slow_commands_at_once_are_all_acknowledged(bot: Bot) -> None:
    bot.controller.begin()
    gate = threading.Event()
    bot.controller.before_answer = gate.wait
    try:
        answers = [bot.slack.command("@maya", "#releases", "list") for _ in range(7)]
    finally:
        gate.set()

    assert [answer.acknowledged for answer in answers] == [True] * 7


def test_a_mention_in_the_thread_and_the_home_are_answered(bot: Bot) -> None:
    slack = bot.slack
    bot.controller.begin()
    bot.deliver()

    slack.mention("@maya", "#releases", "<@U0CANARY01> status", thread_ts=bot.card().ts)
    slack.wait_for(lambda workspace: len(workspace.thread("#releases", bot.card().ts)) >= 2)
    slack.open_home("@omar")

    home = slack.wait_for(lambda workspace: workspace.home("@omar"))
    assert "In flight" in str(home.blocks)


# The socket


def test_a_bot_that_starts_while_slack_is_down_connects_when_it_is_back(slack: Slack) -> None:
    bot = Bot(slack)
    slack.faults.down()
    connection = SocketMode(bot.app, slack.app_token, ping_every=0.5)
    with connected(connection):
        assert connection.freshness() is None
        slack.faults.clear()
        slack.wait_for_connections()
        assert slack.command("@maya", "#releases", "help").acknowledged


@pytest.mark.parametrize("fault", ["killed", "deaf", "refreshed"])
def test_a_socket_that_breaks_or_falls_silent_is_replaced(slack: Slack, fault: str) -> None:
    bot = Bot(slack)
    connection = SocketMode(bot.app, slack.app_token, ping_every=0.5)
    with connected(connection):
        slack.wait_for_connections()
        connections = count_opened(slack)
        if fault == "killed":
            slack.kill_sockets()
        elif fault == "refreshed":
            slack.refresh_sockets()
        else:
            slack.faults.deaf()
        wait(lambda: count_opened(slack) > connections)
        slack.faults.clear()
        wait(lambda: slack.command("@maya", "#releases", "help").acknowledged)
        wait(lambda: (fresh := connection.freshness()) is not None and fresh < 5)


def count_opened(slack: Slack) -> int:
    return sum(call.method == "apps.connections.open" for call in slack.calls)


def wait(condition: Callable[[], bool], timeout: float = 15) -> None:
    """For what only the other end of a socket knows."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.05)


def whispered(user: str, text: str) -> Callable[[Workspace], Message | None]:
    """Find what was said to one person alone."""
    return lambda workspace: next((m for m in workspace.ephemerals(user) if m.text == text), None)
