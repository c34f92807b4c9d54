"""Whether the bot may post in a channel, told from Slack's lists alone."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import Fault
from bot.slack.rooms import Rooms
from bot.words.rendering import plain
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import FakeSlack

BOTH = "users.conversations"
PUBLIC_TOO = "chat:write,chat:write.public,channels:read,groups:read"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rooms(slack: FakeSlack, clock: FakeClock) -> Rooms:
    return Rooms(slack.client, clock.now)


def a_room(name: str = "ops", **about: Any) -> dict[str, Any]:
    return {"id": f"C0{name.upper()}", "name": name, "is_member": False, "is_archived": False, **about}


@pytest.mark.parametrize("channel", ["#releases", "#Releases", "C0RELEASES"])
def test_a_channel_the_bot_is_in_is_open_and_nothing_is_posted_to_find_out(
    rooms: Rooms, slack: FakeSlack, channel: str
) -> None:
    assert rooms.closed(channel) is None
    assert [method for method, _ in slack.calls] == [BOTH]


INVITE = "type `/invite @canary`"


@pytest.mark.parametrize("channel", ["#ops", "C0OPS"])
@pytest.mark.parametrize(
    ("room", "said"),
    [
        (a_room(), f"I am not in %s: {INVITE} there."),
        (a_room(is_archived=True), "%s is archived: unarchive it, or name another channel in services.yaml."),
        (a_room(is_member=True, is_archived=True), "%s is archived"),
        (a_room(is_private=True), "I see no channel %s: correct `channel` in services.yaml. If it is private, type"),
        (a_room(is_member=True, is_read_only=True), "Only some people may post in %s (restricted_action): let @canary"),
        (a_room(is_member=True, is_thread_only=True), "Only some people may post in %s"),
        (a_room("other"), "I see no channel %s"),
    ],
)
def test_a_closed_channel_is_told_with_what_to_do(
    rooms: Rooms, slack: FakeSlack, channel: str, room: dict[str, Any], said: str
) -> None:
    slack.rooms.append(room)

    notified = rooms.closed(channel)

    assert notified is not None
    assert said % channel in plain(notified)
    assert slack.said("chat.postMessage") == []


@pytest.mark.parametrize("channel", ["#ops", "C0OPS"])
def test_a_private_channel_the_bot_was_invited_to_is_open(rooms: Rooms, slack: FakeSlack, channel: str) -> None:
    slack.rooms.append(a_room(is_private=True, is_member=True))

    assert rooms.closed(channel) is None


def test_a_public_channel_needs_no_invitation_where_the_app_may_post_everywhere(rooms: Rooms, slack: FakeSlack) -> None:
    slack.rooms.append(a_room())
    slack.scopes = PUBLIC_TOO

    assert rooms.closed("#ops") is None
    assert rooms.closed("C0OPS") is None


def test_a_renamed_channel_is_told_by_its_new_name(rooms: Rooms, slack: FakeSlack) -> None:
    slack.rooms = [a_room("ships", is_member=True, previous_names=["releases"])]

    assert plain(rooms.closed("#releases") or "") == (
        '#releases is called #ships now: write `channel: "#ships"` in services.yaml.'
    )
    slack.rooms.append(a_room("releases", is_member=True))  # somebody has made another of that name since
    assert rooms.closed("#releases") is None


def test_a_channel_far_down_a_long_list_is_found(rooms: Rooms, slack: FakeSlack) -> None:
    slack.page = 2
    slack.rooms = [a_room(f"c{number}", is_member=True) for number in range(7)] + [a_room("far")]

    assert rooms.closed("#c6") is None
    assert "I am not in #far" in plain(rooms.closed("#far") or "")


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        (BOTH, {"status": 429, "retry_after": 30, "error": "ratelimited"}, "ratelimited"),
        (BOTH, {"status": 500}, "internal_error"),
        (BOTH, {"error": "missing_argument"}, "installed for the whole organisation"),
    ],
)
def test_what_slack_does_not_say_now_is_neither_yes_nor_no(
    rooms: Rooms, slack: FakeSlack, method: str, error: dict[str, Any], said: str
) -> None:
    slack.fail(method, **error)

    with pytest.raises(Fault, match=said):
        rooms.closed("#releases")


def test_slack_that_is_away_is_neither_yes_nor_no(rooms: Rooms, slack: FakeSlack) -> None:
    slack.swallow(BOTH)

    with pytest.raises(Fault, match="cannot be reached"):
        rooms.closed("#releases")


def test_an_app_without_the_scope_for_lists_is_told_which_one_it_lacks(rooms: Rooms, slack: FakeSlack) -> None:
    slack.fail(BOTH, "missing_scope", needed="channels:read", times=2)

    with pytest.raises(Fault, match="The app lacks the scope channels:read"):
        rooms.closed("#releases")


def test_without_the_scope_for_private_channels_only_those_are_not_known(rooms: Rooms, slack: FakeSlack) -> None:
    slack.fail(BOTH, "missing_scope", needed="groups:read")
    assert rooms.closed("#releases") is None

    slack.fail(BOTH, "missing_scope", needed="groups:read")
    with pytest.raises(Fault, match="The app lacks the scope groups:read"):
        rooms.closed("#ops")


def test_who_is_not_a_member_is_known_although_the_public_list_cannot_be_had(rooms: Rooms, slack: FakeSlack) -> None:
    slack.rooms.append(a_room())
    slack.fail("conversations.list", "ratelimited", status=429, retry_after=30)
    assert "I see no channel #ops" in plain(rooms.closed("#ops") or "")

    slack.scopes = PUBLIC_TOO  # and then the bot may post there all the same
    slack.fail("conversations.list", "ratelimited", status=429, retry_after=30)
    with pytest.raises(Fault, match="does not say whether I may post"):
        rooms.closed("#ops")


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
def test_a_token_that_is_good_no_more_posts_nothing(rooms: Rooms, slack: FakeSlack, error: str) -> None:
    slack.fail(BOTH, error)

    assert f"does not accept the bot's token ({error})" in plain(rooms.closed("#releases") or "")


def test_an_app_that_may_not_write_posts_nothing(rooms: Rooms, slack: FakeSlack) -> None:
    slack.scopes = "channels:read,groups:read"
    assert "The app lacks the scope chat:write" in plain(rooms.closed("#releases") or "")

    slack.scopes = None  # a proxy takes the header out: nothing is known of scopes
    assert rooms.closed("#releases") is None


def test_that_posting_is_limited_is_learnt_from_a_post_and_forgotten_by_the_next(
    rooms: Rooms, clock: FakeClock
) -> None:
    rooms.refused("#releases", "restricted_action")
    assert "Only some people may post in #releases" in plain(rooms.closed("#releases") or "")
    rooms.took("#releases")
    assert rooms.closed("#releases") is None

    rooms.refused("#releases", "restricted_action_read_only_channel")
    clock.advance(601)
    assert rooms.closed("#releases") is None
    rooms.refused("#releases", "not_in_channel")  # the lists tell that, and sooner
    assert rooms.closed("#releases") is None


def test_limits_on_who_posts_are_a_doubt(rooms: Rooms, slack: FakeSlack) -> None:
    slack.rooms = [a_room("releases", is_member=True, properties={"posting_restricted_to": {"type": ["admin"]}})]

    with pytest.raises(Fault, match="limits who may post in #releases"):
        rooms.closed("#releases")


def test_many_channels_cost_one_reconcile(rooms: Rooms, slack: FakeSlack) -> None:
    slack.rooms += [a_room("ops"), a_room("eng", is_member=True)]
    asked = ["#releases", "#ops", "#eng", "#gone", "#releases"]

    found = dict(rooms.each(asked))

    assert [channel for channel, why in found.items() if why is None] == ["#releases", "#eng"]
    assert sorted({method for method, _ in slack.calls}) == ["auth.test", "conversations.list", BOTH]
    assert len(slack.said(BOTH)) == len(slack.said("conversations.list")) == 1


def test_a_reconcile_that_takes_too_long_is_given_up(slack: FakeSlack) -> None:
    ticks = iter(float(number * 5) for number in range(100))
    slack.page = 1
    slack.rooms = [a_room(f"c{number}", is_member=True) for number in range(9)]

    with pytest.raises(Fault, match="slow to list"):
        Rooms(slack.client, lambda: next(ticks)).closed("#c8")
