"""What Bolt makes of its surroundings when ours is built: the environment, and how talkative the process is."""

from __future__ import annotations

import io
import logging
import time

from slack_bolt import App, BoltRequest

from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from tests.builders import MAYA
from tests.fakes.controller_port import FakeController
from tests.fakes.slack_client import BOT_USER, TEAM, FakeSlack
from tests.unit.slack.test_listeners import Inline


def built(slack: FakeSlack, controller: FakeController) -> App:
    slack.members = (MAYA,)
    return build_app(
        controller=controller,
        client=slack.client,
        approvers=Approvers(slack.client, time.monotonic),
        clock=controller.clock,
        executor=Inline(),
    )


def command(slack: FakeSlack, text: str) -> BoltRequest:
    body = {"command": "/canary", "text": text, "team_id": TEAM, "user_id": MAYA, "channel_id": "C0RELEASES"}
    return BoltRequest(mode="socket_mode", body={**body, "trigger_id": "t1", "response_url": slack.response_url})


def test_no_payload_is_logged_at_any_level(slack: FakeSlack, logged: io.StringIO) -> None:
    app = built(slack, FakeController())
    ours = {"type": "app_mention", "user": BOT_USER, "text": "secret-word", "channel": "C1", "ts": "1.1"}
    event = {"type": "event_callback", "team_id": TEAM, "event_id": "Ev1", "event": ours}

    app.dispatch(command(slack, "help secret-word"))
    app.dispatch(BoltRequest(mode="socket_mode", body=event))
    app.dispatch(BoltRequest(mode="socket_mode", body={"type": "secret-type", "text": "secret-word"}))
    logging.getLogger("bot").debug("ours")

    assert "ours" in logged.getvalue()
    assert "secret-word" not in logged.getvalue()
    assert "response_url" not in logged.getvalue()


def test_a_library_that_sets_its_own_level_is_no_louder_for_it(logged: io.StringIO) -> None:
    library = logging.getLogger("slack_bolt.Made")
    library.setLevel(logging.DEBUG)

    library.debug("payload")
    library.info("that it runs")

    assert "that it runs" in logged.getvalue()
    assert "payload" not in logged.getvalue()
