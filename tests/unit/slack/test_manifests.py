"""The two Slack manifests differ in how Slack reaches the bot, and in nothing else; both fit the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.slack import forms
from bot.slack.codes import ACCOUNT_SCOPE, SCOPES
from bot.slack.http_mode import PATH
from bot.slack.parsing import COMMAND
from sandbox.slack.scopes import MANIFEST

DEPLOY = Path(__file__).parents[3] / "deploy"
Manifest = dict[str, Any]


def read(name: str) -> Manifest:
    found: Manifest = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return found


def test_http_mode_adds_three_addresses_and_turns_the_socket_off() -> None:
    http, socket_mode = read("slack-manifest-http.yaml"), read("slack-manifest.yaml")
    (command,) = http["features"]["slash_commands"]
    events, clicks = http["settings"]["event_subscriptions"], http["settings"]["interactivity"]
    addresses = {command.pop("url"), events.pop("request_url"), clicks.pop("request_url")}

    assert {address.partition("example.com")[2] for address in addresses} == {PATH}
    assert http["settings"].pop("socket_mode_enabled") is False
    assert socket_mode["settings"].pop("socket_mode_enabled") is True
    assert http == socket_mode


def test_the_manifest_names_what_the_code_listens_to_and_asks_for_no_history() -> None:
    features, settings = read("slack-manifest.yaml")["features"], read("slack-manifest.yaml")["settings"]
    scopes = read("slack-manifest.yaml")["oauth_config"]["scopes"]["bot"]

    assert features["slash_commands"][0]["command"] == COMMAND
    assert features["slash_commands"][0]["should_escape"] is True
    assert features["shortcuts"][0]["callback_id"] == forms.START
    assert settings["event_subscriptions"]["bot_events"] == sorted(settings["event_subscriptions"]["bot_events"])
    assert scopes == sorted({"app_mentions:read", "commands", ACCOUNT_SCOPE} | SCOPES)
    assert frozenset(scopes) == MANIFEST  # the stand-in grants what the real one would
