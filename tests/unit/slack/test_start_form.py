"""The start form offers what the cluster has, stays open while preflight runs, and shows what was found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import Fault, Refusal
from bot.rollout.plans import Overrides
from bot.slack import forms
from bot.slack.forms import SERVICE_CHOSEN, StartForm, start_form
from bot.slack.grammar import Verb
from bot.slack.listeners import SHOWN_AFTER
from bot.slack.parsing import Command
from bot.words.language import Language
from bot.words.rendering import ENGLISH, Voice
from bot.words.sentence import Person, Share, said, together
from sandbox.slack.blocks import check_blocks
from tests.builders import MAYA, a_freeze, a_service
from tests.fakes.slack_client import TEAM, FakeSlack
from tests.unit.slack.test_freezes import shown
from tests.unit.slack.test_listeners import Workspace, a_filled_form, filled_in


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack)


def fields(view: dict[str, Any]) -> dict[str, Any]:
    return {block["block_id"]: block["element"] for block in view["blocks"] if block["type"] == "input"}


def versions(view: dict[str, Any], service: str) -> list[str]:
    return [one["value"] for one in fields(view)[f"version:{service}"]["options"]]


def submitted(workspace: Workspace, **filled: Any) -> tuple[str, list[dict[str, Any]]]:
    """Submit the open form V1; what Slack is answered at once, and what it shows after that."""
    workspace.types("start reviews")
    form = {**workspace.slack.said("views.update")[-1]["view"], "id": "V1", "hash": f"h{len(workspace.slack.calls)}"}
    workspace.slack.forget()
    response = workspace.submits(form, {**a_filled_form(), **filled})
    return str(response.body), [one["view"] for one in workspace.slack.said("views.update")]


def test_a_service_that_is_named_is_chosen_and_its_versions_are_offered(workspace: Workspace) -> None:
    workspace.controller.deployed = {"reviews": ("v3", "v2")}

    workspace.types("start reviews")

    (updated,) = workspace.slack.said("views.update")
    assert fields(updated["view"])["service"]["initial_option"]["value"] == "reviews"
    assert versions(updated["view"], "reviews") == ["v3", "v2"]
    assert check_blocks(updated["view"]["blocks"], "modal") == []


def test_choosing_a_service_shows_its_versions_and_the_chosen_one_is_started(workspace: Workspace) -> None:
    workspace.controller.deployed = {"reviews": ("v3", "v2")}
    workspace.types("start")
    form = {**workspace.slack.said("views.open")[0]["view"], "id": "V1"}
    chosen = {"service": {"selected_option": {"value": "reviews"}}, "because": {"value": "it is time"}}

    workspace.dispatch(
        {
            "type": "block_actions",
            "team": {"id": TEAM},
            "user": {"id": MAYA, "team_id": TEAM},
            "trigger_id": "t5",
            "view": filled_in(form, chosen),
            "actions": [{"type": "static_select", "action_id": SERVICE_CHOSEN, "block_id": "service"}],
        }
    )

    (updated,) = workspace.slack.said("views.update")
    assert (updated["view_id"], versions(updated["view"], "reviews")) == ("V1", ["v3", "v2"])
    assert fields(updated["view"])["because"]["initial_value"] == "it is time"

    picked = {"version": None, "version:reviews": {"selected_option": {"value": "v3"}}}
    values = {name: value for name, value in {**a_filled_form(), **picked}.items() if value}
    workspace.submits({**updated["view"], "id": "V1", "hash": "h9"}, values)

    assert [rollout.spec.version for rollout in workspace.controller.live()] == ["v3"]


@pytest.mark.parametrize("deployed", [(), tuple(f"v{number}" for number in range(101))])
def test_where_no_list_can_be_made_the_version_is_typed(workspace: Workspace, deployed: tuple[str, ...]) -> None:
    workspace.controller.deployed = {"reviews": deployed}

    workspace.types("start reviews")

    (updated,) = workspace.slack.said("views.update")
    assert fields(updated["view"])["version"]["type"] == "plain_text_input"


@pytest.mark.parametrize("typed", ["start", "start reviews"])
@pytest.mark.parametrize("deployed", [(), ("v3", "v2")])
def test_no_field_can_be_filled_in_that_an_update_takes_away(
    workspace: Workspace, typed: str, deployed: tuple[str, ...]
) -> None:
    workspace.controller.deployed = {"reviews": deployed}

    workspace.types(typed)

    (opened,), updated = workspace.slack.said("views.open"), workspace.slack.said("views.update")
    for call in updated:
        kept = set(fields(opened["view"])) & set(fields(call["view"]))
        assert kept == set(fields(opened["view"]))
        assert all(fields(call["view"])[one]["type"] == fields(opened["view"])[one]["type"] for one in kept)


def test_whoever_sends_the_form_before_the_versions_came_is_asked_to_wait_beside_the_service(
    workspace: Workspace,
) -> None:
    workspace.types("start")
    form = {**workspace.slack.said("views.open")[-1]["view"], "id": "V1", "hash": "h1"}
    assert set(fields(form)) >= {"service", "because"}
    assert not any(name.startswith("version") for name in fields(form))

    response = workspace.submits(form, {"service": {"selected_option": {"value": "reviews"}}})

    assert json.loads(str(response.body))["errors"] == {
        "service": "Choose the service first: its versions follow below it."
    }
    assert workspace.controller.asked == []


def test_the_form_says_that_it_checks_and_then_where_the_card_is(workspace: Workspace) -> None:
    at_once, after = submitted(workspace)

    assert json.loads(at_once)["response_action"] == "update"
    assert workspace.paused == [SHOWN_AFTER]  # so that the answer does not come before what it answers
    assert "Checking reviews v2." in shown(json.loads(at_once)["view"]["blocks"])
    assert shown(after[0]["blocks"]) == "Started reviews v2: the card is in #releases."
    assert workspace.slack.said("chat.postEphemeral") == workspace.slack.said("chat.postMessage") == []


def below(view: dict[str, Any], field: str) -> str:
    """What stands between a field and the next one."""
    ids = [block.get("block_id", "") for block in view["blocks"]]
    place = next(number for number, one in enumerate(ids) if one.partition(":")[0] == field)
    end = next((number for number in range(place + 1, len(ids)) if ids[number]), len(ids))
    return shown(view["blocks"][place + 1 : end])


def test_each_finding_stands_below_the_field_that_it_is_about(workspace: Workspace) -> None:
    on_canary = said("preflight.just_changed", name="reviews-v2")
    on_both = together((said("preflight.kept_by", thing="Deployment default/reviews-v2", owner="Helm"), "Mend it."))
    on_primary = said("preflight.just_changed", name="reviews-v1")
    on_weights = said("cluster.share_is_not_whole", ours=67, share=Share(0.2))
    on_auto = said("slack.no_approver", names=(Person("S0MANAGERS"),))
    found = [on_canary, on_primary, on_weights, on_both, on_auto, "reviews-v2 is mentioned by somebody else."]
    workspace.controller.outage = Refusal("reviews v2 was not started.", found)

    _, (refused,) = submitted(workspace)

    assert shown(refused["blocks"][:1]) == "reviews v2 was not started."
    assert below(refused, "version").count("reviews-v2") == 2
    assert "reviews-v1" in below(refused, "service")
    assert "mentioned by somebody else" in below(refused, "service")
    assert "67\N{NO-BREAK SPACE}%" in below(refused, "weights")
    assert "approve" in below(refused, "auto")
    assert below(refused, "because") == below(refused, "seconds") == ""


@pytest.mark.parametrize(
    "outage",
    [
        Refusal("reviews v2 was not started.", [said("controller.plan_finish", routes="*x*"), "<!channel> `x`"]),
        Fault("Kubernetes", "cannot be reached."),
    ],
)
def test_what_was_found_stands_in_the_form_with_all_that_was_typed_and_can_be_sent_again(
    workspace: Workspace, outage: Exception
) -> None:
    workspace.controller.outage = outage

    _, (refused,) = submitted(workspace, because={"value": "it is time"})

    assert fields(refused)["version"]["initial_value"] == "v2"
    assert fields(refused)["because"]["initial_value"] == "it is time"
    assert fields(refused)["service"]["initial_option"]["value"] == "reviews"
    assert ("was not started." if isinstance(outage, Refusal) else "Kubernetes: cannot be reached.") in shown(
        refused["blocks"]
    )
    if isinstance(outage, Refusal):
        assert "*x*" in shown(refused["blocks"])
        assert "<!channel> `x`" in shown(refused["blocks"])
    assert check_blocks(refused["blocks"], "modal") == []
    assert workspace.slack.said("chat.postEphemeral") == workspace.slack.said("chat.postMessage") == []

    workspace.controller.outage = None
    workspace.submits({**refused, "id": "V1", "hash": "another"}, a_filled_form())
    assert [one[0] for one in workspace.controller.asked] == ["start"]


@pytest.mark.parametrize(
    ("outage", "answer"),
    [(None, "Started reviews v2"), (Refusal("reviews v2 was not started."), "reviews v2 was not started.")],
)
def test_whoever_closed_the_form_meanwhile_is_told_in_private(
    workspace: Workspace, outage: Exception | None, answer: str
) -> None:
    workspace.slack.closed_views = {"V1"}
    workspace.controller.outage = outage

    submitted(workspace)

    (whisper,) = workspace.slack.said("chat.postEphemeral")
    assert whisper["text"].startswith(answer)


TEXTS = st.text(max_size=3000) | st.sampled_from(["*x* <!channel> `y` & <https://evil.example|ok>", "中" * 3000])


@given(
    st.lists(TEXTS, max_size=60),
    st.sampled_from(Language),
    st.lists(st.text("abcv0123456789._-", min_size=1, max_size=128), max_size=120, unique=True),
    TEXTS,
)
def test_whatever_is_found_is_a_form_that_slack_takes(
    findings: list[str], language: Language, deployed: list[str], because: str
) -> None:
    asked = Command(
        verb=Verb.START,
        service="reviews",
        version="v2",
        reason=because[:500],
        overrides=Overrides(weights=(50, 100), auto=True),
    )
    form = StartForm(
        services=[a_service()],
        channel="C0RELEASES",
        asked=asked,
        versions=deployed,
        frozen=[a_freeze(scope=f"service-{number}") for number in range(30)],
        findings=findings,
    )

    view = start_form(form, Voice(language=language))

    assert check_blocks(view["blocks"], "modal") == []
    assert len(view["blocks"]) <= 100
    assert len(view["title"]["text"]) <= 24


def test_a_workspace_without_services_is_told_so() -> None:
    assert "names no service" in shown(forms.start_form(StartForm(services=[]), ENGLISH)["blocks"])
