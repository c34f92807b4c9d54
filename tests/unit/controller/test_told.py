"""A rollout is one that somebody is told of, or it does not begin."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.errors import Fault, Refusal
from bot.model.rollout import Phase
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.unit.controller.test_controller import Rig

INVITE = "I am not in #releases: type `/invite @canary` there."


def test_a_start_whose_card_nobody_would_see_changes_nothing() -> None:
    rig = Rig()
    rig.channels.why = {"#releases": INVITE}
    before = rig.mesh.virtual_service()

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert tuple(map(plain, refused.value.reasons)) == (f"Nobody would be told of it. {INVITE}",)
    assert rig.mesh.virtual_service() == before
    assert rig.workloads.applied == []
    assert rig.newest().phase is Phase.REFUSED


def test_it_is_told_together_with_everything_else_also_where_nothing_can_be_decided() -> None:
    rig = Rig()
    rig.channels.why = {"#releases": INVITE}
    rig.snapshots.found = replace(rig.snapshots.found, service=None)

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert plain(refused.value.reasons[0]) == f"Nobody would be told of it. {INVITE}"
    assert any("There is no Service reviews" in reason for reason in map(plain, refused.value.reasons))


def test_a_slack_that_does_not_say_keeps_nobody_from_starting() -> None:
    rig = Rig()
    rig.channels.outage = Fault("Slack", "cannot be reached.")

    rig.start()

    assert rig.live().phase is Phase.MIRRORING
    assert any(
        "Whether the card can be posted to #releases is not known: Slack cannot be reached." in text
        for text in rig.said(EntryKind.STARTED)
    )


def test_a_plan_says_that_the_card_could_not_be_posted() -> None:
    rig = Rig()
    rig.channels.why = {"#releases": INVITE}

    assert f"Stops a start: Nobody would be told of it. {INVITE}" in map(
        plain, rig.controller.plan("reviews", "v2").findings
    )


def test_what_is_live_is_not_asked_about_its_channel_any_more() -> None:
    rig = Rig()
    rig.start()
    assert rig.channels.asked == ["#releases"]
    rig.channels.why = {"#releases": "#releases is archived."}

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert rig.channels.asked == ["#releases"]
