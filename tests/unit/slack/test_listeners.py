"""From Slack's payloads to the controller and back, through Bolt as in production, without a server of ours."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from slack_bolt import BoltRequest, BoltResponse

from bot.controller.decisions import ButtonToken
from bot.model.errors import Fault, Refusal
from bot.model.rollout import Phase, Rollout, RolloutId, UserId
from bot.model.service import ApprovalRule, ServiceConfig
from bot.rollout.plans import Overrides
from bot.slack.approvers import Approvers
from bot.slack.blocks import Block
from bot.slack.bolt_app import build_app
from bot.slack.cards import ABORT, ACCEPT, APPROVE, DETAILS, PAUSE, RESTORE, RETRY, buttons
from bot.slack.client import web_client
from bot.slack.voices import Voices
from sandbox.slack.blocks import check_blocks
from tests.builders import LENA, MAYA, OMAR, a_drift, a_service
from tests.fakes.controller_port import FakeController
from tests.fakes.slack_client import TEAM, FakeSlack

SECRET = "the signing secret"
RULE = ApprovalRule(approvers=("@release-managers",))


class Inline(Executor):
    """Runs what it is given at once, so that ``dispatch`` returns when everything is done."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Workspace:
    """People who type and click; the answers are in ``slack``."""

    def __init__(
        self,
        slack: FakeSlack,
        *services: ServiceConfig,
        controller: FakeController | None = None,
        voices: Voices | None = None,
    ) -> None:
        self.slack = slack
        slack.members = (MAYA, OMAR)
        self.controller = controller or FakeController(
            *services or (a_service(approvals=RULE), a_service(name="ratings"))
        )
        self.late = 0.0
        self.now = 10.0  # as Slack's messages have it
        self.paused: list[float] = []
        self._elapsed = itertools.count()
        self._serial = itertools.count(1)
        self.app = build_app(
            controller=self.controller,
            client=slack.client,
            approvers=Approvers(slack.client, time.monotonic),
            clock=self.controller.clock,
            signing_secret=SECRET,
            executor=Inline(),
            monotonic=lambda: next(self._elapsed) * self.late,
            pause=self.paused.append,
            now=lambda: self.now,
            voices=voices,
        )

    def dispatch(self, body: dict[str, Any]) -> BoltResponse:
        return self.app.dispatch(BoltRequest(mode="socket_mode", body=body))

    def types(self, text: str, user: UserId = MAYA, trigger: str = "") -> BoltResponse:
        return self.dispatch(self.command_body(text, user, trigger or f"t{next(self._serial)}"))

    def command_body(self, text: str, user: UserId = MAYA, trigger: str = "t0") -> dict[str, Any]:
        return {
            "command": "/canary",
            "text": text,
            "team_id": TEAM,
            "user_id": user,
            "channel_id": "C0RELEASES",
            "channel_name": "releases",
            "trigger_id": trigger,
            "response_url": self.slack.response_url,
        }

    def clicks(self, action_id: str, value: str, user: UserId = MAYA, team: str = TEAM, **changes: Any) -> BoltResponse:
        body = {
            "type": "block_actions",
            "team": {"id": TEAM},
            "user": {"id": user, "team_id": team},
            "channel": {"id": "C0RELEASES", "name": "releases"},
            "trigger_id": f"t{next(self._serial)}",
            "response_url": self.slack.response_url,
            "actions": [{"type": "button", "action_id": action_id, "block_id": "b", "value": value}],
        }
        return self.dispatch({k: v for k, v in {**body, **changes}.items() if v is not None})

    def submits(self, view: dict[str, Any], values: dict[str, Any], user: UserId = MAYA) -> BoltResponse:
        submitted = filled_in(view, values)
        return self.dispatch(
            {
                "type": "view_submission",
                "team": {"id": TEAM},
                "user": {"id": user, "team_id": TEAM},
                "view": submitted,
            }
        )

    def event(self, event: dict[str, Any], event_id: str = "") -> BoltResponse:
        event_id = event_id or f"Ev-{next(self._serial)}"
        return self.dispatch({"type": "event_callback", "team_id": TEAM, "event_id": event_id, "event": event})

    def mentions(self, text: str, user: UserId = MAYA, event_id: str = "") -> BoltResponse:
        event = {"type": "app_mention", "user": user, "team": TEAM, "text": f"<@U0BOT00001> {text}"}
        return self.event({**event, "channel": "C0RELEASES", "ts": "9.1", "thread_ts": "9.0"}, event_id)

    def asking(self) -> Rollout:
        """A rollout that asks for approval of leaving the mirror, started by Lena."""
        rollout = self.controller.begin(by=LENA)
        return self.controller.change(rollout.spec.service, asked_at=self.controller.clock.now(), evidence=5)


def filled_in(view: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A form as Slack sends it, with what was typed and chosen by block."""
    return {**view, "type": "modal", "state": {"values": {block: {"value": value} for block, value in values.items()}}}


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack)


def value_of(rollout: Rollout, action_id: str) -> str:
    return str(next(button["value"] for button in buttons(rollout) if button["action_id"] == action_id))


# Commands


def test_a_start_reaches_the_controller_and_the_person_hears_where_the_card_is(workspace: Workspace) -> None:
    response = workspace.types("start reviews v2 --weights 50,100 --auto")

    assert response.status == 200
    assert workspace.controller.asked == [("start", "reviews", MAYA)]
    assert workspace.controller.overrides == Overrides(weights=(50, 100), auto=True)
    assert workspace.slack.notified() == "Started reviews v2: the card is below."
    assert workspace.slack.said("respond")[0]["response_type"] == "ephemeral"


def test_an_answer_whose_address_is_used_up_reaches_the_person_all_the_same(workspace: Workspace) -> None:
    workspace.slack.fail("respond", "expired_url", status=404)

    workspace.types("status nobody")

    (whisper,) = workspace.slack.said("chat.postEphemeral")
    assert (whisper["user"], whisper["text"]) == (MAYA, workspace.slack.notified())


def test_a_start_typed_elsewhere_says_where_the_card_is(workspace: Workspace) -> None:
    body = {**workspace.command_body("start reviews v2"), "channel_name": "random"}
    workspace.dispatch(body)

    assert workspace.slack.notified() == "Started reviews v2: the card is in #releases."


def test_a_start_without_arguments_opens_the_form(workspace: Workspace) -> None:
    workspace.types("start", trigger="t77")

    views = workspace.slack.said("views.open")[0]
    assert (views["trigger_id"], views["view"]["callback_id"]) == ("t77", "canary_start")
    assert check_blocks(views["view"]["blocks"], "modal") == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("help", "`/canary` starts, watches and stops canary releases."),
        ("status", "reviews 1 → v2: mirroring."),
        ("status ratings", "ratings has no rollout in flight. Begin one with `/canary start ratings`."),
        ("list", "1 in flight: reviews v2."),
        ("why", "reviews 1 → v2: mirroring."),
        ("plan ratings v3", "A start of ratings v3 would take 11 steps; nothing has been changed."),
        ("history reviews", "The last rollouts of reviews, newest first."),
        ("services", "Services: reviews and ratings."),
        ("unfreeze all", "There is no freeze of all services. Nothing else is frozen either."),
        ("pause", "Done. reviews 1 → v2: paused at mirror."),
        ("abort reviews it smells", "Aborting. reviews 1 → v2: going back."),
        ("resume", "reviews is not paused (mirror)."),
        ("strat", "There is no such command. Did you mean `/canary start reviews v2`?"),
        ("start", ""),
    ],
)
def test_every_command_is_answered_to_the_person_alone(workspace: Workspace, text: str, answer: str) -> None:
    workspace.controller.begin()

    assert workspace.types(text).status == 200
    assert [said["text"] for said in workspace.slack.said("respond")] == ([answer] if answer else [])
    for said in workspace.slack.said("respond"):
        assert check_blocks(said["blocks"], "message") == []
    assert workspace.slack.said("chat.postMessage") == []


def test_an_abort_needs_no_service_no_reason_and_no_group_when_one_rollout_is_live(workspace: Workspace) -> None:
    workspace.controller.begin()
    workspace.slack.down = False
    workspace.slack.fail("usergroups.list", "internal_error", times=9)

    workspace.types("abort", user=LENA)

    assert workspace.controller.asked == [("abort", "reviews", LENA)]


def test_a_service_left_out_is_asked_for_when_several_are_live(workspace: Workspace) -> None:
    workspace.controller.begin("reviews")
    workspace.controller.begin("ratings")

    workspace.types("pause")

    assert workspace.slack.notified() == "Which one: `/canary pause ratings` or `/canary pause reviews`?"
    assert workspace.controller.asked == []


def test_only_approvers_start_with_every_approval_given(workspace: Workspace) -> None:
    workspace.types("start reviews v2 --auto", user=LENA)
    assert workspace.controller.asked == []

    workspace.types("start reviews v2 --auto", user=OMAR)
    assert workspace.controller.asked == [("start", "reviews", OMAR)]


def test_only_approvers_approve_by_typing(workspace: Workspace) -> None:
    workspace.asking()

    workspace.types("approve reviews", user=LENA)
    workspace.types("approve reviews", user=OMAR)

    assert [said["text"] for said in workspace.slack.said("respond")] == [
        "You are not one of the approvers (@release-managers).",
        "Noted. reviews 1 → v2: mirroring.",
    ]


def test_a_refusal_shows_every_reason_and_no_markup(workspace: Workspace) -> None:
    workspace.controller.outage = Refusal(
        "reviews v2 was not started.", ["There is <!channel> & no pod.", "Ask UBUNTU2404, not *us*."]
    )

    workspace.types("start reviews v2")

    assert workspace.slack.notified() == (
        "reviews v2 was not started.\n• There is &lt;!channel&gt; &amp; no pod.\n"
        "• Ask UBUNTU2404, not \N{ASTERISK OPERATOR}us\N{ASTERISK OPERATOR}."
    )


def test_a_refusal_with_many_reasons_loses_none_that_slack_takes(workspace: Workspace) -> None:
    reasons = [f"Reason {number}: {'x' * 700}" for number in range(5)]
    workspace.controller.outage = Refusal("reviews v2 was not started.", reasons)

    workspace.types("start reviews v2")

    (said,) = workspace.slack.said("respond")
    assert [block["text"]["text"] for block in said["blocks"]] == [
        "reviews v2 was not started.",
        *(f"• {reason}" for reason in reasons),
    ]


def test_a_fault_is_told_with_the_system_and_what_to_do(workspace: Workspace) -> None:
    workspace.controller.outage = Fault("Kubernetes", "The API server cannot be reached.")

    workspace.types("start reviews v2")

    assert workspace.slack.notified().startswith(
        "I could not do that now. Kubernetes: The API server cannot be reached."
    )


def test_what_nobody_foresaw_gets_an_id_and_no_detail(workspace: Workspace) -> None:
    workspace.controller.outage = ZeroDivisionError("secret figures")

    workspace.types("start reviews v2")

    assert "The log has it under " in workspace.slack.notified()
    assert "secret" not in workspace.slack.notified()


def test_a_command_that_was_reached_too_late_does_nothing_and_says_so(workspace: Workspace) -> None:
    workspace.late = 3.0

    workspace.types("start reviews v2")

    assert workspace.controller.asked == []
    assert workspace.slack.notified() == "I was too busy to answer in time, so I have done nothing. Please try again."


def test_a_command_that_arrives_twice_is_done_once(workspace: Workspace) -> None:
    workspace.types("start reviews v2", trigger="t1")
    workspace.types("start reviews v2", trigger="t1")

    assert workspace.controller.asked == [("start", "reviews", MAYA)]


# Clicks


def test_an_approval_carries_what_the_card_showed(workspace: Workspace) -> None:
    rollout = workspace.asking()

    workspace.clicks(APPROVE, value_of(rollout, APPROVE), user=MAYA)

    assert [a.by for r in workspace.controller.live() for a in r.approvals] == [MAYA]
    assert workspace.slack.said("respond") == []


def test_a_second_click_is_the_same_click_and_one_on_an_old_card_is_refused(workspace: Workspace) -> None:
    rollout = workspace.asking()
    value = value_of(rollout, APPROVE)
    old = str(ButtonToken(key=rollout.key, rollout_id=rollout.spec.id, stage=0, evidence=4))

    workspace.clicks(APPROVE, old)
    workspace.clicks(APPROVE, value)
    workspace.clicks(APPROVE, value)

    assert [said["text"].partition(":")[0] for said in workspace.slack.said("respond")] == [
        "Something has changed since you looked, so look again. The question is now"
    ]
    assert [len(r.approvals) for r in workspace.controller.live()] == [1]


@pytest.mark.parametrize(("user", "team"), [(LENA, TEAM), (MAYA, "T0OTHER")])
def test_others_and_outsiders_cannot_approve(workspace: Workspace, user: UserId, team: str) -> None:
    rollout = workspace.asking()

    workspace.clicks(APPROVE, value_of(rollout, APPROVE), user=user, team=team)

    assert [r.approvals for r in workspace.controller.live()] == [()]
    assert workspace.slack.notified().startswith(("You are not one", "Only members of this workspace"))


def test_the_hold_button_of_a_drift_leaves_theirs_and_anybody_may_press_it(workspace: Workspace) -> None:
    drifted = workspace.controller.begin(drift=a_drift())

    workspace.clicks(PAUSE, value_of(drifted, PAUSE), user=MAYA)

    left = workspace.controller.live()[0].drift
    assert left is not None
    assert (left.left_by, workspace.controller.live()[0].paused_by) == (MAYA, None)


def test_restoring_is_an_approvers(workspace: Workspace) -> None:
    drifted = workspace.controller.begin(drift=a_drift())

    workspace.clicks(RESTORE, value_of(drifted, RESTORE), user=OMAR)

    assert workspace.controller.live()[0].drift is None
    assert ("restore", "reviews", OMAR) in workspace.controller.asked


def test_a_rollback_reaches_the_controller_and_the_person_hears_where_the_card_is(workspace: Workspace) -> None:
    workspace.types("rollback reviews", user=OMAR)

    assert ("rollback", "reviews", OMAR) in workspace.controller.asked
    assert workspace.slack.notified() == "Rolling reviews back to v1: the card is in #releases."


def test_two_people_who_pause_at_once_do_not_resume(workspace: Workspace) -> None:
    value = value_of(workspace.controller.begin(), PAUSE)

    workspace.clicks(PAUSE, value, user=MAYA)
    workspace.clicks(PAUSE, value, user=OMAR)

    paused = workspace.controller.live()[0]
    assert paused.paused_by == MAYA
    assert workspace.slack.notified() == "reviews is paused already."

    workspace.clicks(PAUSE, value_of(paused, PAUSE), user=LENA)
    assert workspace.controller.live()[0].paused_by is None


def test_an_abort_asks_why_and_tells_the_engine(workspace: Workspace) -> None:
    rollout = workspace.controller.begin()

    workspace.clicks(ABORT, value_of(rollout, ABORT), user=LENA)
    form = workspace.slack.said("views.open")[0]["view"]
    response = workspace.submits(form, {"reason": {"type": "plain_text_input", "value": "it smells"}}, user=LENA)

    assert form["callback_id"] == "canary_abort_reason"
    assert response.status == 200
    assert workspace.controller.asked == [("abort", "reviews", LENA)]
    assert workspace.controller.reasons == ["it smells"]


def test_an_old_abort_button_never_aborts_a_newer_rollout(workspace: Workspace) -> None:
    old = workspace.controller.begin()
    value = value_of(old, ABORT)
    workspace.clicks(ABORT, value)
    form = workspace.slack.said("views.open")[0]["view"]
    workspace.controller.change("reviews", phase=Phase.ABORTED, ended_at=1.0)
    workspace.controller.begin(version="v3")

    workspace.submits(form, {"reason": {"value": None}})

    assert workspace.controller.asked == []
    said = workspace.slack.said("chat.postEphemeral")[0]["text"]
    assert said.startswith("That belongs to an earlier rollout: reviews v2 has ended (aborted).")


def test_an_abort_form_of_an_earlier_stage_aborts_nothing_and_says_what_does(workspace: Workspace) -> None:
    rollout = workspace.controller.begin()
    workspace.clicks(ABORT, value_of(rollout, ABORT))
    form = workspace.slack.said("views.open")[0]["view"]
    workspace.controller.change("reviews", phase=Phase.SHIFTING, stage=1, evidence=9)

    workspace.submits(form, {"reason": {"value": "it smells"}})

    assert workspace.controller.asked == []
    assert workspace.slack.said("chat.postEphemeral")[0]["text"] == (
        "The rollout moved on while the form was open, so nothing was aborted. "
        "To abort it now: `/canary abort reviews it smells`"
    )


@pytest.mark.parametrize("action_id", [ACCEPT, RETRY, RESTORE, PAUSE, APPROVE])
def test_a_button_of_an_earlier_rollout_decides_nothing_about_a_later_one(workspace: Workspace, action_id: str) -> None:
    old = workspace.controller.begin(by=LENA)
    workspace.controller.change("reviews", phase=Phase.ABORTED, ended_at=1.0)
    later = workspace.controller.begin(by=LENA, phase=Phase.HALTED, stage=6, drift=a_drift(), asked_at=1.0)

    workspace.clicks(action_id, str(ButtonToken.of(old)), user=OMAR)

    assert workspace.controller.live() == [later]
    assert workspace.slack.notified().startswith("That belongs to an earlier rollout: reviews v2 has ended (aborted).")


def test_a_click_and_a_form_that_slack_delivers_to_two_replicas_are_one(slack: FakeSlack) -> None:
    first = Workspace(slack)
    second = Workspace(slack, controller=first.controller)
    rollout = first.controller.begin(by=LENA)

    for replica in (first, second):
        replica.clicks(PAUSE, value_of(rollout, PAUSE), trigger_id="t-1")
    paused = first.controller.live()[0]
    first.clicks(ABORT, value_of(paused, ABORT))
    form = {**slack.said("views.open")[0]["view"], "id": "V1"}
    for replica in (first, second):
        replica.submits(form, {"reason": {"value": "it smells"}})

    assert first.controller.asked == [("pause", "reviews", MAYA), ("abort", "reviews", MAYA)]
    assert slack.said("respond") == slack.said("chat.postEphemeral") == []


# Abandoning


def test_abandoning_is_an_approvers_asks_why_and_moves_nobody(workspace: Workspace) -> None:
    workspace.controller.begin(by=LENA)
    workspace.types("abandon reviews it is gone", user=LENA)
    assert workspace.slack.said("views.open") == []
    workspace.types("abandon reviews it is gone", user=OMAR)
    form = workspace.slack.said("views.open")[0]["view"]
    reason = next(block for block in form["blocks"] if block["type"] == "input")

    workspace.submits(form, {"reason": {"value": reason["element"]["initial_value"]}}, user=OMAR)

    assert (form["callback_id"], reason["optional"], check_blocks(form["blocks"], "modal")) == (
        "canary_abandon_reason",
        False,
        [],
    )
    assert workspace.controller.asked == [("abandon", "reviews", OMAR)]
    assert workspace.controller.live() == []
    assert "abandoned the rollout at mirror: it is gone." in workspace.slack.said("chat.postEphemeral")[0]["text"]


def test_a_form_to_abandon_ends_no_other_rollout_than_the_one_it_was_opened_for(workspace: Workspace) -> None:
    workspace.controller.begin(by=LENA)
    workspace.types("abandon reviews", user=OMAR)
    form = workspace.slack.said("views.open")[0]["view"]
    workspace.controller.change("reviews", phase=Phase.ABORTED, ended_at=1.0)
    later = workspace.controller.begin(by=LENA)

    workspace.submits(form, {"reason": {"value": "it is gone"}}, user=OMAR)

    assert workspace.controller.live() == [later]


def test_abandoning_in_a_mention_says_where_the_form_opens(workspace: Workspace) -> None:
    workspace.controller.begin(by=LENA)

    workspace.mentions("abandon reviews it is gone", user=OMAR)

    assert workspace.controller.asked == []
    assert workspace.slack.said("chat.postEphemeral")[0]["text"].startswith("A form cannot open from a mention")


# Services that are not in the file any more


def test_a_live_rollout_of_a_service_that_left_the_file_is_answered_about_and_stopped(workspace: Workspace) -> None:
    workspace.controller.begin(by=LENA)
    workspace.controller.forget("reviews")

    for text in ("status reviews", "why reviews", "pause reviews", "abort default/reviews it smells"):
        workspace.types(text)

    notified = [said["text"] for said in workspace.slack.said("respond")]
    assert [one.partition(":")[0] for one in notified] == [
        "reviews 1 → v2",
        "reviews 1 → v2",
        "Done. reviews 1 → v2",
        "Aborting. reviews 1 → v2",
    ]


def test_while_the_file_has_mistakes_whoever_wants_to_start_is_told(workspace: Workspace) -> None:
    workspace.controller.forget("reviews", "ratings")
    workspace.controller.trouble = (
        "Nothing can be started: services.yaml line 3: no. `canary-bot check` lists every mistake."
    )

    for text in ("start", "services", "freeze because"):
        workspace.types(text)

    assert all("Nothing can be started: services.yaml line 3" in one["text"] for one in workspace.slack.said("respond"))
    assert len(workspace.slack.said("respond")) == 3


def test_only_approvers_decide_about_a_halted_rollout(workspace: Workspace) -> None:
    workspace.controller.begin()
    halted = workspace.controller.change("reviews", phase=Phase.HALTED, stage=6, reason="it did not come up.")

    workspace.clicks(ACCEPT, value_of(halted, ACCEPT), user=LENA)
    workspace.clicks(RETRY, value_of(halted, RETRY), user=OMAR)

    assert workspace.controller.asked == [("retry", "reviews", OMAR)]


def test_details_open_for_everybody_also_after_the_end(workspace: Workspace) -> None:
    workspace.controller.begin()
    ended = workspace.controller.change("reviews", phase=Phase.PROMOTED, stage=10, ended_at=1.0)

    workspace.clicks(DETAILS, value_of(ended, DETAILS), user=LENA)

    assert workspace.slack.said("views.open")[0]["view"]["title"]["text"] == "reviews"


def test_a_form_that_slack_will_not_open_is_answered_with_a_sentence(workspace: Workspace) -> None:
    workspace.slack.fail("views.open", "expired_trigger_id")

    workspace.types("start")

    assert workspace.slack.notified() == "Slack did not open the form in time. Please try again."


@pytest.mark.parametrize("typed", ["list", "services", "start reviews v2"])
def test_whoever_goes_by_services_yaml_hears_that_its_last_change_is_not_used(workspace: Workspace, typed: str) -> None:
    workspace.controller.trouble = "services.yaml has changed and cannot be used, so what it said before goes on: why."

    workspace.types(typed)

    assert workspace.slack.notified() == workspace.controller.trouble
    assert len(workspace.slack.said("respond")) == 2


# Forms, mentions, home


def test_every_mistake_in_the_start_form_is_shown_beside_its_field(workspace: Workspace) -> None:
    workspace.types("start")
    form = workspace.slack.said("views.open")[0]["view"]

    response = workspace.submits(form, a_filled_form(version="v 2", weights="50, 20", seconds="soon"))

    answer = json.loads(str(response.body))
    assert answer["response_action"] == "errors"
    assert set(answer["errors"]) == {"version", "weights", "seconds"}
    assert workspace.controller.asked == []


def test_the_start_form_starts_and_a_refusal_reaches_the_person(workspace: Workspace) -> None:
    workspace.types("start")
    form = workspace.slack.said("views.open")[0]["view"]

    workspace.submits(form, a_filled_form())
    workspace.controller.outage = Refusal("reviews already has a rollout.")
    workspace.submits(form, a_filled_form())

    assert workspace.controller.asked == [("start", "reviews", MAYA)]
    assert workspace.controller.overrides == Overrides(weights=(50, 100), stage_seconds=300.0)
    assert [said["text"] for said in workspace.slack.said("chat.postEphemeral")] == [
        "Started reviews v2: the card is in #releases.",
        "reviews already has a rollout.",
    ]


def test_the_shortcut_has_no_channel_so_its_outcome_is_a_direct_message(workspace: Workspace) -> None:
    shortcut = {"type": "shortcut", "callback_id": "canary_start", "trigger_id": "t9"}
    workspace.dispatch({**shortcut, "team": {"id": TEAM}, "user": {"id": MAYA, "team_id": TEAM}})
    form = workspace.slack.said("views.open")[0]["view"]

    workspace.submits(form, a_filled_form())

    assert workspace.slack.said("chat.postMessage")[0]["channel"] == MAYA


def a_filled_form(version: str = "v2", weights: str = "50, 100", seconds: str = "5m") -> dict[str, Any]:
    return {
        "service": {"selected_option": {"value": "reviews"}},
        "version": {"value": version},
        "weights": {"value": weights},
        "seconds": {"value": seconds},
        "auto": {"selected_options": []},
    }


def test_a_mention_is_answered_in_its_thread_and_a_refusal_to_the_person_alone(workspace: Workspace) -> None:
    workspace.controller.begin()

    workspace.mentions("status", event_id="Ev1")
    workspace.mentions("status", event_id="Ev1")
    workspace.mentions("resume")

    said = workspace.slack.said("chat.postMessage")
    assert [(one["channel"], one["thread_ts"], one["text"]) for one in said] == [
        ("C0RELEASES", "9.0", "reviews 1 → v2: mirroring.")
    ]
    assert workspace.slack.said("chat.postEphemeral")[0]["text"].startswith("reviews is not paused")


@pytest.mark.parametrize(
    "sent",
    [
        {"user": "USLACKBOT"},
        {"user": ""},
        {"user": None},
        {"bot_id": "B0OTHER"},
        {"bot_profile": {"id": "B0OTHER"}},
        {"subtype": "bot_message"},
        {"source_team": "T0OTHER"},
        {"user_team": "T0OTHER"},
        {"team": "T0OTHER"},
    ],
)
def test_a_mention_by_a_program_or_from_another_organisation_changes_nothing(
    workspace: Workspace, sent: dict[str, Any]
) -> None:
    workspace.controller.begin()
    event = {"type": "app_mention", "user": MAYA, "team": TEAM, "text": "<@U0BOT00001> abort reviews because"}

    workspace.event({**event, "channel": "C0RELEASES", "ts": "9.1", **sent})

    assert [rollout.phase for rollout in workspace.controller.live()] == ["mirroring"]


@pytest.mark.parametrize(("ts", "served"), [("1000.1", 1), ("950.9", 1), ("940.0", 0), ("nan", 0), ("", 0)])
def test_a_mention_that_slack_delivers_long_after_it_was_written_changes_nothing(
    workspace: Workspace, ts: str, served: int
) -> None:
    """Nobody took it at first, so Slack tries again after a minute and after five: another stage may ask by then."""
    workspace.now = 1000.5
    before = workspace.asking()
    event = {"type": "app_mention", "user": MAYA, "team": TEAM, "text": "<@U0BOT00001> approve reviews"}

    workspace.event({**event, "channel": "C0RELEASES", "ts": ts, "thread_ts": "9.0"})

    assert sum(after != before for after in workspace.controller.live()) == served
    heard = [one["text"] for one in workspace.slack.said("chat.postEphemeral")]
    assert served or heard == [
        "This reached me more than 50 seconds after it was written, so I have done nothing. Please try again."
    ]


def test_of_an_org_wide_app_the_workspace_that_was_named_is_served_and_no_other() -> None:
    with FakeSlack() as slack:
        slack.org, slack.client = "E0ORG", web_client("xoxb-test", f"{slack.url}/api", workspace=TEAM)
        workspace = Workspace(slack)
        workspace.asking()

        workspace.dispatch(workspace.command_body("status") | {"team_id": "T0OTHER", "trigger_id": "o1"})
        assert slack.notified().startswith("Only members of this workspace")
        workspace.types("status")
        assert slack.notified().startswith("reviews 1 → v2")


def test_the_home_shows_what_waits_for_its_reader_first(workspace: Workspace) -> None:
    workspace.asking()
    workspace.controller.begin("ratings")

    workspace.event({"type": "app_home_opened", "tab": "home", "user": OMAR})
    workspace.event({"type": "app_home_opened", "tab": "home", "user": LENA})

    omar, lena = (said["view"]["blocks"] for said in workspace.slack.said("views.publish"))
    assert headings(omar) == ["Waiting for you", "In flight", "Services"]
    assert headings(lena) == ["In flight", "Services"]
    assert check_blocks(omar, "home") == []


def test_an_empty_home_teaches(workspace: Workspace) -> None:
    workspace.event({"type": "app_home_opened", "tab": "home", "user": OMAR})

    blocks = workspace.slack.said("views.publish")[0]["view"]["blocks"]
    assert "`/canary start`" in json.dumps(blocks)


def test_a_click_in_the_home_is_done_and_the_home_is_shown_anew(workspace: Workspace) -> None:
    rollout = workspace.asking()

    workspace.clicks(
        APPROVE,
        value_of(rollout, APPROVE),
        user=OMAR,
        channel=None,
        response_url=None,
        view={"type": "home", "id": "V1"},
    )

    assert [len(r.approvals) for r in workspace.controller.live()] == [1]
    assert headings(workspace.slack.said("views.publish")[0]["view"]["blocks"]) == ["In flight", "Services"]


def headings(blocks: list[Block]) -> list[str]:
    return [block["text"]["text"] for block in blocks if block["type"] == "header"]


# HTTP


@pytest.mark.parametrize(
    ("age", "secret", "status"), [(0, SECRET, 200), (0, "another secret", 401), (6 * 60, SECRET, 401)]
)
def test_only_fresh_requests_that_slack_signed_are_heard(
    workspace: Workspace, age: int, secret: str, status: int
) -> None:
    body = urlencode(workspace.command_body("start reviews v2"))
    stamp = str(int(time.time()) - age)
    signature = "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers: dict[str, str | Sequence[str]] = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": signature,
    }

    response = workspace.app.dispatch(BoltRequest(body=body, headers=headers))

    assert response.status == status
    assert len(workspace.controller.asked) == (1 if status == 200 else 0)


def ended(workspace: Workspace, phase: Phase, **changes: Any) -> Rollout:
    workspace.controller.begin("reviews", "v2")
    return workspace.controller.change("reviews", phase=phase, ended_at=1.0, **changes)


def test_an_aborted_version_is_started_again_from_its_card_with_the_form_filled_in(workspace: Workspace) -> None:
    aborted = ended(workspace, Phase.ABORTED)

    workspace.clicks("canary_start_again", str(ButtonToken.of(aborted)))

    form = workspace.slack.said("views.update")[-1]["view"]
    assert '"value": "reviews"' in json.dumps(form)
    assert "v2" in json.dumps(form)


def test_a_promotion_is_rolled_back_from_its_card_but_not_from_an_older_one(workspace: Workspace) -> None:
    promoted = ended(workspace, Phase.PROMOTED, touched=True)
    older = replace(promoted, spec=replace(promoted.spec, id=RolloutId("r-0")))
    workspace.controller.store.create(older, ())

    workspace.clicks("canary_rollback", str(ButtonToken.of(older)), user=OMAR)
    assert not any(what == "rollback" for what, *_ in workspace.controller.asked)
    workspace.clicks("canary_rollback", str(ButtonToken.of(promoted)), user=OMAR)
    assert any(what == "rollback" for what, *_ in workspace.controller.asked)
