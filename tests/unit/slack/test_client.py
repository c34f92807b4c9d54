"""Law: what came with a payload is answered at Slack's own addresses, and nowhere else."""

from __future__ import annotations

import pytest

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
