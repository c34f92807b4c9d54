"""Whoever wants everyone back and types it as it comes is offered the abort, and starts nothing."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import Refusal
from bot.model.rollout import Phase
from bot.slack.cards import ABORT
from bot.slack.grammar import SYNONYMS, Verb
from bot.slack.parsing import parse
from bot.slack.stopping import STOP_WORDS, StopMeant
from sandbox.slack.blocks import check_blocks
from tests.builders import LENA, MAYA
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_listeners import Workspace

KNOWN = ("reviews", "ratings")


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack)


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("sttop", None),
        ("STOP!!", None),
        ("stoooop", None),
        ("halt", None),
        ("kill reviews", "reviews"),
        ("stop this please", None),
        ("please stop ratings now", "ratings"),
        ("cancel the start of default/reviews", "default/reviews"),
        ("undo", None),
        ("abrot reviews", "reviews"),
        ("abort reviewz it smells", "reviews"),
        ("stopq reviews", "reviews"),
        ("cancelled", None),
        ("停止 reviews", "reviews"),
        ("start stop", None),
        ("start sttop", None),
        ("start reviews stop", "reviews"),
        ("start reviews v2 cancel", "reviews"),
        ("approve stop", None),
        ("resume reviews halt", "reviews"),
    ],
)
def test_what_may_have_meant_stop_is_answered_with_an_abort(text: str, service: str | None) -> None:
    with pytest.raises(StopMeant) as meant:
        parse(text, KNOWN)

    assert meant.value.service == service
    assert f"`/canary abort{' ' + service if service else ''}`" in str(meant.value)


EDITS = st.builds(
    lambda word, at, letter, kind: {
        "more": word[:at] + letter + word[at:],
        "less": word[:at] + word[at + 1 :],
        "other": word[:at] + letter + word[at + 1 :],
        "swapped": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
        "held down": word[:at] + word[at : at + 1] * 7 + word[at + 1 :],
    }[kind],
    st.sampled_from([word for word in STOP_WORDS if word.isascii()]),
    st.integers(0, 12),
    st.sampled_from(string.ascii_lowercase),
    st.sampled_from(["more", "less", "other", "swapped", "held down"]),
)
AFTER = st.sampled_from(["", " reviews", " reviews v2", " this please", " it now!", " the start of reviews"])


@given(EDITS, AFTER, st.sampled_from(["", "start ", "approve ", "resume "]))
def test_no_slip_of_a_stop_word_is_read_as_a_start_a_service_or_a_version(word: str, after: str, before: str) -> None:
    text = f"{before}{word}{after}" if before and not after else f"{word}{after}"
    if word in {*Verb, *SYNONYMS} - {Verb.ABORT}:
        return

    with suppress(Refusal):  # ``StopMeant`` above all
        command = parse(text, KNOWN)
        assert command.verb is Verb.ABORT
        assert command.service in {None, *KNOWN}


def test_the_abort_is_offered_with_a_button_and_a_command_and_nothing_is_done(workspace: Workspace) -> None:
    workspace.controller.begin()

    workspace.types("sttop this please")

    (said,) = workspace.slack.said("respond")
    assert said["response_type"] == "ephemeral"
    assert said["text"] == "Nothing is aborted yet. Press Abort, or type `/canary abort reviews`."
    assert check_blocks(said["blocks"], "message") == []
    assert [rollout.phase for rollout in workspace.controller.live()] == [Phase.MIRRORING]
    button = said["blocks"][-1]["elements"][0]
    assert (button["action_id"], button["text"]["text"]) == (ABORT, "Abort reviews v2")

    workspace.clicks(button["action_id"], button["value"], user=LENA)
    workspace.submits(workspace.slack.said("views.open")[0]["view"], {"reason": {"value": None}}, user=LENA)

    assert workspace.controller.asked == [("abort", "reviews", LENA)]


def test_an_abort_that_does_not_say_of_what_is_offered_for_each(workspace: Workspace) -> None:
    workspace.controller.begin("reviews")
    workspace.controller.begin("ratings")

    workspace.types("abort errors")

    (said,) = workspace.slack.said("respond")
    assert "`/canary abort reviews` or `/canary abort ratings`" in said["text"]
    assert len([block for block in said["blocks"] if block["type"] == "actions"]) == 2
    assert workspace.controller.asked == []


def test_in_a_mention_the_offer_is_for_whoever_asked(workspace: Workspace) -> None:
    workspace.controller.begin()

    workspace.mentions("halt")

    (whisper,) = workspace.slack.said("chat.postEphemeral")
    assert (whisper["user"], whisper["blocks"][-1]["type"]) == (MAYA, "actions")
    assert workspace.slack.said("chat.postMessage") == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("stop", "Nothing is rolling out, so there is nothing to abort. Type `/canary rollback`"),
        ("stop ratings", "ratings is not rolling out, so there is nothing to abort. Type `/canary rollback ratings`"),
    ],
)
def test_where_nothing_is_rolling_out_that_is_said(workspace: Workspace, text: str, answer: str) -> None:
    workspace.types(text)

    assert workspace.slack.notified().startswith(answer)
