"""Why a rollout was started is kept and shown where people decide and look back, in their own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.adapters.serialization import dump_rollout, load_rollout
from bot.model.rollout import Phase, Rollout
from bot.model.story import Entry, EntryKind
from bot.slack import replies
from bot.slack.cards import card
from bot.slack.thread import line
from sandbox.slack.blocks import check_blocks
from tests.builders import MAYA, a_rollout, changed
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_freezes import elements
from tests.unit.slack.test_listeners import Workspace, a_filled_form

HOSTILE = "*faster* <!channel> `checkout`"


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack)


def shown(rollout: Rollout) -> list[Any]:
    """The card, the question and the line of the history."""
    asked = line(rollout, Entry(at=1.0, kind=EntryKind.ASK, text="Go on?"))
    assert asked is not None
    past = replies.history("reviews", [changed(rollout, phase=Phase.ABORTED, ended_at=5.0)])
    return [card(rollout, [], 1.0).blocks, asked.message.blocks, past.blocks]


def test_a_typed_reason_is_kept_with_the_rollout(workspace: Workspace) -> None:
    workspace.types(f"start reviews v2 --because {HOSTILE}")

    (rollout,) = workspace.controller.live()
    assert rollout.spec.because == "*faster* @channel `checkout"
    assert load_rollout(dump_rollout(rollout)).spec.because == rollout.spec.because


def test_a_reason_in_the_form_is_kept_as_well_and_what_was_typed_is_filled_in(workspace: Workspace) -> None:
    workspace.types("start reviews --because it is time --weights 50,100 --for 5m --auto", user=MAYA)
    form = workspace.slack.said("views.update")[0]["view"]
    filled = {block["block_id"]: block["element"] for block in form["blocks"]}

    assert filled["service"]["initial_option"]["value"] == "reviews"
    assert [filled[name]["initial_value"] for name in ("because", "weights", "seconds")] == [
        "it is time",
        "50, 100",
        "300s",
    ]
    assert filled["auto"]["initial_options"]
    assert check_blocks(form["blocks"], "modal") == []

    workspace.submits(form, {**a_filled_form(), "because": {"value": "it is time"}})

    assert workspace.controller.live()[0].spec.because == "it is time"


def test_the_card_the_question_and_the_history_show_it_as_it_was_typed() -> None:
    for blocks in shown(changed(a_rollout(), because=HOSTILE)):
        texts = [one.get("text") for one in elements(blocks)]
        assert texts[texts.index("Reason: ") + 1] == HOSTILE
        assert check_blocks(list(blocks), "message") == []


def test_a_link_can_be_followed() -> None:
    for blocks in shown(changed(a_rollout(), because="https://git.example/mr/7")):
        assert "https://git.example/mr/7" in [one.get("url") for one in elements(blocks)]
        assert check_blocks(list(blocks), "message") == []


def test_a_rollout_of_an_older_version_has_no_reason() -> None:
    document = json.loads(dump_rollout(a_rollout()))
    del document["rollout"]["because"]

    assert load_rollout(json.dumps(document)).spec.because == ""
