"""Laws: what came with a payload is answered at Slack's own addresses, and nowhere else; what people read there holds
no secret.
"""

from __future__ import annotations

import json

import pytest
from slack_bolt import Respond

from bot import redaction
from bot.slack.client import web_client
from tests.fakes.slack_client import FakeSlack


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.slack.com/commands/T1/2/3",
        "https://hooks.slack.com/actions/T1/2/3",
        "https://hooks.slack-gov.com/commands/T1/2/3",
        "https://slack.example/response/1",
    ],
)
def test_slacks_addresses(address: str) -> None:
    assert web_client("xoxb-1", "https://slack.example/api/").is_slacks(address)


@pytest.mark.parametrize(
    "address",
    [
        None,
        7,
        ["https://hooks.slack.com/x"],
        "",
        "http://hooks.slack.com/commands/T1/2/3",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:8080/metrics",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/x",
        "https://evil.example@hooks.slack.com/x",
        "https://evil.example/hooks.slack.com",
        "https://evil.example#https://hooks.slack.com/x",
        "https://hooks.slack.com:8443/x",
        "https://HOOKS.SLACK.COM.:443/x",
        "https://hooks.sláck.com/x",
        "https://slack.example:444/response/1",
        "http://slack.example/response/1",
        "file:///etc/passwd",
        "gopher://hooks.slack.com/x",
        "//hooks.slack.com/x",
        "hooks.slack.com",
        "http://[::1",
        "https://hooks.slack.com\n.evil.example/x",
        "https://hooks.slack.com\\@evil.example/x",
    ],
)
def test_nobody_elses(address: object) -> None:
    assert not web_client("xoxb-1", "https://slack.example/api/").is_slacks(address)


def test_slack_itself_answers_where_it_is() -> None:
    with FakeSlack() as slack:
        assert web_client("xoxb-1", f"{slack.url}/api/").is_slacks(slack.response_url)


def test_no_line_breaks_in_a_share_and_what_was_typed_comes_back_as_it_was() -> None:
    asked = {"type": "plain_text_input", "action_id": "value", "initial_value": "5 % of 404"}
    button = {"type": "button", "action_id": "a", "value": "at 20 %", "text": {"type": "plain_text", "text": "At 20 %"}}
    blocks = [{"type": "input", "element": asked}, {"type": "actions", "elements": [button]}]
    with FakeSlack() as slack:
        slack.client.views_open(trigger_id="t", view={"type": "modal", "private_metadata": "in 5 %", "blocks": blocks})
        (sent,) = slack.said("views.open")

    view = sent["view"] if isinstance(sent["view"], dict) else json.loads(sent["view"])
    typed, pressed = view["blocks"][0]["element"], view["blocks"][1]["elements"][0]
    assert pressed["text"]["text"] == "At 20\N{NO-BREAK SPACE}%"
    assert (typed["initial_value"], pressed["value"], view["private_metadata"]) == ("5 % of 404", "at 20 %", "in 5 %")


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.postEphemeral", "chat.update", "views.open", "respond"])
def test_nothing_that_people_read_in_slack_holds_a_secret(method: str) -> None:
    """A pod's last words may, or an admission webhook's, or what somebody typed as a reason."""
    redaction.forget()
    redaction.learn("hunter-zwei-drei")
    said = "it died of hunter-zwei-drei and https://u:hunter-vier@x.example/"
    section = {"type": "section", "text": {"type": "mrkdwn", "text": said}}
    button = {
        "type": "button",
        "action_id": "a",
        "value": "v:hunter-zwei-drei",
        "text": {"type": "plain_text", "text": "B"},
    }
    blocks = [section, {"type": "context", "elements": [section["text"]]}, {"type": "actions", "elements": [button]}]
    with FakeSlack() as slack:
        match method:
            case "views.open":
                slack.client.views_open(trigger_id="t", view={"type": "modal", "blocks": blocks})
            case "respond":
                slack.client.respond(Respond(response_url=slack.response_url), {"text": said, "blocks": blocks})
            case _:
                slack.client.api_call(method, json={"channel": "C1", "user": "U1", "text": said, "blocks": blocks})
        (sent,) = slack.said(method)

    text = json.dumps(sent, ensure_ascii=False)
    assert "it died of … and https://u:…@x.example/" in text
    assert text.replace("v:hunter-zwei-drei", "").count("hunter") == 0
    assert "v:hunter-zwei-drei" in text  # what a button carries for us is ours, and has to be what it was
