"""An abort is rehearsed: on a service that is marked for it, with copies alone, and its time is told."""

from __future__ import annotations

import json

import pytest

from bot.controller.decisions import Abort, By
from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.model.rollout import HOME, Phase, Rollout, RolloutId
from bot.model.story import Entry, EntryKind
from bot.slack import replies
from bot.slack.cards import buttons, card
from bot.slack.thread import line
from bot.words.language import Language
from bot.words.rendering import Voice, plain
from tests.builders import MAYA, OMAR, a_rollout, a_service, changed, routes
from tests.unit.controller.test_controller import Rig


class Marked(Rig):
    """A service whose aborts may be rehearsed."""

    def __init__(self) -> None:
        super().__init__(a_service(drill=True))

    def drill(self) -> Rollout:
        return self.controller.drill("reviews", "v2", by=MAYA)


def test_it_mirrors_is_aborted_as_if_v2_had_failed_and_moves_no_user() -> None:
    world = Marked()
    before = world.mesh.virtual_service()
    begun = world.drill()
    assert [stage.name for stage in begun.spec.plan] == ["mirror"]

    over = world.until(lambda rollout: rollout.ended, approve=False)

    assert over.phase is Phase.ABORTED
    assert world.mesh.written == [routes(0, mirror=True), HOME, HOME]
    assert world.mesh.virtual_service()["spec"] == before["spec"]
    assert world.workloads.applied == []
    assert over.drilled is not None


def test_without_any_traffic_it_is_aborted_when_its_time_is_up() -> None:
    world = Marked()
    world.metrics.sides = {}
    world.drill()
    over = world.until(lambda rollout: rollout.ended, approve=False)
    assert over.stopped is not None
    assert over.stopped.at - over.spec.started_at >= world.service.mirror_seconds


def test_everywhere_it_is_told_it_is_called_a_drill_and_its_time_is_told() -> None:
    world = Marked()
    world.drill()
    over = world.until(lambda rollout: rollout.ended, approve=False)
    story = world.controller.story(over)
    ended = next(one for one in story if one.kind is EntryKind.ENDED)
    shown_last = line(over, ended)
    assert shown_last is not None
    shown = [
        card(over, story, 1.0).blocks,
        replies.history("reviews", [over]).blocks,
        shown_last.message.blocks,
    ]

    for blocks in shown:
        text = json.dumps(blocks, ensure_ascii=False)
        assert "(drill)" in text
        assert "after the decision." in text
    assert "This is a drill: v2 is taken to have failed." in " ".join(plain(one.text) for one in story)
    assert "No user meets it." in world.said(EntryKind.STARTED)[0]
    assert len(buttons(over)) == 1


def test_a_drills_abort_is_read_in_the_channel_as_one_and_calls_nobody() -> None:
    world = Marked()
    world.drill()
    over = world.until(lambda rollout: rollout.ended, approve=False)
    said = [line(over, entry, ("S0MANAGERS",)) for entry in world.controller.story(over)]
    loud = [one.message for one in said if one is not None and one.broadcast]

    assert loud
    assert [one for one in loud if "'type': 'user" in str(one.blocks)] == []
    assert all("(drill)" in one.text for one in loud)


def test_an_incident_in_a_drill_calls_people_as_any_other() -> None:
    world = Marked()
    begun = world.drill()
    alert = Entry(at=1.0, kind=EntryKind.ALERT, text="v1 fails.")
    aborted = world.decide(Abort("The mirror hurts v1."), by=OMAR)
    ended = next(one for one in world.controller.story(aborted) if one.kind is EntryKind.ENDED)

    for rollout, entry in ((begun, alert), (aborted, ended)):
        shown = line(rollout, entry, ("S0MANAGERS",))
        assert shown is not None
        assert "S0MANAGERS" in str(shown.message.blocks)


def test_in_chinese_a_drill_is_called_one_as_well() -> None:
    world = Marked()
    shown = card(world.drill(), (), 1.0, Voice(language=Language.CHINESE))

    assert "演练" in json.dumps(shown.blocks, ensure_ascii=False)
    assert "(drill)" not in json.dumps(shown.blocks, ensure_ascii=False)


def test_a_service_that_is_not_marked_says_what_to_write() -> None:
    world = Rig()
    with pytest.raises(Refusal, match=r"Write `drill: true` under it in services\.yaml"):
        world.controller.drill("reviews", "v2", by=MAYA)
    assert world.mesh.written == []


def test_a_freeze_stops_a_drill_as_well() -> None:
    world = Marked()
    world.controller.freeze(ALL, by=OMAR, reason="audit", seconds=None)
    with pytest.raises(Refusal) as refused:
        world.drill()
    assert any("All services are frozen" in plain(reason) for reason in refused.value.reasons)


def test_a_drill_is_no_release_that_a_rollback_or_a_retry_would_be_about() -> None:
    world = Marked()
    world.start()
    world.until(lambda rollout: rollout.phase is Phase.PROMOTED)
    now = world.clock.now()
    drilled = changed(
        a_rollout(world.service), id=RolloutId("r-9"), started_at=now, phase=Phase.ABORTED, drill=True, ended_at=now
    )
    world.store.create(drilled, ())

    assert world.controller.retries("reviews") == ()
    assert world.controller.rollback("reviews", by=By(id=OMAR)).spec.back_to == "1"
