"""What ``canary-bot check`` says of Slack: the token, its scopes, and each service's channel and approvers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cli.check import Line, check
from bot.settings.env import read_settings
from bot.words.rendering import plain
from sandbox.catalogue import reviews, services_yaml
from sandbox.kube.server import KubeApi
from sandbox.slack import Slack, UserGroup
from sandbox.slack.scopes import MANIFEST


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack(scopes=MANIFEST) as workspace:
        yield workspace


@pytest.fixture
def kube() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02) as api:
        yield api


def lines(slack: Slack, kube: KubeApi, folder: Path, **service: Any) -> list[Line]:
    """The lines about Slack, and those that come after it."""
    file = folder / "services.yaml"
    file.write_text(services_yaml({"reviews": reviews(**service)}))
    settings = read_settings(
        {
            "KUBECONFIG": str(kube.write_kubeconfig(folder / "kubeconfig")),
            "SERVICES_FILE": str(file),
            "PROMETHEUS_URL": "http://127.0.0.1:9",  # nobody listens there
            "REDIS_URL": "redis://127.0.0.1:9/0",
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_URL": f"{slack.url}/api/",
        }
    )
    said = list(check(settings))
    return said[[line.part for line in said].index("slack") :]


def test_a_service_whose_channel_and_approvers_are_there_is_fine(slack: Slack, kube: KubeApi, tmp_path: Path) -> None:
    token, service = lines(slack, kube, tmp_path)

    assert (token.ok, service.ok, service.part) == (True, True, "reviews")
    assert plain(service.sentence).startswith("#releases is open to the bot; approvers: ")


def test_everything_that_is_wrong_with_a_service_is_told_at_once(slack: Slack, kube: KubeApi, tmp_path: Path) -> None:
    group = slack.workspace.usergroups["S0RELMGRS1"]
    slack.workspace.put_usergroup(replace(group, disabled_at=1))
    slack.workspace.put_usergroup(UserGroup(id="S0EMPTY001", handle="empty", name="Empty", members=()))

    _, service = lines(
        slack, kube, tmp_path, channel="#general", approvers=["@Release-Managers", "@nobody", "@empty", "U0MAYA0001"]
    )

    assert not service.ok
    assert "I am not in #general: type `/invite @canary` there." in plain(service.sentence)
    assert "The user group @Release-Managers is disabled" in plain(service.sentence)
    assert "Slack knows no user group @nobody" in plain(service.sentence)
    assert "The user group @empty is empty" in plain(service.sentence)


def test_scopes_that_are_missing_are_named_all_at_once(slack: Slack, kube: KubeApi, tmp_path: Path) -> None:
    slack.scopes = MANIFEST - {"channels:read", "groups:read"}

    (token,) = lines(slack, kube, tmp_path)

    assert not token.ok
    assert "The app lacks the scopes channels:read and groups:read" in plain(token.sentence)


def test_an_app_of_a_whole_organisation_is_explained(slack: Slack, kube: KubeApi, tmp_path: Path) -> None:
    slack.org_wide = True

    (token,) = lines(slack, kube, tmp_path)

    assert not token.ok
    assert "Install it into that workspace itself" in plain(token.sentence)
