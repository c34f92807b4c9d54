"""What Bolt makes of its surroundings when ours is built: the environment, and how talkative the process is."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
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


PAYLOADS: dict[str, dict[str, Any]] = {
    "event": {
        "type": "event_callback", "team_id": TEAM, "event_id": "Ev1", "api_app_id": "A1", "authorizations": [],
        "event": {"type": "app_mention", "user": MAYA, "text": "<@U0BOT> help", "channel": "C1", "ts": "1.1"},
    },
    "click": {
        "type": "block_actions", "user": {"id": MAYA, "team_id": TEAM}, "team": {"id": TEAM}, "trigger_id": "t",
        "channel": {"id": "C1", "name": "releases"}, "container": {"message_ts": "1.1"}, "message": {"ts": "1.1"},
        "actions": [{"action_id": "canary_approve", "block_id": "b", "value": "v", "type": "button"}],
        "enterprise": None, "is_enterprise_install": False, "state": {"values": {}}, "response_url": "https://x",
    },
    "form": {
        "type": "view_submission", "user": {"id": MAYA, "team_id": TEAM}, "team": {"id": TEAM}, "trigger_id": "t",
        "view": {"id": "V1", "callback_id": "canary_start", "state": {"values": {}}, "private_metadata": "x"},
        "response_urls": [],
    },
    "shortcut": {
        "type": "shortcut", "callback_id": "canary_start", "user": {"id": MAYA}, "team": {"id": TEAM}, "trigger_id": "t"
    },
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None,
    True,
    7,
    1e308,
    "",
    "x",
    [],
    ["x"],
    [7],
    [[]],
    [{}],
    {},
    {"x": 7},
    {"id": []},
    {"type": []},
)


def spoilt(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The payload with one thing in it that Slack would not say: each field of it, and of what is in it."""
    for name, value in payload.items():
        yield {other: value for other, value in payload.items() if other != name}
        yield from ({**payload, name: odd} for odd in ODD)
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            for one in spoilt(inner):
                yield {**payload, name: [one] if isinstance(value, list) else one}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_is_no_payload_is_refused_without_a_trace(slack: FakeSlack, logged: io.StringIO, payload: str) -> None:
    app = built(slack, FakeController())
    for number, body in enumerate(spoilt(PAYLOADS[payload])):
        fresh = {**body, "event_id": f"Ev{number}"} if "event_id" in body else body
        try:
            request = BoltRequest(mode="socket_mode", body=fresh)
        except (TypeError, AttributeError, ValueError, KeyError):
            continue  # refused at the door (``bot.slack.http_mode``)
        assert app.dispatch(request).status < 500, body
    assert "Traceback" not in logged.getvalue()


def test_a_library_that_sets_its_own_level_is_no_louder_for_it(logged: io.StringIO) -> None:
    library = logging.getLogger("slack_bolt.Made")
    library.setLevel(logging.DEBUG)

    library.debug("payload")
    library.info("that it runs")

    assert "that it runs" in logged.getvalue()
    assert "payload" not in logged.getvalue()
