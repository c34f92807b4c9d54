"""In which language people are told something, and what our command is called there."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from slack_bolt import BoltRequest

from bot.model.errors import Refusal
from bot.model.rollout import Phase
from bot.settings.services import catalogue_of
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.cards import card
from bot.slack.voices import Voices
from bot.words.language import Language
from bot.words.rendering import Voice
from bot.words.sentence import TypedIn, said
from tests.builders import a_rollout, a_service
from tests.fakes.controller_port import FakeController
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_listeners import SECRET, Inline, Workspace

CHINESE = Voice(language=Language.CHINESE, command="/jsq")
YAML = """
channels:
  "#releases-cn": {language: zh_cn}
services:
"""


def service(name: str, more: str) -> str:
    own = f"virtual_service: {name}, destination_rule: {name}, primary: {{deployment: {name}-v1}}"
    return f'  {name}: {{namespace: default, {own}, canary: {{deployment: "{name}-{{version}}"}}, {more}}}\n'


def test_a_service_speaks_its_own_language_else_its_channels_else_the_bots() -> None:
    chinese = service("a", 'channel: "#releases-cn"') + service("b", 'channel: "#releases-cn", language: en')
    text = YAML + chinese + service("c", 'channel: "#releases"')

    catalogue = catalogue_of(text.encode(), Path("services.yaml"))

    assert [catalogue.get(name).language for name in "abc"] == [Language.CHINESE, Language.ENGLISH, None]
    assert catalogue.languages == {"#releases-cn": Language.CHINESE}


def test_a_rollout_keeps_the_language_it_began_with() -> None:
    voices = Voices(Voice(command="/jsq"))

    assert voices.of(a_rollout(language="zh_cn")) == CHINESE
    assert voices.of(a_rollout(language="en")) == Voice(command="/jsq")
    # An older version stored none, a newer one may speak another.
    assert voices.of(a_rollout()) == voices.own
    assert voices.of(a_rollout(language="tlh")) == voices.own


def test_answers_are_given_in_the_language_of_their_channel() -> None:
    services = [a_service(channel="#shop", language=Language.CHINESE), a_service(name="x", channel="#both")]
    services.append(a_service(name="y", channel="#both", language=Language.CHINESE))
    voices = Voices(Voice(), services, {"#releases-cn": Language.CHINESE, "C0CN00001": Language.CHINESE})

    def spoken(channel: str, name: str = "") -> str:
        return voices.in_channel(channel, name).language

    assert spoken("C1", "releases-cn") == "zh_cn"
    assert spoken("C0CN00001") == "zh_cn"
    assert spoken("C2", "shop") == "zh_cn"  # every service that is told there speaks it
    assert spoken("C3", "both") == "en"
    assert spoken("D1") == "en"
    assert spoken("C1") == "zh_cn"  # a mention comes without the name, which was heard before
    voices.use([], {})
    assert spoken("C1", "releases-cn") == "en"


@pytest.fixture
def chinese(slack: FakeSlack) -> Workspace:
    """A bot that speaks Chinese, and whose command is ``/jsq``."""
    workspace = Workspace(slack)
    workspace.app = build_app(
        controller=workspace.controller,
        client=slack.client,
        approvers=Approvers(slack.client, time.monotonic),
        clock=workspace.controller.clock,
        signing_secret=SECRET,
        executor=Inline(),
        voices=Voices(CHINESE),
    )
    return workspace


def types(workspace: Workspace, text: str) -> str:
    body = workspace.command_body(text, trigger=text) | {"command": "/jsq"}
    workspace.app.dispatch(BoltRequest(mode="socket_mode", body=body))
    return json.dumps(workspace.slack.said("respond")[-1], ensure_ascii=False)


def test_a_refusal_is_said_in_the_readers_language_and_with_their_command(chinese: Workspace) -> None:
    chinese.controller.outage = Refusal(
        said("controller.already_rolling_out", version="v2", where="x", command=TypedIn("status reviews"))
    )

    assert "`/jsq status reviews`" in types(chinese, "abort reviews")


def test_a_status_is_told_in_the_readers_language(chinese: Workspace) -> None:
    chinese.controller.begin("reviews", "v2")

    assert "流量镜像中" in types(chinese, "status reviews")


def test_a_card_is_drawn_in_the_language_of_its_rollout() -> None:
    message = card(a_rollout(phase=Phase.SHIFTING, stage=1, settled_at=5.0), (), 10.0, CHINESE)

    assert message.text == "reviews 1 → v2\uff1a20 % 的用户在 v2 上。"


def test_a_rollout_begins_in_the_language_of_its_service() -> None:
    controller = FakeController(a_service(language=Language.CHINESE))

    assert controller.begin("reviews", "v2").spec.language == "zh_cn"
