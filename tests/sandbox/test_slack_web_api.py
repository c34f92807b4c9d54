"""The Web API as slack_sdk sees it: what Slack accepts, what it refuses and how it says so, and faults on request."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.http_mode import PATH, HttpMode
from sandbox.slack import Slack


@pytest.fixture(scope="module")
def server() -> Iterator[Slack]:
    with Slack() as workspace:
        yield workspace


@pytest.fixture
def slack(server: Slack) -> Iterator[Slack]:
    yield server
    server.faults.clear()
    server.request_url(None)


@pytest.fixture
def client(slack: Slack) -> WebClient:
    return WebClient(base_url=slack.url + "/api/", token=slack.bot_token)


def refusal(call: Any, **arguments: Any) -> SlackApiError:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return caught.value


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def chart(*, values: int, categories: int = 4) -> dict[str, Any]:
    names = [f"14:{minute:02d}" for minute in range(categories)]
    data = [{"label": name, "value": 1.5} for name in names[:values]]
    return {
        "type": "data_visualization",
        "title": "Error rate",
        "chart": {"type": "line", "series": [{"name": "canary", "data": data}], "axis_config": {"categories": names}},
    }


def test_an_update_edits_in_place_and_text_alone_deletes_the_blocks(slack: Slack, client: WebClient) -> None:
    posted = client.chat_postMessage(channel="#releases", text="0 %", blocks=[section("0 %")])
    client.chat_update(channel=posted["channel"], ts=posted["ts"], text="20 %", blocks=[section("20 %")])
    drawn = slack.workspace.message(posted["channel"], posted["ts"])
    client.chat_update(channel=posted["channel"], ts=posted["ts"], text="Done")
    bare = slack.workspace.message(posted["channel"], posted["ts"])

    assert drawn is not None
    assert bare is not None
    assert (drawn.text, drawn.versions, drawn.edited) == ("20 %", 2, False)
    assert (bare.text, bare.versions, bare.edited, bare.blocks) == ("Done", 3, True, ())


def test_a_broadcast_reply_is_in_its_thread_and_marked(slack: Slack, client: WebClient) -> None:
    parent = client.chat_postMessage(channel="#releases", text="reviews v2")
    client.chat_postMessage(channel="#releases", text="Aborted", thread_ts=parent["ts"], reply_broadcast=True)

    (reply,) = slack.workspace.thread("#releases", parent["ts"])
    assert reply.broadcast
    assert reply.text == "Aborted"


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([{"type": "hologram"}], "/blocks/0/type"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "/blocks/0/text/text"),
        ([section("x" * 3001)], "/blocks/0/text/text"),
        ([section("")], "/blocks/0/text/text"),
        ([section("x")] * 51, "/blocks"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}], "/blocks/0/fields"),
        ([chart(values=3)], "/blocks/0/chart/series/0/data"),
        ([chart(values=21, categories=21)], "/blocks/0/chart/axis_config/categories"),
        ([chart(values=4)] * 3, "/blocks"),
        ([{"type": "alert", "text": {"type": "plain_text", "text": "x"}}], "/blocks/0/type"),
        ([{"type": "plan", "title": "t", "tasks": [{"task_id": "1", "title": "t", "status": "late"}]}], "/status"),
        ([{"type": "data_table", "rows": [[{"type": "raw_text", "text": "a"}]] * 2}], "/blocks/0]"),
    ],
)
def test_blocks_that_slack_would_refuse_are_refused_with_their_place(
    client: WebClient, blocks: list[dict[str, Any]], pointer: str
) -> None:
    error = refusal(client.chat_postMessage, channel="#releases", text="x", blocks=blocks).response

    assert error["error"] == "invalid_blocks"
    assert any(pointer in problem for problem in error["errors"])


def test_a_full_card_with_chart_plan_and_table_is_accepted(client: WebClient) -> None:
    task = {"task_id": "1", "title": "Mirror", "status": "complete"}
    row = [{"type": "raw_text", "text": "errors"}, {"type": "raw_number", "value": 0.4}]
    header = [{"type": "raw_text", "text": "check"}, {"type": "raw_text", "text": "value"}]
    blocks = [
        {"type": "plan", "title": "Steps", "tasks": [task]},
        chart(values=4),
        {"type": "data_table", "caption": "Checks", "rows": [header, row]},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "!"}]}]},
    ]

    assert client.chat_postMessage(channel="#releases", text="x", blocks=blocks)["ok"]


def test_more_than_13200_characters_in_all_are_too_many(client: WebClient) -> None:
    error = refusal(client.chat_postMessage, channel="#releases", text="x", blocks=[section("x" * 2700)] * 5)

    assert error.response["error"] == "msg_blocks_too_long"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "#general", "text": "x"}, "not_in_channel"),
        ({"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ({"channel": "#releases", "text": ""}, "no_text"),
        ({"channel": "#releases", "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
    ],
)
def test_a_post_that_cannot_be_is_refused_by_name(client: WebClient, arguments: dict[str, str], error: str) -> None:
    assert refusal(client.api_call, api_method="chat.postMessage", json=arguments).response["error"] == error


def test_a_wrong_token_an_unknown_group_and_a_made_up_trigger_are_refused(slack: Slack, client: WebClient) -> None:
    stranger = WebClient(base_url=slack.url + "/api/", token="xoxb-wrong")

    assert refusal(stranger.auth_test).response["error"] == "invalid_auth"
    assert refusal(client.usergroups_users_list, usergroup="S0NOBODY00").response["error"] == "no_such_subteam"
    assert refusal(client.views_open, trigger_id="1.2", view={}).response["error"] == "invalid_trigger_id"
    assert client.usergroups_users_list(usergroup="S0RELMGRS1")["users"] == ["U0MAYA0001", "U0OMAR0001"]


def test_faults_limit_the_rate_refuse_by_name_and_take_everything_down(slack: Slack, client: WebClient) -> None:
    slack.faults.fail("chat.postMessage", retry_after=7)
    limited = refusal(client.chat_postMessage, channel="#releases", text="x").response
    slack.faults.fail("chat.postMessage", error="is_archived")
    archived = refusal(client.chat_postMessage, channel="#releases", text="x").response
    slack.faults.down(True)
    down = refusal(client.auth_test).response
    slack.faults.down(False)

    assert (limited.status_code, limited["error"], limited.headers["Retry-After"]) == (429, "ratelimited", "7")
    assert (archived.status_code, archived["error"]) == (200, "is_archived")
    assert down.status_code == 503
    assert client.auth_test()["ok"]


def test_a_slow_answer_comes_after_the_action(slack: Slack) -> None:
    slack.faults.slow("chat.postMessage", 1.5)
    impatient = WebClient(base_url=slack.url + "/api/", token=slack.bot_token, timeout=1, retry_handlers=[])
    before = len(slack.workspace.messages("#releases"))

    with pytest.raises(TimeoutError):
        impatient.chat_postMessage(channel="#releases", text="Did this arrive?")

    assert len(slack.workspace.messages("#releases")) == before + 1


def test_a_file_is_uploaded_in_three_steps_and_can_be_shown(slack: Slack, client: WebClient) -> None:
    client.files_upload_v2(file=b"\x89PNG", filename="chart.png", title="Errors")
    (file,) = slack.workspace.files.values()
    image = {"type": "image", "slack_file": {"id": file.id}, "alt_text": "Errors"}

    assert (file.content, file.mimetype) == (b"\x89PNG", "image/png")
    assert client.chat_postMessage(channel="#releases", text="x", blocks=[image])["ok"]
    image["slack_file"] = {"id": "F0NOWHERE0"}
    assert refusal(client.chat_postMessage, channel="#releases", text="x", blocks=[image])


def test_app_home_is_published_per_person_and_a_stale_hash_is_refused(slack: Slack, client: WebClient) -> None:
    view = {"type": "home", "blocks": [section("Nothing is waiting for you.")]}
    first = client.views_publish(user_id="U0MAYA0001", view=view)["view"]
    client.views_publish(user_id="U0MAYA0001", view=view, hash=first["hash"])

    assert slack.workspace.home("@maya") is not None
    assert slack.workspace.home("@lena") is None
    stale = refusal(client.views_publish, user_id="U0MAYA0001", view=view, hash=first["hash"])
    assert stale.response["error"] == "hash_conflict"


def test_in_http_mode_signed_requests_reach_the_app_and_forged_ones_do_not(slack: Slack, client: WebClient) -> None:
    app = App(client=client, signing_secret=slack.signing_secret, token_verification_enabled=False)

    @app.command("/canary")
    def command(ack: Ack, body: dict[str, Any]) -> None:
        ack(f"Over HTTP: {body['text']}")

    http_mode = HttpMode(app, 0, signing_secret=slack.signing_secret, host="127.0.0.1")
    http_mode.start()
    address = f"http://127.0.0.1:{http_mode.port}{PATH}"
    slack.request_url(address)

    genuine = slack.command("@omar", "#releases", "status")
    challenged = slack.verify_request_url()
    body = b"command=%2Fcanary&text=status"
    request = urllib.request.Request(address, body, {"X-Slack-Signature": "v0=00", "X-Slack-Request-Timestamp": "0"})
    with pytest.raises(urllib.error.HTTPError) as forged:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310 loopback
    forged.value.close()
    http_mode.close()

    assert genuine.acknowledged
    assert genuine.status == 200
    assert challenged
    assert slack.workspace.ephemerals("@omar")[0].text == "Over HTTP: status"
    assert forged.value.code == 401


def test_the_page_and_its_state_are_served(slack: Slack) -> None:
    slack.side_panel(lambda: {"title": "Mesh", "rows": [], "log": []})

    def get(path: str) -> str:
        with urllib.request.urlopen(slack.url + path, timeout=5) as response:  # noqa: S310 loopback
            return str(response.read().decode())

    assert "<main" in get("/")
    assert "import" in get("/page/page.js")
    assert {channel["name"] for channel in json.loads(get("/state"))["channels"]} >= {"releases", "general"}
    assert json.loads(get("/mesh.json"))["title"] == "Mesh"
