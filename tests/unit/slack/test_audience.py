"""Channels and groups that are wrong are found before anybody needs them."""

from __future__ import annotations

import pytest

from bot.model.service import ApprovalRule, ServiceConfig
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.channels import Channels
from bot.words.rendering import plain
from tests.builders import MAYA, OMAR, a_service
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import FakeSlack


def a_team(name: str, channel: str = "#releases", *approvers: str) -> ServiceConfig:
    return a_service(name=name, channel=channel, approvals=ApprovalRule(approvers=approvers))


def an_audience(slack: FakeSlack, *services: ServiceConfig) -> Audience:
    clock = FakeClock()
    return Audience(services, Channels(slack.client, clock.now), Approvers(slack.client, clock.now))


def test_each_service_is_told_what_is_wrong_with_its_own(slack: FakeSlack) -> None:
    slack.members = (MAYA, OMAR)
    audience = an_audience(
        slack, a_team("details", "#releases", "@release-managers", MAYA), a_team("reviews", "#ops", "@nobody", MAYA)
    )
    assert audience.trouble() is None

    audience.check()

    notified = plain(audience.trouble() or "")
    assert notified.startswith("reviews: I see no channel #ops:")
    assert "Slack knows no user group @nobody" in notified
    assert "details" not in notified


def test_what_slack_does_not_say_is_no_finding(slack: FakeSlack) -> None:
    slack.down = True
    audience = an_audience(slack, a_team("reviews", "#ops", "@nobody"))

    audience.check()

    assert audience.trouble() is None
    assert [len(faults) for _, _, faults in audience.findings()] == [2]


def test_a_thousand_services_cost_a_handful_of_calls_and_one_readable_line(slack: FakeSlack) -> None:
    services = [a_team(f"s{number:03}", f"#c{number % 100}", "@release-managers") for number in range(1000)]
    slack.members = (MAYA,)
    audience = an_audience(slack, *services)

    audience.check()

    assert len(slack.calls) <= 5
    assert plain(audience.trouble() or "").endswith(" and 995 more services")


@pytest.mark.parametrize("status", [500, 429])
def test_a_slack_in_trouble_is_asked_once_a_reconcile(slack: FakeSlack, status: int) -> None:
    slack.fail("users.conversations", status=status, retry_after=30, times=100)
    audience = an_audience(slack, *(a_team(f"s{number}", f"#c{number}") for number in range(20)))

    audience.check()

    assert len(slack.said("users.conversations")) == 1
