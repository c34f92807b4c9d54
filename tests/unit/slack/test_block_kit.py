"""Slack takes whatever we say, whoever wrote what is in it and however long it is, and nothing in it comes alive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.figures import AnalysisState, Exposure, Finding, Judgement, Point, Unit, Verdict
from bot.model.incidents import Difference, Drift, Edit
from bot.model.rollout import (
    BOT,
    Approval,
    Hold,
    HoldCause,
    Phase,
    Question,
    QuestionKind,
    Rollout,
    RolloutId,
    StageOutcome,
    Stopped,
    Topology,
    UserId,
    Walked,
)
from bot.model.service import ApprovalRule, Measure
from bot.model.story import Entry, EntryKind
from bot.rollout.plans import make_retreat
from bot.slack import blocks as b
from bot.slack import forms, freezes, replies, views
from bot.slack.app_home import Live, Page, home
from bot.slack.blocks import Block, Message
from bot.slack.cards import card
from bot.slack.forms import StartForm
from bot.slack.grammar import Verb
from bot.slack.parsing import Command
from bot.slack.thread import line
from bot.words.language import Language
from bot.words.rendering import Voice
from bot.words.sentence import Code, said
from sandbox.slack.blocks import check_blocks
from tests import blockkit
from tests.builders import LENA, MAYA, OMAR, a_freeze, a_rollout, a_service, a_side_of, figures

NOW = 1_750_000_600.0

HOSTILE = "<!channel> *b* & <http://evil|ok> `x` ~y~ :x: @here\n> quoted " + "ä" * 400
CHINESE = "金丝雀发布已中止。" * 60
NASTY = st.one_of(st.text(max_size=300), st.sampled_from([HOSTILE, CHINESE, "x" * 5000, "\n" * 50]))
SENTENCES = NASTY.map(lambda text: said("rollout.aborted", stage=text, facts=(text, Code(text))))
VOICES = st.sampled_from([Voice(language=language, command="/" + "c" * 31) for language in Language])
PEOPLE = st.sampled_from([MAYA, OMAR, LENA, BOT, UserId(HOSTILE)])


COUNTS = st.tuples(st.floats(0, 1e12), st.floats(0, 1e12))
FINDINGS = st.builds(
    Finding,
    gate=NASTY | st.sampled_from(["errors", "coverage", "slower than 100 ms", "harm", "sample", "ready pods"]),
    verdict=st.sampled_from(list(Verdict)),
    sentence=NASTY,
    value=st.none() | st.floats(),
    limit=st.none() | st.floats(),
    unit=st.sampled_from(list(Unit)),
    compared=st.none() | st.sampled_from(list(Measure)),
    bound=st.none() | st.sampled_from([50.0, 100.0]),
    acts=st.booleans(),
)
POINTS = st.builds(
    Point,
    at=st.floats(-1e15, 1e15),
    canary=st.tuples(*[st.floats(0, 1e9)] * 4),
    primary=st.tuples(*[st.floats(0, 1e9)] * 4),
)
COURSES = st.builds(
    AnalysisState,
    exposure=st.builds(Exposure, requests=st.floats(0, 1e15), errors=st.floats(0, 1e15)),
    bounds=st.just((50.0, 100.0)),
    points=st.lists(POINTS, max_size=20).map(tuple),
)


def walks(rollout: Rollout) -> st.SearchStrategy[Walked]:
    return st.builds(
        Walked,
        name=st.sampled_from([stage.name for stage in rollout.spec.plan[:12]]),
        outcome=st.sampled_from(list(StageOutcome)),
        began=st.just(NOW),
        ended=st.just(NOW),
        canary=st.none() | COUNTS,
        primary=st.none() | COUNTS,
        approvals=st.lists(st.builds(Approval, by=PEOPLE, at=st.just(NOW)), max_size=4).map(tuple),
    )


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    """Any phase, any stage, names far beyond what may be typed, any hold, any judgement."""
    weights = draw(st.sampled_from([(20, 40, 60, 80, 100), tuple(range(1, 101))]))
    topology = draw(st.sampled_from(list(Topology)))
    rollout = a_rollout(a_service(weights=weights), topology)
    phase = draw(st.sampled_from(list(Phase)))
    retreating = phase in {Phase.ABORTING, Phase.ABORTED} or (phase is Phase.HALTED and draw(st.booleans()))
    retreat = make_retreat(primary_touched=draw(st.booleans())) if retreating else ()
    findings = tuple(draw(st.lists(FINDINGS, max_size=15)))
    seen = draw(st.none() | st.just(figures(None, None)) | st.just(figures(a_side_of(1e12), a_side_of(5, 1, 2))))
    hold = Hold(cause=draw(st.sampled_from(list(HoldCause))), sentence=draw(NASTY), since=NOW)
    differences = draw(st.lists(st.builds(Difference, what=NASTY, ours=NASTY, theirs=NASTY), min_size=1, max_size=8))
    edits = (
        Edit(
            kind=draw(NASTY),
            name=draw(NASTY),
            differences=tuple(differences),
            who=draw(NASTY),
            restorable=draw(st.booleans()),
        ),
    )
    return replace(
        rollout,
        spec=replace(
            rollout.spec,
            id=RolloutId(draw(st.sampled_from(["r-1", "r" * 300]))),
            service=draw(st.sampled_from(["reviews", "a" * 63])),
            version=draw(st.sampled_from(["v2", "v" * 128])),
            channel=draw(NASTY),
            started_by=draw(PEOPLE),
            approvals_rule=ApprovalRule(
                count=draw(st.integers(1, 12)), approvers=tuple(draw(st.lists(NASTY, max_size=7)))
            ),
            language=draw(st.sampled_from(["", "en", "zh_cn", "tlh"])),
            because=draw(NASTY),
        ),
        phase=phase,
        retreat=retreat,
        stage=draw(st.integers(0, len(retreat or rollout.spec.plan) - 1)),
        asked_at=draw(st.none() | st.just(NOW)),
        paused_by=draw(st.none() | PEOPLE),
        hold=draw(st.none() | st.just(hold)),
        drift=draw(st.none() | st.just(Drift(edits=edits, since=NOW))),
        approvals=tuple(Approval(by=UserId(f"U0{n:05}"), at=NOW) for n in range(draw(st.integers(0, 12)))),
        judgement=draw(st.none() | st.just(Judgement(at=NOW, verdict=Verdict.FAIL, findings=findings, figures=seen))),
        reason=draw(NASTY | SENTENCES),
        question=draw(st.none() | st.builds(Question, kind=st.sampled_from(list(QuestionKind)), gate=NASTY, why=NASTY)),
        walked=tuple(draw(st.lists(walks(rollout), max_size=12))),
        analysis_state=draw(COURSES),
        user_rate=draw(st.none() | st.floats(0, 1e9)),
        stopped=draw(st.none() | st.builds(Stopped, at=st.just(NOW), home_at=st.none() | st.just(NOW + 2))),
        ended_at=NOW if phase in {Phase.PROMOTED, Phase.ABORTED, Phase.REFUSED} else None,
    )


STORIES = st.lists(
    st.builds(Entry, at=st.just(NOW), kind=st.sampled_from(list(EntryKind)), text=NASTY | SENTENCES, by=PEOPLE),
    max_size=10,
)


@settings(max_examples=150, deadline=None)
@given(rollouts(), STORIES, VOICES)
def test_slack_takes_every_card_and_line(rollout: Rollout, story: list[Entry], voice: Voice) -> None:
    shown = card(rollout, story, NOW, voice)
    lines = (line(rollout, entry, (HOSTILE, "S0MANAGERS"), voice) for entry in story)
    for message in (shown, *(one.message for one in lines if one is not None)):
        assert blockkit.of_message(message) == []


@settings(max_examples=60, deadline=None)
@given(rollouts(), STORIES, VOICES, NASTY)
def test_slack_takes_every_answer_form_and_home(
    rollout: Rollout, story: list[Entry], voice: Voice, reason: str
) -> None:
    frozen = [a_freeze(reason=reason)] * 12
    answers = (
        replies.status(rollout, story, NOW, voice),
        replies.why(rollout, story, voice),
        replies.live([rollout] * 60, voice),
        replies.history(rollout.spec.service, [rollout] * 10, voice=voice),
        replies.idle(rollout.spec.service, [rollout], frozen, voice),
        replies.services([a_service()] * 40, {}, frozen, voice),
        freezes.begun(frozen[0], frozen[0], [rollout], voice),
    )
    for answer in answers:
        assert check_blocks(list(answer.plain), "message") == []
        assert len(answer.text) > 0
    services = [a_service(name=f"s{number}") for number in range(120)]
    asked = Command(verb=Verb.START, service="s1", version=rollout.spec.version, reason=reason[:500])
    form = StartForm(services=services, asked=asked, versions=["v" * 128] * 120, frozen=frozen, findings=[reason] * 60)
    live = [Live(rollout=rollout, yours=n % 2 == 0, may_decide=n % 3 == 0, card="https://x.example") for n in range(24)]
    known = [(service, rollout) for service in services]
    page = Page(live=live, services=known, past=[rollout] * 12, frozen=frozen, heard=2.0, now=NOW)
    shown = (
        views.details(rollout, story, voice),
        home(page, voice),
        forms.abort_form(rollout, "C0RELEASES", voice),
        forms.start_form(form, voice),
    )
    for view in shown:
        assert blockkit.of_view(view) == []


@given(rollouts(), STORIES, VOICES)
@settings(max_examples=60, deadline=None)
def test_nothing_that_people_or_clusters_wrote_becomes_markup(
    rollout: Rollout, story: list[Entry], voice: Voice
) -> None:
    lines = (line(rollout, entry, (HOSTILE,), voice) for entry in story)
    for message in (card(rollout, story, NOW, voice), *(one.message for one in lines if one is not None)):
        for text in (message.text, *(mrkdwn_of(block) for block in (*message.blocks, *message.plain))):
            for alive in ("<!channel>", "<http", "*b*", "~y~", ":x:", "\n&gt; quoted"):
                assert alive not in text


def mrkdwn_of(block: Block | list[Any]) -> str:
    """Every text in a block that Slack would parse."""
    if isinstance(block, list):
        return "".join(mrkdwn_of(part) for part in block if isinstance(part, dict | list))
    own = str(block["text"]) if block.get("type") == "mrkdwn" else ""
    return own + "".join(mrkdwn_of(part) for part in block.values() if isinstance(part, dict | list))


# The validator itself


def a_modal(**changes: Any) -> dict[str, Any]:
    return {"type": "modal", "title": b.plain("Title"), "close": b.plain("Close"), "blocks": [b.section("x")]} | changes


def a_message(*blocks: Block, text: str = "x") -> Message:
    return Message(text=text, blocks=blocks, plain=())


LONG_LABEL = {"type": "plain_text", "text": "x" * 76}
OPTION = {"text": b.plain("x"), "value": "x"}
SELECT = {"type": "static_select", "action_id": "value", "options": [OPTION] * 101}
BUTTON = b.button("x", "same", "v", style="primary")


@pytest.mark.parametrize(
    "problems",
    [
        blockkit.of_message(a_message(b.section("x"), text="")),
        blockkit.of_message(a_message(b.section("x"), text="x" * 4001)),
        blockkit.of_message(a_message({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}})),
        blockkit.of_message(a_message(b.actions([{**BUTTON, "text": LONG_LABEL}]))),
        blockkit.of_message(a_message(b.actions([BUTTON, BUTTON]))),
        blockkit.of_message(a_message(b.actions([BUTTON]), b.actions([BUTTON]))),
        blockkit.of_message(a_message(*[b.section("x")] * 51)),
        blockkit.of_message(a_message(*[b.section("x" * 3000)] * 5)),
        blockkit.of_message(a_message({"type": "data_table", "caption": "x", "rows": [[], []]})),
        blockkit.of_view(a_modal(title=b.plain("x" * 25))),
        blockkit.of_view(a_modal(private_metadata="x" * 3001)),
        blockkit.of_view(a_modal(callback_id="x" * 256)),
        blockkit.of_view(a_modal(blocks=[b.section("x")] * 101)),
        blockkit.of_view(a_modal(blocks=[forms.field("a", "A", forms.line("x"))])),
        blockkit.of_view(a_modal(blocks=[forms.field("a", "A", SELECT)], submit=b.plain("Go"))),
        blockkit.of_view({"type": "home", "title": b.plain("x"), "blocks": [b.section("x")]}),
        blockkit.of_view({"type": "page", "blocks": []}),
    ],
)
def test_what_slack_would_refuse_is_found(problems: list[str]) -> None:
    assert problems


def test_what_slack_takes_is_not() -> None:
    assert blockkit.of_view(a_modal()) == []
    assert blockkit.of_message(Message(text="x", blocks=(b.section("x"),), plain=(b.section("x"),))) == []
