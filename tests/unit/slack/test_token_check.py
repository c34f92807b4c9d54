"""A token that was taken back, or lacks a scope, is told before anybody needs it."""

from __future__ import annotations

from bot.slack.token_check import TokenCheck
from bot.words.rendering import plain
from tests.fakes.slack_client import FakeSlack


def test_a_revoked_token_is_told_with_what_to_do_until_slack_knows_it_again(slack: FakeSlack) -> None:
    standing = TokenCheck(slack.client)
    standing.check()
    assert standing.trouble() is None

    slack.fail("auth.test", "token_revoked")
    standing.check()
    assert plain(standing.trouble() or "") == (
        "Slack does not accept the bot's token (token_revoked): copy SLACK_BOT_TOKEN anew from the app's page."
    )
    standing.check()
    assert standing.trouble() is None


def test_scopes_that_are_missing_are_named_and_ones_that_are_not_told_are_not(slack: FakeSlack) -> None:
    standing = TokenCheck(slack.client)
    slack.scopes = "chat:write,groups:read"
    standing.check()
    assert "The app lacks the scopes channels:read and usergroups:read" in plain(standing.trouble() or "")

    slack.scopes = None  # a proxy takes the header out
    standing.check()
    assert standing.trouble() is None


def test_a_slack_that_does_not_answer_says_nothing_new(slack: FakeSlack) -> None:
    standing = TokenCheck(slack.client)
    slack.fail("auth.test", "token_revoked")
    standing.check()
    slack.down = True
    standing.check()

    assert "token_revoked" in plain(standing.trouble() or "")
