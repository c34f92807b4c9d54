"""Whether the bot may post in a channel, told from Slack's lists alone."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import Fault
from bot.slack.channels import Channels
from bot.words.rendering import plain
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import FakeSlack

BOTH = "users.conversations"
PUBLIC_TOO = "chat:write,chat:write.public,channels:read,groups:read"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def channels(slack: FakeSlack, clock: FakeClock) -> Channels:
    return Channels(slack.client, clock.now)


def a_conversation(name: str = "ops", **about: Any) -> dict[str, Any]:
    return {"id": f"C0{name.upper()}", "name": name, "is_member": False, "is_archived": False, **about}


@pytest.mark.parametrize("channel", ["#releases", "#Releases", "C0RELEASES"])
def test_a_channel_the_bot_is_in_is_open_and_nothing_is_posted_to_find_out(
    channels: Channels, slack: FakeSlack, channel: str
) -> None:
    assert channels.closed(channel) is None
    assert [method for method, _ in slack.calls] == [BOTH]


INVITE = "type `/invite @canary`"


@pytest.mark.parametrize("channel", ["#ops", "C0OPS"])
@pytest.mark.parametrize(
    ("conversation", "said"),
    [
        (a_conversation(), f"I am not in %s: {INVITE} there."),
        (a_conversation(is_archived=True), "%s is archived: unarchive it, or name another channel in services.yaml."),
        (a_conversation(is_member=True, is_archived=True), "%s is archived"),
        (
            a_conversation(is_private=True),
            "I see no channel %s: correct `channel` in services.yaml. If it is private, type",
        ),
        (
            a_conversation(is_member=True, is_read_only=True),
            "Only some people may post in %s (restricted_action): let @canary",
        ),
        (a_conversation(is_member=True, is_thread_only=True), "Only some people may post in %s"),
        (a_conversation("other"), "I see no channel %s"),
    ],
)
def test_a_closed_channel_is_told_with_what_to_do(
    channels: Channels, slack: FakeSlack, channel: str, conversation: dict[str, Any], said: str
) -> None:
    slack.conversations.append(conversation)

    notified = channels.closed(channel)

    assert notified is not None
    assert said % channel in plain(notified)
    assert slack.said("chat.postMessage") == []


@pytest.mark.parametrize("channel", ["#ops", "C0OPS"])
def test_a_private_channel_the_bot_was_invited_to_is_open(channels: Channels, slack: FakeSlack, channel: str) -> None:
    slack.conversations.append(a_conversation(is_private=True, is_member=True))

    assert channels.closed(channel) is None


def test_a_public_channel_needs_no_invitation_where_the_app_may_post_everywhere(
    channels: Channels, slack: FakeSlack
) -> None:
    slack.conversations.append(a_conversation())
    slack.scopes = PUBLIC_TOO

    assert channels.closed("#ops") is None
    assert channels.closed("C0OPS") is None


def test_a_renamed_channel_is_told_by_its_new_name(channels: Channels, slack: FakeSlack) -> None:
    slack.conversations = [a_conversation("ships", is_member=True, previous_names=["releases"])]

    assert plain(channels.closed("#releases") or "") == (
        '#releases is called #ships now: write `channel: "#ships"` in services.yaml.'
    )
    slack.conversations.append(
        a_conversation("releases", is_member=True)
    )  # somebody has made another of that name since
    assert channels.closed("#releases") is None


def test_a_channel_far_down_a_long_list_is_found(channels: Channels, slack: FakeSlack) -> None:
    slack.page = 2
    slack.conversations = [a_conversation(f"c{number}", is_member=True) for number in range(7)] + [
        a_conversation("far")
    ]

    assert channels.closed("#c6") is None
    assert "I am not in #far" in plain(channels.closed("#far") or "")


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        (BOTH, {"status": 429, "retry_after": 30, "error": "ratelimited"}, "ratelimited"),
        (BOTH, {"status": 500}, "internal_error"),
        (BOTH, {"error": "missing_argument"}, "installed for the whole organisation"),
    ],
)
def test_what_slack_does_not_say_now_is_neither_yes_nor_no(
    channels: Channels, slack: FakeSlack, method: str, error: dict[str, Any], said: str
) -> None:
    slack.fail(method, **error)

    with pytest.raises(Fault, match=said):
        channels.closed("#releases")


def test_slack_that_is_away_is_neither_yes_nor_no(channels: Channels, slack: FakeSlack) -> None:
    slack.swallow(BOTH)

    with pytest.raises(Fault, match="cannot be reached"):
        channels.closed("#releases")


def test_an_app_without_the_scope_for_lists_is_told_which_one_it_lacks(channels: Channels, slack: FakeSlack) -> None:
    slack.fail(BOTH, "missing_scope", needed="channels:read", times=2)

    with pytest.raises(Fault, match="The app lacks the scope channels:read"):
        channels.closed("#releases")


def test_without_the_scope_for_private_channels_only_those_are_not_known(channels: Channels, slack: FakeSlack) -> None:
    slack.fail(BOTH, "missing_scope", needed="groups:read")
    assert channels.closed("#releases") is None

    slack.fail(BOTH, "missing_scope", needed="groups:read")
    with pytest.raises(Fault, match="The app lacks the scope groups:read"):
        channels.closed("#ops")


def test_who_is_not_a_member_is_known_although_the_public_list_cannot_be_had(
    channels: Channels, slack: FakeSlack
) -> None:
    slack.conversations.append(a_conversation())
    slack.fail("conversations.list", "ratelimited", status=429, retry_after=30)
    assert "I see no channel #ops" in plain(channels.closed("#ops") or "")

    slack.scopes = PUBLIC_TOO  # and then the bot may post there all the same
    slack.fail("conversations.list", "ratelimited", status=429, retry_after=30)
    with pytest.raises(Fault, match="does not say whether I may post"):
        channels.closed("#ops")


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
def test_a_token_that_is_good_no_more_posts_nothing(channels: Channels, slack: FakeSlack, error: str) -> None:
    slack.fail(BOTH, error)

    assert f"does not accept the bot's token ({error})" in plain(channels.closed("#releases") or "")


def test_an_app_that_may_not_write_posts_nothing(channels: Channels, slack: FakeSlack) -> None:
    slack.scopes = "channels:read,groups:read"
    assert "The app lacks the scope chat:write" in plain(channels.closed("#releases") or "")

    slack.scopes = None  # a proxy takes the header out: nothing is known of scopes
    assert channels.closed("#releases") is None


def test_that_posting_is_limited_is_learnt_from_a_post_and_forgotten_by_the_next(
    channels: Channels, clock: FakeClock
) -> None:
    channels.refused("#releases", "restricted_action")
    assert "Only some people may post in #releases" in plain(channels.closed("#releases") or "")
    channels.took("#releases")
    assert channels.closed("#releases") is None

    channels.refused("#releases", "restricted_action_read_only_channel")
    clock.advance(601)
    assert channels.closed("#releases") is None
    channels.refused("#releases", "not_in_channel")  # the lists tell that, and sooner
    assert channels.closed("#releases") is None


def test_limits_on_who_posts_are_a_doubt(channels: Channels, slack: FakeSlack) -> None:
    slack.conversations = [
        a_conversation("releases", is_member=True, properties={"posting_restricted_to": {"type": ["admin"]}})
    ]

    with pytest.raises(Fault, match="limits who may post in #releases"):
        channels.closed("#releases")


def test_many_channels_cost_one_reconcile(channels: Channels, slack: FakeSlack) -> None:
    slack.conversations += [a_conversation("ops"), a_conversation("eng", is_member=True)]
    asked = ["#releases", "#ops", "#eng", "#gone", "#releases"]

    found = dict(channels.each(asked))

    assert [channel for channel, why in found.items() if why is None] == ["#releases", "#eng"]
    assert sorted({method for method, _ in slack.calls}) == ["auth.test", "conversations.list", BOTH]
    assert len(slack.said(BOTH)) == len(slack.said("conversations.list")) == 1


def test_a_reconcile_that_takes_too_long_is_given_up(slack: FakeSlack) -> None:
    ticks = iter(float(number * 5) for number in range(100))
    slack.page = 1
    slack.conversations = [a_conversation(f"c{number}", is_member=True) for number in range(9)]

    with pytest.raises(Fault, match="slow to list"):
        Channels(slack.client, lambda: next(ticks)).closed("#c8")
