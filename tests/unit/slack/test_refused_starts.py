"""Starts that were refused are told where somebody looks for them, and are never "the last rollout"."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.model.rollout import Phase, RolloutId
from tests.builders import OMAR, a_rollout, a_service
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_listeners import Workspace


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    """Of reviews, whose one rollout was followed by a dozen starts that were refused."""
    workspace = Workspace(slack)
    store, made = workspace.controller.store, replace(a_rollout(), ended_at=1000.0)
    store.create(replace(made, phase=Phase.PROMOTED), [])
    for number in range(12):
        spec = replace(made.spec, id=RolloutId(f"r-no{number}"), version="v9", started_at=2000.0 + number)
        store.create(replace(made, spec=spec, phase=Phase.REFUSED, reason=f"no pod is ready ({number})"), [])
    return workspace


def answer(workspace: Workspace, command: str) -> str:
    workspace.types(command)
    return json.dumps(workspace.slack.said("respond")[-1])


def test_the_history_shows_rollouts_and_the_newest_few_refused_starts(workspace: Workspace) -> None:
    said = answer(workspace, "history reviews")

    assert "v2" in said
    assert [number for number in range(12) if f"({number})" in said] == [7, 8, 9, 10, 11]
    assert said.index("(11)") < said.index("(7)") < said.index("live for everyone")


@pytest.mark.parametrize("command", ["why reviews", "status reviews"])
def test_the_last_rollout_is_the_last_that_began(command: str, workspace: Workspace) -> None:
    said = answer(workspace, command)

    assert "v2" in said
    assert "v9" not in said


def test_the_home_shows_what_has_begun(workspace: Workspace) -> None:
    workspace.event({"type": "app_home_opened", "tab": "home", "user": OMAR})

    (view,) = workspace.slack.said("views.publish")
    assert "v2" in json.dumps(view)
    assert "v9" not in json.dumps(view)


def test_where_nothing_has_ever_begun_why_tells_why_it_was_refused(workspace: Workspace) -> None:
    store = workspace.controller.store
    made = replace(a_rollout(a_service(name="ratings")), reason="the service is frozen")
    store.create(replace(made, phase=Phase.REFUSED), [])

    assert "the service is frozen" in answer(workspace, "why ratings")
