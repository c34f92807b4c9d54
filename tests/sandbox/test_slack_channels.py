"""The stand-in says of channels, groups and scopes what Slack says; the bot's own looks are asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.model.errors import Fault, Refusal
from bot.model.rollout import UserId
from bot.model.service import ApprovalRule
from bot.slack.accounts import Person
from bot.slack.approvers import Approvers
from bot.slack.channels import Channels
from bot.slack.client import web_client
from bot.slack.codes import ACCOUNT_SCOPE
from bot.words.rendering import plain
from sandbox.slack import Channel, Slack, UserGroup
from sandbox.slack.model import BOT_USER, TEAM_ID
from sandbox.slack.scopes import MANIFEST

MAYA = "U0MAYA0001"


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack(scopes=MANIFEST) as workspace:
        yield workspace


@pytest.fixture
def client(slack: Slack) -> WebClient:
    return web_client(slack.bot_token, slack.url + "/api")


@pytest.fixture
def channels(client: WebClient) -> Channels:
    return Channels(client, time.monotonic)


def a_channel(name: str = "ops", **about: Any) -> Channel:
    return Channel(id=f"C0{name.upper()}0", name=name, members=frozenset({MAYA, BOT_USER}), **about)


ELSEWHERE = frozenset({MAYA})
CHANNELS = [
    (a_channel(), None),
    (a_channel(is_private=True), None),
    (a_channel(is_archived=True), "is_archived"),
    (replace(a_channel(), members=ELSEWHERE), "not_in_channel"),
    (replace(a_channel(is_private=True), members=ELSEWHERE), "channel_not_found"),
    (a_channel("other"), "channel_not_found"),
]


@pytest.mark.parametrize("named", ["#ops", "C0OPS0"])
@pytest.mark.parametrize(("channel", "error"), CHANNELS)
def test_what_the_lists_tell_is_what_a_post_would_meet(
    slack: Slack, client: WebClient, channels: Channels, channel: Channel, error: str | None, named: str
) -> None:
    slack.workspace.put_channel(channel)

    notified = channels.closed(named)

    assert {call.method for call in slack.calls} <= {
        "users.conversations",
        "conversations.list",
        "conversations.info",
        "auth.test",
    }
    assert notified == (None if error is None else channels.why(named, error))
    if error is None:
        assert client.chat_postMessage(channel=named, text="A card.")["ok"]
    else:
        with pytest.raises(SlackApiError) as refused:
            client.chat_postMessage(channel=named, text="A card.")
        assert refused.value.response["error"] == error


def test_an_app_that_may_post_in_every_public_channel_needs_no_invitation(
    slack: Slack, client: WebClient, channels: Channels
) -> None:
    slack.scopes = MANIFEST | {"chat:write.public"}

    assert channels.closed("#general") is None
    assert client.chat_postMessage(channel="#general", text="A card.")["ok"]


def test_where_only_some_may_post_the_post_itself_tells(slack: Slack, client: WebClient, channels: Channels) -> None:
    slack.workspace.put_channel(a_channel(restricted=True))
    assert channels.closed("#ops") is None

    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel="#ops", text="A card.")
    channels.refused("#ops", refused.value.response["error"])

    assert "Only some people may post in #ops" in plain(channels.closed("#ops") or "")


@pytest.mark.parametrize("scope", sorted(MANIFEST - {"app_mentions:read", "commands", ACCOUNT_SCOPE}))
def test_a_scope_that_is_missing_is_named(slack: Slack, client: WebClient, channels: Channels, scope: str) -> None:
    slack.scopes = MANIFEST - {scope}
    person = Person(id=UserId(MAYA), team=TEAM_ID, home=TEAM_ID)
    said = ""
    try:
        said += plain(channels.closed("#nowhere") or "")
        Approvers(client, time.monotonic).check_approver(person, ApprovalRule(approvers=("@release-managers",)))
    except (Refusal, Fault) as failure:
        said += str(failure)

    assert f"The app lacks the scope {scope}" in said


def test_a_group_may_be_disabled_or_written_in_any_case(slack: Slack, client: WebClient) -> None:
    slack.workspace.put_usergroup(
        UserGroup(id="S0RETIRED1", handle="retired", name="Retired", members=(MAYA,), disabled_at=1)
    )
    approvers = Approvers(client, time.monotonic)
    person = Person(id=UserId(MAYA), team=TEAM_ID, home=TEAM_ID)

    for name in ("@retired", "S0RETIRED1"):
        with pytest.raises(Refusal, match="You are not one of the approvers"):
            approvers.check_approver(person, ApprovalRule(approvers=(name,)))
        approvers.check_approver(person, ApprovalRule(approvers=(name, "@Release-Managers")))
    assert "is disabled" in plain(approvers.wrong("@retired") or "")


def test_lists_come_in_pages(slack: Slack, client: WebClient) -> None:
    for number in range(5):
        slack.workspace.put_channel(a_channel(f"c{number}"))

    first = client.conversations_list(limit=3, types="public_channel")
    rest = client.conversations_list(limit=3, types="public_channel", cursor=first["response_metadata"]["next_cursor"])

    names = [channel["name"] for page in (first, rest) for channel in page["channels"]]
    assert len(names) == len(set(names)) == 6
    assert first.headers["X-OAuth-Scopes"].split(",") == sorted(MANIFEST)


def test_a_token_of_a_whole_organisation_is_asked_which_workspace_it_means(
    slack: Slack, client: WebClient, channels: Channels
) -> None:
    slack.org_wide = True

    assert client.auth_test()["is_enterprise_install"]
    assert client.usergroups_list(team_id=TEAM_ID)["ok"]
    with pytest.raises(Fault, match="Install it into that workspace itself"):
        channels.closed("#releases")
    with pytest.raises(Fault, match="Install it into that workspace itself"):
        Approvers(client, time.monotonic).wrong("@release-managers")
