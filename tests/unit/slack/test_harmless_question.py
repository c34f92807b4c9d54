"""Before a post is made a second time Slack must have answered something, whichever methods it knows."""

from __future__ import annotations

import pytest

from bot.slack.web_api import Channel, RetryLater
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import FakeSlack


def test_where_api_test_is_not_known_another_harmless_question_is_asked(slack: FakeSlack) -> None:
    slack.fail("api.test", "unknown_method")

    Channel(slack.client, FakeClock()).ping()

    assert [method for method, _ in slack.calls] == ["api.test", "auth.test"]


def test_a_slack_that_fails_has_not_answered_and_is_told_with_method_and_code(slack: FakeSlack) -> None:
    slack.fail("api.test", "internal_error")

    with pytest.raises(RetryLater, match=r"Slack refused api.test \(internal_error\)"):
        Channel(slack.client, FakeClock()).ping()
