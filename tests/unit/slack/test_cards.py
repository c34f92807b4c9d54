"""What is shown of a rollout, and that Slack would take it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.analysis.analysis import analyse
from bot.controller.decisions import ButtonToken
from bot.model.errors import Refusal
from bot.model.figures import Finding, Judgement, Verdict
from bot.model.incidents import Difference, Drift, Edit
from bot.model.rollout import (
    BOT,
    Approval,
    Entry,
    EntryKind,
    Hold,
    HoldCause,
    Phase,
    Rollout,
    RolloutId,
    Topology,
    UserId,
)
from bot.model.service import ApprovalRule, CustomGate, GateLimits, HardLimit, Measure
from bot.rollout import phrases
from bot.rollout.plans import make_retreat
from bot.slack import replies, views
from bot.slack.blocks import Block, Message
from bot.slack.cards import buttons, card
from bot.slack.figures import rows
from bot.slack.thread import line
from sandbox.slack.blocks import Surface, check_blocks
from tests.builders import LENA, MAYA, OMAR, a_drift, a_freeze, a_rollout, a_service, a_side_of, changed, figures
from tests.fakes.controller_port import a_plan

NOW = 1_750_000_600.0
UNTOUCHABLE = a_drift(edits=(replace(a_drift().edits[0], restorable=False),))


def at(stage: int, **changes: Any) -> Rollout:
    """A rollout of reviews v2 at one of its stages."""
    rollout = a_rollout()
    return changed(
        rollout, **{"phase": rollout.spec.plan[stage].phase, "stage": stage, "started_at": NOW - 600, **changes}
    )


def measured(rollout: Rollout, errors: int) -> Rollout:
    """The same with figures: 412 requests on the canary in each of three scrapes."""
    for number in range(1, 4):
        row = figures(a_side_of(1024, 1), a_side_of(412, errors, slow=3), start=15.0 * (number - 1), end=15.0 * number)
        judgement, analysis_state = analyse(rollout, row)
        rollout = replace(rollout, judgement=judgement, analysis_state=analysis_state)
    return rollout


def texts(blocks: object) -> str:
    """Everything a reader sees, in order."""
    if isinstance(blocks, dict):
        shown = (v if k in {"text", "title", "caption"} and isinstance(v, str) else texts(v) for k, v in blocks.items())
        return " | ".join(part for part in shown if part)
    if isinstance(blocks, list | tuple):
        return " | ".join(part for part in map(texts, blocks) if part)
    return ""


def labels(rollout: Rollout) -> list[str]:
    return [button["text"]["text"] for button in buttons(rollout)]


def assert_slack_takes(message: Message, surface: Surface = "message") -> None:
    assert 0 < len(message.text) < 4000
    for blocks in (message.blocks, message.plain):
        assert check_blocks(list(blocks), surface) == []
        assert len(json.dumps(blocks, ensure_ascii=False)) <= 10_000


def test_the_card_of_a_question_shows_what_is_asked_and_on_what_it_rests() -> None:
    asking = measured(at(1, asked_at=NOW - 60, approvals_rule=ApprovalRule(count=2)), errors=0)

    message = card(asking, (), NOW)

    assert message.text == "reviews 1 → v2: needs approval. Shift 40 % of users to v2?"
    shown = texts(message.blocks)
    assert shown.startswith("reviews 1 → v2 · needs approval")
    assert "20 % · 1,236 requests, 0 errors" in shown
    assert "errors | 0 % (0) | 0.0977 % (3)" in shown
    assert "requests | 1,236 | 3,072" in shown
    assert "approvals 0 of 2" in shown
    assert_slack_takes(message)


def test_the_stages_show_how_far_it_is() -> None:
    gist = "Errors on reviews-v2: 0 %."
    story = (Entry(at=1.0, kind=EntryKind.SUMMARY, text="However that is said.", stage="mirror", gist=gist),)

    plan = next(block for block in card(measured(at(1), 0), story, NOW).blocks if block["type"] == "plan")

    assert [task["status"] for task in plan["tasks"]][:3] == ["complete", "in_progress", "pending"]
    assert [task["title"] for task in plan["tasks"]] == [
        "Mirror 100 % of requests to v2",
        *(f"{weight} % of users on v2" for weight in (20, 40, 60, 80, 100)),
        "Upgrade reviews-v1",
        "Return 50 % of users",
        "Return 100 % of users",
        "Bake for 10 min",
    ]
    assert texts(plan["tasks"][0]["output"]) == "Errors on reviews-v2: 0 %."
    assert plan["title"] == "Plan: 1 of 10 steps done"


def test_a_gate_that_failed_comes_first() -> None:
    table = next(b for b in card(measured(at(1), errors=60), (), NOW).blocks if b["type"] == "data_table")

    assert [cell["text"] for cell in table["rows"][0]] == ["Gate", "Canary", "Primary", "Limit", "Verdict"]
    assert [table["rows"][1][0]["text"], table["rows"][1][4]["text"]] == ["errors", "fail"]


def test_somebody_elses_change_is_shown_as_a_small_diff() -> None:
    shown = str(card(at(1, drift=a_drift()), [], NOW).blocks)

    assert "users: " in shown
    assert "80/20 → 100/0" in shown


@pytest.mark.parametrize(
    ("rollout", "shown"),
    [
        (at(0, phase=Phase.PREFLIGHT), ["Abort", "Details"]),
        (at(1), ["Pause", "Abort", "Details"]),
        (at(1, paused_by=OMAR), ["Resume", "Abort", "Details"]),
        (at(0, asked_at=NOW), ["Shift 20 % of Users to v2", "Pause", "Abort", "Details"]),
        (at(5, asked_at=NOW), ["Upgrade the Primary to v2", "Pause", "Abort", "Details"]),
        (at(6, asked_at=NOW), ["Return 50 % of Users", "Pause", "Abort", "Details"]),
        (at(0, asked_at=NOW, approvals=(Approval(by=OMAR, at=NOW),)), ["Pause", "Abort", "Details"]),
        (at(6, phase=Phase.HALTED), ["Try Again", "Accept as It Is", "Abort", "Details"]),
        (at(1, drift=a_drift()), ["Restore", "Hold", "Abort", "Details"]),
        (at(1, drift=a_drift(left_by=OMAR)), ["Restore", "Abort", "Details"]),
        (at(1, drift=UNTOUCHABLE), ["Hold", "Abort", "Details"]),
        (at(6, phase=Phase.HALTED, drift=a_drift()), ["Restore", "Hold", "Abort", "Details"]),
        (at(0, phase=Phase.ABORTING, retreat=make_retreat(primary_touched=False)), ["Details"]),
        (at(10, phase=Phase.PROMOTED, ended_at=NOW), ["Details"]),
    ],
)
def test_only_buttons_that_work_now_are_shown(rollout: Rollout, shown: list[str]) -> None:
    assert labels(rollout) == shown


def test_at_most_one_button_is_primary_and_every_value_is_bound_to_what_was_shown() -> None:
    asking = at(0, asked_at=NOW, evidence=7)

    shown = buttons(asking)

    assert [button.get("style") for button in shown] == ["primary", None, "danger", None]
    assert {button["value"].split(":")[-1] for button in shown} == {"default/reviews|r-1|0|7"}


@pytest.mark.parametrize(
    "made_up", ["", "x", "a|b|c|d", "default/reviews|r-1|1", "default/reviews|r-1|-1|0", "a|b|²|0"]
)
def test_a_made_up_button_value_is_refused(made_up: str) -> None:
    with pytest.raises(Refusal):
        ButtonToken.read(made_up)


@pytest.mark.parametrize(
    ("old", "new", "called"),
    [
        ("reviews:1.0", "reviews:2.0", "1.0"),
        ("reg:5000/team/app-reviews-v1:1.20.3", "reg:5000/team/app-reviews-v2:1.20.3", "v1"),
        ("reviews@sha256:aa", "reviews@sha256:bb", "v1"),
        ("reviews:1.0@sha256:aa", "reviews:2.0", "1.0"),
    ],
)
def test_the_old_version_is_called_by_what_tells_the_images_apart(old: str, new: str, called: str) -> None:
    rollout = a_rollout()
    rollout = replace(
        rollout,
        spec=replace(
            rollout.spec, recorded=replace(rollout.spec.recorded, images={"c": old}), canary_images={"c": new}
        ),
    )

    assert card(rollout, (), NOW).text.startswith(f"reviews {called} → v2")


@pytest.mark.parametrize(
    ("kind", "broadcast", "mentioned"),
    [
        (EntryKind.STAGE, False, []),
        (EntryKind.HELD, False, []),
        (EntryKind.ASK, False, ["S0MANAGERS"]),
        (EntryKind.ABORTING, True, [MAYA, "S0MANAGERS"]),
        (EntryKind.HALTED, True, [MAYA, "S0MANAGERS"]),
        (EntryKind.ALERT, True, [MAYA, "S0MANAGERS"]),
        (EntryKind.ENDED, True, [MAYA]),
    ],
)
def test_bad_news_and_the_end_reach_the_channel_and_whoever_must_know(
    kind: EntryKind, broadcast: object, mentioned: list[str]
) -> None:
    said = line(at(1), Entry(at=NOW, kind=kind, text="Something happened."), ("S0MANAGERS",))

    assert said is not None
    elements = said.message.blocks[0]["elements"][0]["elements"]
    assert [e.get("user_id") or e.get("usergroup_id") for e in elements if e["type"] != "text"] == mentioned
    assert said.broadcast == broadcast
    assert_slack_takes(said.message)


def test_the_start_is_said_by_the_card_alone() -> None:
    assert line(at(0), Entry(at=NOW, kind=EntryKind.STARTED, text="started", by=MAYA)) is None


def test_a_summary_carries_both_sides_figures_while_they_are_the_newest() -> None:
    left = measured(at(1), 0)
    summary = Entry(
        at=60.0,
        kind=EntryKind.SUMMARY,
        text=phrases.summary(left, left.judgement or Judgement(at=0, verdict=Verdict.PASS)),
        stage="shift 20",
    )
    moved_on = replace(left, stage=2)
    later = replace(moved_on, judgement=replace(left.judgement or Judgement(at=0, verdict=Verdict.PASS), at=90.0))

    soon, late = line(moved_on, summary), line(later, summary)

    assert soon is not None
    assert late is not None
    assert "Checks of 20 % of users" in texts(soon.message.blocks)
    assert len(late.message.blocks) == 1
    assert_slack_takes(soon.message)


def test_figures_are_in_the_unit_of_their_gate_whatever_it_is_called() -> None:
    """A team may call its own query p95, and what it gives need not be milliseconds; nor is its `errors` a share."""
    limits = (
        HardLimit(name="slowest", of=Measure.LATENCY, maximum=400.0),
        HardLimit(name="p5", of=Measure.ERRORS, maximum=0.5),
    )
    custom = tuple(CustomGate(name=name, query="q", maximum=9.0) for name in ("p95", "errors", "slower than 5 ms"))
    rollout = at(1, gates=GateLimits(limits=limits, custom=custom, errors=False, latency=False))
    row = figures(a_side_of(1024, 1), a_side_of(412, 4), custom={gate.name: 0.25 for gate in custom})

    judgement, _ = analyse(rollout, row)

    assert {
        gate: (ours, theirs, limit) for gate, ours, theirs, limit, _ in rows(judgement, primary_is_judged=False)
    } == {
        "slowest": ("99 ms", "-", "400 ms"),
        "p5": ("0.971 %", "-", "50 %"),
        "p95": ("0.25", "-", "9"),
        "errors": ("0.25", "-", "9"),
        "slower than 5 ms": ("0.25", "-", "9"),
        "requests": ("412", "1,024", "-"),
    }


# Whatever the names and however long: Slack must take it, and no markup may come alive.

HOSTILE = "<!channel> *b* & <http://evil|ok> `x` ~y~ " + "ä" * 400
NASTY = st.one_of(st.text(max_size=300), st.just(HOSTILE), st.just("x" * 5000))
PEOPLE = st.sampled_from([MAYA, OMAR, LENA, BOT, UserId(HOSTILE)])


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    """Any phase, any stage, names far beyond what may be typed, any hold, any judgement."""
    weights = draw(st.sampled_from([(20, 40, 60, 80, 100), tuple(range(1, 101))]))
    topology = draw(st.sampled_from(list(Topology)))
    rollout = a_rollout(a_service(weights=weights), topology)
    phase = draw(st.sampled_from(list(Phase)))
    retreating = phase in {Phase.ABORTING, Phase.ABORTED} or (phase is Phase.HALTED and draw(st.booleans()))
    retreat = make_retreat(primary_touched=draw(st.booleans())) if retreating else ()
    gates = draw(st.lists(st.tuples(NASTY, st.sampled_from(list(Verdict)), NASTY, st.floats()), max_size=15))
    findings = tuple(Finding(gate=g, verdict=v, sentence=s, value=f, limit=f) for g, v, s, f in gates)
    button_token = draw(
        st.none() | st.just(figures(None, None)) | st.just(figures(a_side_of(1e12), a_side_of(5, 1, 2)))
    )
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
            approvals_rule=ApprovalRule(count=draw(st.integers(1, 12))),
        ),
        phase=phase,
        retreat=retreat,
        stage=draw(st.integers(0, len(retreat or rollout.spec.plan) - 1)),
        asked_at=draw(st.none() | st.just(NOW)),
        paused_by=draw(st.none() | PEOPLE),
        hold=draw(st.none() | st.just(hold)),
        drift=draw(st.none() | st.just(Drift(edits=edits, since=NOW))),
        approvals=tuple(Approval(by=UserId(f"U0{n:05}"), at=NOW) for n in range(draw(st.integers(0, 12)))),
        judgement=draw(
            st.none() | st.just(Judgement(at=NOW, verdict=Verdict.FAIL, findings=findings, figures=button_token))
        ),
        reason=draw(NASTY),
        ended_at=NOW if phase in {Phase.PROMOTED, Phase.ABORTED, Phase.REFUSED} else None,
    )


STORIES = st.lists(
    st.builds(Entry, at=st.just(NOW), kind=st.sampled_from(list(EntryKind)), text=NASTY, by=PEOPLE), max_size=15
)


def test_a_plan_shows_each_finding_whole_and_says_how_many_it_leaves_out() -> None:
    rule = f"Warning: VirtualService reviews is kept by Argo CD. Add `{'x' * 700}`."
    few, many = (
        replies.plan("reviews", "v2", a_plan((("mirror", "Users 100 % v1."),), findings=(rule,) * number))
        for number in (4, 40)
    )

    assert texts(few.blocks).count(rule) == 4
    assert_slack_takes(many)
    shown = texts(many.blocks).count(rule)
    assert f"and {40 - shown} more; `canary-bot plan` shows them all" in texts(many.blocks)


def test_a_question_with_many_doubts_is_asked_whole() -> None:
    doubts = " ".join(f"{number}. {'doubt ' * 60}." for number in range(10))
    said = line(a_rollout(), Entry(at=NOW, kind=EntryKind.ASK, text=doubts))

    assert said is not None
    assert_slack_takes(said.message)
    assert doubts in texts(said.message.blocks).replace(" | ", "")


@settings(max_examples=150, deadline=None)
@given(rollouts(), STORIES)
def test_slack_takes_every_card_line_answer_and_form(rollout: Rollout, story: list[Entry]) -> None:
    assert_slack_takes(card(rollout, story, NOW))
    for entry in story:
        said = line(rollout, entry, (HOSTILE, "S0MANAGERS"))
        if said is not None:
            assert_slack_takes(said.message)
    for message in (
        replies.status(rollout, story, NOW),
        replies.why(rollout, story),
        replies.live([rollout] * 60, "/canary"),
        replies.history(rollout.spec.service, [rollout] * 10),
    ):
        assert_is_shown(message)
    for view in (
        views.details(rollout, story),
        views.abort_form(rollout, "C0RELEASES"),
        views.start_form([a_service()] * 12, frozen=[a_freeze(reason=HOSTILE)] * 12),
        views.home([rollout] * 12, [rollout] * 12, [rollout] * 12, [a_freeze(reason=HOSTILE)] * 12, "/canary", NOW),
    ):
        assert check_blocks(view["blocks"], view["type"]) == []
        assert len(view.get("private_metadata", "")) <= 3000
        assert len(view.get("title", {}).get("text", "")) <= 24


def assert_is_shown(message: Message) -> None:
    """Private answers may be longer than a card, but not than Slack's own limits."""
    assert 0 < len(message.text) < 6000
    assert check_blocks(list(message.plain), "message") == []


@given(rollouts(), STORIES)
@settings(max_examples=60, deadline=None)
def test_nothing_that_people_or_clusters_wrote_becomes_markup(rollout: Rollout, story: list[Entry]) -> None:
    messages = [card(rollout, story, NOW), *(s.message for e in story if (s := line(rollout, e, (HOSTILE,))))]
    for message in messages:
        assert "<!channel>" not in message.text
        for block in (*message.blocks, *message.plain):
            assert "<!channel>" not in mrkdwn_of(block)


def mrkdwn_of(block: Block | list[Any]) -> str:
    """Every text in a block that Slack would parse."""
    if isinstance(block, list):
        return "".join(mrkdwn_of(part) for part in block if isinstance(part, dict | list))
    own = str(block["text"]) if block.get("type") == "mrkdwn" else ""
    return own + "".join(mrkdwn_of(part) for part in block.values() if isinstance(part, dict | list))


def test_a_record_that_cannot_be_read_is_one_line_of_the_history_and_hides_no_other() -> None:
    said = json.dumps(replies.history("reviews", [], {RolloutId("r-0"): "holds a newer rollout."}).blocks)

    assert "r-0" in said
    assert "Redis holds a newer rollout." in said
