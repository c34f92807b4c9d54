"""A rollout recorded from Prometheus, as the file that a replay reads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.analysis.judge.replay import replay
from bot.cli.record import Wanted, record
from bot.cli.status import replayed
from bot.model.errors import Refusal
from bot.model.rollout import Phase, StageOutcome, StepBack, Stopped, Walked
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, a_side_of
from tests.fakes.metrics import FakeMetrics

NOW = 1_750_003_600.0
SIDES = {"default/reviews-v1": a_side_of(400, 1), "default/reviews-v2": a_side_of(100)}


def recorded(**wanted: Any) -> list[dict[str, Any]]:
    given = Wanted(**{"service": a_service(), "seconds": 3600.0, "version": None, "rollout": None, **wanted})
    return [json.loads(line) for line in record(given, FakeMetrics(past=SIDES), NOW)]


def left(name: str, began: float, ended: float) -> Walked:
    return Walked(name=name, outcome=StageOutcome.DONE, began=NOW + began, ended=NOW + ended)


def test_the_stages_are_those_that_it_went_through_and_the_primarys_past_comes_first() -> None:
    walked = (left("mirror", -600, -300),)
    rollout = a_rollout(started_at=NOW - 600, phase=Phase.SHIFTING, stage=1, since=NOW - 300, walked=walked)
    past, *rows = recorded(rollout=rollout)

    assert len(past["history"]) == 240
    assert [row["stage"] for row in rows] == ["mirror"] * 19 + [20] * 20
    assert rows[-1]["t"] == NOW - 15  # what was answered in the last ten seconds may not be stored yet
    assert rows[0]["canary"]["requests"] == 100
    assert rows[0]["primary"]["buckets"]["+Inf"] == 400


def test_it_ends_where_users_begin_to_return() -> None:
    rollout = a_rollout(started_at=NOW - 600, phase=Phase.SWITCHING_BACK, stage=7, since=NOW - 300)

    assert rollout.current.name == "switchback 50"
    assert recorded(rollout=rollout)[-1]["t"] == NOW - 300


def test_it_ends_where_it_was_aborted() -> None:
    walked = (left("mirror", -600, -300),)
    stopped = Stopped(at=NOW - 300)
    rollout = a_rollout(started_at=NOW - 600, phase=Phase.ABORTED, walked=walked, stopped=stopped, ended_at=NOW - 200)

    assert recorded(rollout=rollout)[-1]["t"] == NOW - 300


def test_copies_after_a_step_back_are_a_mirror_and_the_weight_after_it_is_its_own() -> None:
    walked = (left("mirror", -600, -450), left("shift 40", -450, -300), left("copies 40", -300, -150))
    rollout = a_rollout(started_at=NOW - 600, phase=Phase.SHIFTING, stage=1, since=NOW - 150, walked=walked)
    rollout = replace(rollout, step_backs=(StepBack(at=NOW - 300, share=40),))
    target = replace(rollout.spec.target, mirror_methods=("GET", "HEAD"))
    rows = recorded(rollout=replace(rollout, spec=replace(rollout.spec, target=target)))[1:]

    assert [row["stage"] for row in rows] == ["mirror"] * 9 + [40] * 10 + ["mirror"] * 10 + [20] * 10
    assert all(row.get("limited", False) == (row["stage"] == "mirror") for row in rows)


def test_what_was_recorded_can_be_replayed() -> None:
    lines = [json.dumps(line) for line in recorded(version="v2", seconds=300.0)]
    answers = list(replay(lines))

    assert [answer["verdict"] for answer in answers[:-1]].count("watch") > 0
    assert plain(replayed(answers[0])).startswith("16:01:55  watch")
    assert plain(replayed(answers[-1])).startswith("not aborted; passed: ")


def test_without_a_rollout_it_asks_for_the_version() -> None:
    with pytest.raises(
        Refusal, match=r"has had no rollout: say which version .*`canary-bot record reviews --version V`"
    ):
        recorded()


def test_that_copies_were_of_some_requests_only_is_recorded() -> None:
    rollout = a_rollout(started_at=NOW - 600, phase=Phase.MIRRORING)
    target = replace(rollout.spec.target, mirror_methods=("GET", "HEAD"))
    some = replace(rollout, spec=replace(rollout.spec, target=target))

    assert {row.get("limited") for row in recorded(rollout=some)[1:]} == {True}
    assert {row.get("limited") for row in recorded(version="v2")[1:]} == {None}
