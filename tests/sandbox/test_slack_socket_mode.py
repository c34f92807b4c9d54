"""A real Bolt app on Socket Mode against the workspace: what it sends is seen, what people do arrives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import websocket
from slack_bolt import Ack, App, Respond
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from sandbox.slack import Slack

CARD: list[dict[str, Any]] = [
    {"type": "header", "text": {"type": "plain_text", "text": "reviews v1 → v2"}},
    {
        "type": "actions",
        "block_id": "gate:r1",
        "elements": [
            {
                "type": "button",
                "action_id": "canary_approve",
                "style": "primary",
                "value": "r1:mirror:1",
                "text": {"type": "plain_text", "text": "Approve"},
            }
        ],
    },
]
FORM = {
    "type": "modal",
    "callback_id": "canary_abort_reason",
    "title": {"type": "plain_text", "text": "Abort canary"},
    "submit": {"type": "plain_text", "text": "Abort"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Why"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


def build_app(slack: Slack, clicks: list[dict[str, Any]]) -> App:
    app = App(client=WebClient(base_url=slack.url + "/api/", token=slack.bot_token), token_verification_enabled=False)

    @app.command("/canary")
    def command(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        if body["text"] == "sulk":
            return
        if body["text"] == "form":
            ack()
            client.views_open(trigger_id=body["trigger_id"], view=FORM)
            return
        ack(f"Heard: {body['text']}")

    @app.action("canary_approve")
    def approve(ack: Ack, body: dict[str, Any], respond: Respond) -> None:
        ack()
        clicks.append(body)
        respond("Thank you.", replace_original=False)

    @app.view("canary_abort_reason")
    def submitted(ack: Ack, view: dict[str, Any]) -> None:
        reason = view["state"]["values"]["reason"]["text"]["value"]
        if reason == "because":
            ack(response_action="errors", errors={"reason": "Say what users saw."})
        else:
            ack()

    @app.event("app_mention")
    def mentioned(event: dict[str, Any], client: WebClient) -> None:
        client.chat_postMessage(channel=event["channel"], thread_ts=event["ts"], text="All quiet.")

    return app


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as workspace:
        yield workspace


@pytest.fixture
def clicks() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def app(slack: Slack, clicks: list[dict[str, Any]]) -> Iterator[App]:
    app = build_app(slack, clicks)
    handler = SocketModeHandler(app, slack.app_token, ping_interval=1)
    handler.connect()  # type: ignore[no-untyped-call]  # slack_bolt leaves it untyped
    slack.wait_for_connections(1)
    yield app
    # websocket-client sleeps up to ten seconds when it is closed from another thread, so its peer goes first.
    gone = threading.Event()
    handler.client.on_close_listeners.append(lambda _: gone.set())
    handler.client.auto_reconnect_enabled = False
    slack.kill_sockets()
    gone.wait(5)
    handler.close()  # type: ignore[no-untyped-call]  # slack_bolt leaves it untyped


@pytest.mark.usefixtures("app")
def test_a_command_is_acknowledged_and_its_answer_seen_by_one_person_only(slack: Slack) -> None:
    delivery = slack.command("@maya", "#releases", "start reviews v2 for @omar")

    assert delivery.acknowledged
    seen = slack.wait_for(lambda workspace: workspace.ephemerals("@maya"))
    assert seen[0].text == "Heard: start reviews v2 for <@U0OMAR0001|omar>"
    assert not slack.workspace.ephemerals("@omar")
    assert not slack.workspace.messages("#releases")


@pytest.mark.usefixtures("app")
def test_an_app_that_does_not_acknowledge_is_reported_to_the_person(slack: Slack) -> None:
    delivery = slack.command("@maya", "#releases", "sulk")

    assert not delivery.acknowledged
    assert slack.workspace.ephemerals("@maya")[0].text == "canary failed with the error operation_timeout"


def test_a_click_arrives_with_its_value_and_the_message_and_can_be_replayed(
    slack: Slack, app: App, clicks: list[dict[str, Any]]
) -> None:
    app.client.chat_postMessage(channel="#releases", text="Approve reviews v2?", blocks=CARD)
    (card,) = slack.workspace.messages("#releases")

    assert slack.click("@omar", card, "canary_approve").acknowledged
    slack.wait_for(lambda workspace: workspace.ephemerals("@omar"))
    app.client.chat_update(channel=card.channel, ts=card.ts, text="Approved", blocks=CARD[:1])
    slack.click("@maya", slack.workspace.messages("#releases")[0], "canary_approve", value="r1:mirror:1")
    slack.wait_for(lambda workspace: workspace.ephemerals("@maya"))

    first, replayed = clicks
    assert first["actions"][0]["value"] == replayed["actions"][0]["value"] == "r1:mirror:1"
    assert first["message"]["ts"] == card.ts
    assert first["container"] | {"is_ephemeral": False} == first["container"]
    assert first["user"]["id"] == "U0OMAR0001"


def test_a_response_url_works_five_times_and_speaks_to_one_person_by_default(
    slack: Slack, app: App, clicks: list[dict[str, Any]]
) -> None:
    app.client.chat_postMessage(channel="#releases", text="Approve reviews v2?", blocks=CARD)
    (card,) = slack.workspace.messages("#releases")
    slack.click("@omar", card, "canary_approve")
    slack.wait_for(lambda workspace: workspace.ephemerals("@omar"))  # the app's own answer was the first use
    answers = WebhookClient(clicks[0]["response_url"])

    answers.send(text="Only for you.")
    answers.send(text="For everyone.", response_type="in_channel")
    answers.send(text="Decided.", replace_original=True)
    statuses = [answers.send(text="More.").status_code for _ in range(2)]

    assert [message.text for message in slack.workspace.ephemerals("@omar")] == ["Thank you.", "Only for you.", "More."]
    assert [message.text for message in slack.workspace.messages("#releases")] == ["Decided.", "For everyone."]
    assert statuses == [200, 404]


@pytest.mark.usefixtures("app")
def test_a_form_opens_complains_about_its_fields_and_closes(slack: Slack) -> None:
    slack.command("@maya", "#releases", "form")
    (form,) = slack.wait_for(lambda workspace: workspace.views("@maya"))

    slack.submit_view("@maya", form, {"reason": {"text": "because"}})
    (refused,) = slack.workspace.views("@maya")
    slack.submit_view("@maya", refused, {"reason": {"text": "Users see 503."}})

    assert refused.errors == {"reason": "Say what users saw."}
    assert slack.workspace.views("@maya") == ()


@pytest.mark.usefixtures("app")
def test_a_mention_is_answered_in_its_thread(slack: Slack) -> None:
    slack.mention("@lena", "#releases", "status")

    (answer,) = slack.wait_for(lambda workspace: [m for m in workspace.messages("#releases") if m.is_reply])
    question = slack.workspace.messages("#releases")[0]
    assert answer.thread_ts == question.ts


def test_a_refresh_asks_for_a_new_connection_and_a_killed_socket_says_nothing(slack: Slack) -> None:
    client = WebClient(base_url=slack.url + "/api/", token=slack.bot_token)

    def connect() -> websocket.WebSocket:
        address = client.apps_connections_open(app_token=slack.app_token)["url"]
        socket = websocket.create_connection(address, timeout=5)
        assert json.loads(socket.recv())["type"] == "hello"
        return socket

    refreshed = connect()
    slack.refresh_sockets()
    goodbye = json.loads(refreshed.recv())
    refreshed.shutdown()  # type: ignore[no-untyped-call]  # websocket-client leaves it untyped
    killed = connect()
    slack.kill_sockets()

    assert (goodbye["type"], goodbye["reason"]) == ("disconnect", "refresh_requested")
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        killed.recv()


def test_payloads_are_spread_over_ten_sockets_and_an_eleventh_is_refused(slack: Slack) -> None:
    client = WebClient(base_url=slack.url + "/api/", token=slack.bot_token)

    def connect() -> tuple[websocket.WebSocket, dict[str, Any]]:
        address = client.apps_connections_open(app_token=slack.app_token)["url"]
        socket = websocket.create_connection(address, timeout=5)
        return socket, json.loads(socket.recv())

    sockets = [connect()[0] for _ in range(10)]
    eleventh, goodbye = connect()
    with ThreadPoolExecutor() as person:
        for socket in sockets * 2:
            typed = person.submit(slack.command, "@maya", "#releases", "status")
            envelope = json.loads(socket.recv())
            socket.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
            assert typed.result(5).acknowledged

    assert slack.envelopes_by_connection == [2] * 10
    assert (goodbye["type"], goodbye["reason"]) == ("disconnect", "too_many_websockets")
    for socket in [*sockets, eleventh]:
        socket.shutdown()  # type: ignore[no-untyped-call]  # websocket-client leaves it untyped


def test_a_deaf_socket_stays_open_and_answers_no_ping(slack: Slack) -> None:
    client = WebClient(base_url=slack.url + "/api/", token=slack.bot_token)
    socket = websocket.create_connection(client.apps_connections_open(app_token=slack.app_token)["url"], timeout=5)
    socket.recv()
    socket.ping()
    answered, _ = socket.recv_data(control_frame=True)

    slack.faults.deaf()
    socket.ping()
    socket.settimeout(0.3)

    assert answered == websocket.ABNF.OPCODE_PONG
    with pytest.raises(websocket.WebSocketTimeoutException):
        socket.recv_data(control_frame=True)
    socket.shutdown()  # type: ignore[no-untyped-call]  # websocket-client leaves it untyped
