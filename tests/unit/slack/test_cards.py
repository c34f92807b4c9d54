"""What is shown of a rollout, and that Slack would take it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.analysis.analysis import analyse
from bot.analysis.without_figures import warming_up
from bot.controller.decisions import ButtonToken
from bot.model.errors import Refusal
from bot.model.figures import UNTRIED, Exposure, Point
from bot.model.judge_settings import STRICTNESS
from bot.model.rollout import (
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
    Walked,
)
from bot.model.service import ApprovalRule, CustomGate, ErrorBudget, GateLimits, HardLimit, Measure, MetricsSource
from bot.model.story import Entry, EntryKind
from bot.rollout.phrases import called
from bot.rollout.plans import make_retreat
from bot.slack import replies
from bot.slack.blocks import Block, Message
from bot.slack.cards import buttons, card
from bot.slack.gate_rows import NOTHING, rows
from bot.slack.thread import line
from bot.words.rendering import ENGLISH
from bot.words.sentence import Person, Sentence, said
from sandbox.slack.blocks import Surface, check_blocks
from tests.builders import MAYA, OMAR, a_drift, a_rollout, a_side_of, changed, figures
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
    asking = measured(at(1, asked_at=NOW - 60, approvals_rule=ApprovalRule(count=2, approvers=("S0MANAGERS",))), 0)
    asking = replace(asking, analysis_state=replace(asking.analysis_state, exposure=Exposure(requests=1236.0)))

    message = card(replace(asking, user_rate=100.0), (), NOW)

    assert message.text.startswith("reviews 1 → v2: needs approval. Shift 40 % of users to v2?")
    shown = texts(message.blocks)
    assert shown.startswith("reviews 1 → v2 · Shift 40 % of users to v2?")
    assert "v2 has answered 1,236 user requests, none failed." in shown
    assert "The next step sends it about 4,800 requests in 2 minutes." in shown
    figures = "Errors | too early | none of 1,236 | 0.0977 % of 3,072 | 1.25x version 1, at most 5 %"
    assert figures in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "0 of 2 approvals from <!subteam^S0MANAGERS> · not from <@U0MAYA>, who started it" in shown
    assert "decide by" in shown
    assert "default/reviews · r-1" in shown
    assert_slack_takes(message)


@pytest.mark.parametrize(
    ("phase", "stage", "settled_at", "is_said"),
    [
        (Phase.MIRRORING, 0, None, True),
        (Phase.SHIFTING, 1, None, True),
        (Phase.SHIFTING, 1, 5.0, False),
        (Phase.SWITCHING_BACK, 7, None, True),
        (Phase.UPGRADING, 6, None, False),
    ],
)
def test_a_step_whose_routes_are_not_written_is_not_told_as_one_that_is(
    phase: Phase, stage: int, settled_at: float | None, *, is_said: bool
) -> None:
    text = card(a_rollout(phase=phase, stage=stage, settled_at=settled_at), (), 10.0).text

    assert text.endswith("Not in force yet: the routes of this step are not written.") is is_said


def test_the_card_of_a_service_with_an_error_budget_tells_its_share_and_every_other_card_none() -> None:
    for budget in (None, ErrorBudget(objective=0.999, window=30 * 86400.0)):
        asking = at(1, asked_at=NOW - 60, budget=budget, user_rate=10.0)
        state = replace(asking.analysis_state, exposure=Exposure(requests=353.0, errors=42.0))
        message = card(replace(asking, analysis_state=state), (), NOW)

        shown = texts(message.blocks)
        assert "v2 has answered 353 user requests, 42 failed." in shown
        assert ("about 0.162 % of the error budget (99.9 % over 30 days)" in shown) is (budget is not None)
        confirm = next(block for block in message.blocks if block["type"] == "actions")["elements"][0]["confirm"]
        assert ("error budget" in confirm["text"]["text"]) is (budget is not None)
        assert_slack_takes(message)


def test_the_end_of_a_promotion_tells_what_users_had_of_it_and_what_that_cost_of_the_error_budget() -> None:
    promoted = at(1, phase=Phase.PROMOTED, ended_at=NOW, user_rate=10.0)
    promoted = changed(promoted, budget=ErrorBudget(objective=0.999, window=30 * 86400.0))
    state = replace(promoted.analysis_state, exposure=Exposure(requests=353.0, errors=42.0))
    entry = Entry(at=NOW, kind=EntryKind.ENDED, text="Promoted.")

    posted = line(replace(promoted, analysis_state=state), entry)

    assert posted is not None
    assert "Promoted. v2 has answered 353 user requests, 42 failed. v2 has cost about 0.162 %" in posted.message.text


def test_the_cluster_is_on_the_card_beside_the_namespace_where_services_yaml_names_it() -> None:
    metrics = MetricsSource(labels=(("cluster", "prod-eu"), ("job", "envoy-stats")))

    named, bare = (texts(card(at(1, metrics=one), (), NOW).blocks) for one in (metrics, MetricsSource()))

    assert "default/reviews in prod-eu · r-1" in named
    assert "default/reviews · r-1" in bare


def test_the_history_tells_what_users_had_of_each_rollout() -> None:
    past = at(1, phase=Phase.ABORTED, ended_at=NOW, reason="v2 failed.", user_rate=10.0)
    past = changed(past, budget=ErrorBudget(objective=0.999, window=30 * 86400.0))
    state = replace(past.analysis_state, exposure=Exposure(requests=353.0, errors=42.0))

    shown = texts(replies.history("reviews", [replace(past, analysis_state=state), at(1)]).blocks)

    assert shown.count("v2 has answered 353 user requests, 42 failed.") == 1
    assert "v2 has cost about 0.162 % of the error budget" in shown


def test_who_has_approved_is_on_the_card_at_once() -> None:
    given = (Approval(by=OMAR, at=NOW),)

    for needed in (1, 2):
        rule = ApprovalRule(count=needed)
        shown = texts(card(at(0, asked_at=NOW, approvals=given, approvals_rule=rule), (), NOW).blocks)
        assert "approved by <@U0OMAR>" in shown


def test_a_doubt_is_another_question_with_another_button_that_repeats_it() -> None:
    doubt = Question(kind=QuestionKind.DOUBT, gate="errors", why="v2 failed 9 % (15 of 165).")
    asking = at(1, asked_at=NOW, question=doubt, hold=Hold(cause=HoldCause.METRICS, sentence="x", since=NOW))

    shown, (button, *_) = card(asking, (), NOW), buttons(asking)

    assert texts(shown.blocks).startswith("reviews 1 → v2 · v2 may be worse: go on anyway? | v2 failed 9 %")
    assert (button["text"]["text"], button.get("style")) == ("Go On Anyway", None)
    assert "v2 failed 9 % (15 of 165)." in button["confirm"]["text"]["text"]


def walked(*names: str, outcome: StageOutcome = StageOutcome.PASSED, **changes: Any) -> tuple[Walked, ...]:
    counts: dict[str, Any] = {"canary": (100.0, 0.0), "primary": (400.0, 1.0), "began": 0.0, "ended": NOW} | changes
    return tuple(Walked(name=name, outcome=outcome, **counts) for name in names)


def plan_of(rollout: Rollout) -> list[tuple[str, str, str]]:
    plan = next(block for block in card(rollout, (), NOW).blocks if block["type"] == "plan")
    assert all("output" not in task for task in plan["tasks"]), "a row is one line"
    rows = [(task["status"], *task["title"].partition(" · ")[::2]) for task in plan["tasks"]]
    return [(status, title, more) for status, title, more in rows]


def test_the_plan_gathers_what_is_behind_and_what_is_ahead() -> None:
    left = (*walked("mirror", "shift 20"), *walked("shift 40", outcome=StageOutcome.TIME_UP))
    here = at(3, walked=left, settled_at=NOW - 60)

    plan = next(block for block in card(here, (), NOW).blocks if block["type"] == "plan")

    assert plan_of(here) == [
        ("complete", "Mirror → 20 %", "200 requests, none failed"),
        # Its time was up: nothing was shown of it, so it has no tick.
        ("pending", "40 % of users on v2", "no problem seen on little traffic"),
        ("in_progress", "60 % of users on v2", "for 60 seconds"),
        ("pending", "80 % → 100 % of users, then upgrade, return and watch", "2 approvals"),
    ]
    assert plan["title"] == "Step 4 of 10 · about 19 minutes to go if all is well"


@pytest.mark.parametrize("stage", range(10))
def test_the_plan_has_four_rows_at_the_most(stage: int) -> None:
    names = [one.name for one in a_rollout().spec.plan[:stage]]
    left = [one for n, name in enumerate(names) for one in walked(name, outcome=list(StageOutcome)[n % 4])]

    assert 1 <= len(plan_of(at(stage, walked=tuple(left)))) <= 4


def test_what_was_not_shown_of_several_stages_is_said_once() -> None:
    names = [stage.name for stage in a_rollout().spec.plan[:9]]
    left = [
        one
        for name in names
        for one in walked(name, outcome=StageOutcome.PASSED if name == "shift 20" else StageOutcome.TIME_UP)
    ]

    for stage in range(1, 10):
        rows = [more for _, _, more in plan_of(at(stage, walked=tuple(left[:stage])))]
        assert rows.count("no problem seen on little traffic") == 1


ABORTED = (
    *walked("mirror", "shift 20"),
    *walked("shift 40", outcome=StageOutcome.ABORTED, canary=(122.0, 34.0), began=NOW - 35, ended=NOW),
    *walked("return", outcome=StageOutcome.DONE, canary=None, primary=None, settled_at=NOW + 2),
)
WHY = "v2 failed 28 % (34 of 122), v1 none of 126."


def aborted(*, stage: int = 2, left: tuple[Walked, ...] = ABORTED, **changes: Any) -> Rollout:
    retreat = make_retreat(primary_touched=False)
    at_once = GateLimits(judge=replace(STRICTNESS, shield=False))
    bad = measured(changed(at(stage), gates=at_once), 60)
    state = replace(bad.analysis_state, exposure=Exposure(requests=353.0, errors=42.0))
    ended = changes | {
        "retreat": retreat,
        "stage": 1,
        "walked": left,
        "stopped": Stopped(at=NOW, home_at=NOW + 2),
        "reason": WHY,
        "ended_at": NOW + 3,
    }
    return replace(bad, phase=Phase.ABORTED, analysis_state=state, **ended)


HOME = Entry(at=NOW + 3, kind=EntryKind.ENDED, text=said("rollout.home", primary="reviews-v1"))


def test_the_card_of_an_abort_keeps_where_it_stopped_and_why() -> None:
    message = card(aborted(), (HOME,), NOW)

    shown = texts(message.blocks)
    assert shown.startswith("reviews 1 → v2 · aborted at 40 % of users, all users on 1")
    assert "v2 failed 28 % (34 of 122)" in shown
    assert "All users are back on version 1 after 2 seconds." in shown
    assert "v2 has answered 353 user requests, 42 failed." in shown
    assert "image `reviews:1` → `reviews:2`" in shown
    assert "Errors | worse" in shown
    assert "took" in shown
    assert plan_of(aborted()) == [
        ("complete", "Mirror → 20 %", "200 requests, none failed"),
        ("error", "40 % of users on v2", "after 35 seconds"),
        ("complete", "All users back on 1", "after 2 seconds"),
    ]
    assert labels(aborted()) == ["Start v2 Again", "Details"]
    assert_slack_takes(message)


def test_a_stage_whose_checks_are_shown_is_counted_there_and_nowhere_else() -> None:
    """The table counts from the first row of the stage, the plan would from when its routes were in force."""
    running = measured(at(2, settled_at=NOW - 60), 60)
    for rollout in (running, aborted()):
        shown = texts(card(rollout, (), NOW).blocks)
        assert "Errors | " in shown
        assert not [row for row in plan_of(rollout) if row[0] in {"in_progress", "error"} and "request" in row[2]]


def test_an_abort_in_the_mirror_says_that_no_user_was_affected() -> None:
    left = (
        *walked("mirror", outcome=StageOutcome.ABORTED, ended=NOW),
        *walked("return", outcome=StageOutcome.DONE, canary=None, primary=None, settled_at=NOW + 2),
    )
    in_mirror = replace(aborted(stage=0, left=left), analysis_state=UNTRIED)

    shown = texts(card(in_mirror, (HOME,), NOW).blocks)

    assert "No user was affected." in shown
    assert "are back" not in shown


def test_the_card_of_a_promotion_shows_how_it_went_and_who_approved() -> None:
    omar = (Approval(by=OMAR, at=NOW),)
    left = (
        *walked("mirror", approvals=omar, canary=(7968.0, 0.0)),
        *walked("shift 20", "shift 40", outcome=StageOutcome.TIME_UP),
        *walked("shift 60", "shift 80", "shift 100"),
        *walked("upgrade", outcome=StageOutcome.DONE, canary=None, primary=None),
        *walked("switchback 50", "switchback 100"),
        *walked("bake", outcome=StageOutcome.DONE),
    )
    done = at(9, phase=Phase.PROMOTED, walked=left, touched=True, ended_at=NOW)

    message = card(done, (), NOW)

    table = next(block for block in message.blocks if block["type"] == "data_table")
    assert [" ".join(texts(cell) for cell in row) for row in table["rows"]][1:] == [
        "Mirror 0 of 7,968 yes  ",
        f"20 % to 40 % of users 0 of 200 no, time was up {NOTHING}",
        f"60 % to 100 % of users 0 of 300 yes {NOTHING}",
        f"Upgrade, return and watch 3 of 1,200 yes {NOTHING}",
    ]
    assert "reviews-v1 now runs  | reviews:2 | , before  | reviews:1" in texts(message.blocks)
    assert_slack_takes(message)


# The chart


def course(points: int, *, errors: float = 28.0, silent: int = 0, stage: int = 1, **changes: Any) -> Rollout:
    """A stage with a point every ten seconds, in the first ``silent`` of which the canary answered nothing."""
    rollout = measured(at(stage, **changes), 60 if errors else 0)
    made = tuple(
        Point(
            at=NOW + 10 * n,
            canary=(0.0, 0.0) if n < silent else (100.0, errors),
            primary=(400.0, 0.0),
        )
        for n in range(points)
    )
    return replace(rollout, analysis_state=replace(rollout.analysis_state, points=made, bounds=()))


def charts_of(rollout: Rollout) -> list[Block]:
    return [block for block in card(rollout, (), NOW).blocks if block["type"] == "data_visualization"]


def test_the_worst_check_is_drawn_with_what_is_allowed() -> None:
    (chart,) = charts_of(course(20, silent=3))

    lines = {line["name"]: [point["value"] for point in line["data"]] for line in chart["chart"]["series"]}
    assert chart["title"] == "Errors, last 2.5 minutes (UTC)"
    assert lines["v2"] == [28.0] * 17  # a gap is left out of every line, not drawn as a zero
    assert lines["1"] == [0.0] * 17
    assert len(lines["allowed"]) == 17
    assert len(chart["chart"]["axis_config"]["categories"]) == 17


def test_a_few_points_are_no_course_and_the_first_moments_have_no_table() -> None:
    assert charts_of(course(3)) == []
    assert charts_of(course(20, silent=18)) == []
    early = replace(at(1), judgement=warming_up(NOW))
    assert not {"data_table", "data_visualization"} & {block["type"] for block in card(early, (), NOW).blocks}


def test_somebody_elses_change_is_shown_as_a_small_diff() -> None:
    shown = texts(card(at(1, drift=a_drift()), [], NOW).blocks)

    assert "users | :  | 80/20 |  →  | 100/0" in shown


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
        (at(9, phase=Phase.PROMOTED, ended_at=NOW, touched=True), ["Roll Back to 1", "Details"]),
        (at(9, phase=Phase.PROMOTED, ended_at=NOW, touched=True, back_to="1"), ["Details"]),
        (at(0, phase=Phase.ABORTED, retreat=make_retreat(primary_touched=False)), ["Start v2 Again", "Details"]),
    ],
)
def test_only_buttons_that_work_now_are_shown(rollout: Rollout, shown: list[str]) -> None:
    assert labels(rollout) == shown


def test_at_most_one_button_is_primary_and_every_value_is_bound_to_what_was_shown() -> None:
    asking = at(0, asked_at=NOW, evidence=7)

    shown = buttons(asking)

    assert [button.get("style") for button in shown] == ["primary", None, None, None]
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


def test_a_start_without_warnings_is_said_by_the_card_alone() -> None:
    assert line(at(0), Entry(at=NOW, kind=EntryKind.STARTED, text="started", by=MAYA)) is None


def summary(stage: str, key: str = "rollout.stage_done") -> Entry:
    text = Sentence(key, {"stage": stage, "findings": ("A long story.",)})
    return Entry(at=NOW, kind=EntryKind.SUMMARY, text=text, stage=stage, gist="Short.")


def test_a_stage_is_one_line_with_its_figures_and_who_let_it_be_left() -> None:
    left = walked("shift 20", approvals=(Approval(by=OMAR, at=NOW),))

    said = line(at(2, walked=left), summary("shift 20"))

    assert said is not None
    assert said.message.text == (
        "reviews 1 → v2: shift 20 done. 0 of 100 requests failed on v2, 1 of 400 on 1. Approved by <@U0OMAR>."
    )
    assert [block["type"] for block in said.message.blocks] == ["rich_text"]


def test_a_stage_with_all_users_on_one_side_tells_of_that_side_alone() -> None:
    left = walked("shift 100", primary=(0.0, 0.0))

    said = line(at(6, walked=left), summary("shift 100"))

    assert said is not None
    assert said.message.text == "reviews 1 → v2: shift 100 done. 0 of 100 requests failed on v2."


def test_an_approval_is_told_with_its_stage_and_alone_only_where_more_are_needed() -> None:
    def approved(given: int, following: int = 1) -> Entry:
        stage = called(a_rollout().spec.plan[following])
        text = said("rollout.approved", who=Person(OMAR), stage=stage, given=given, needed=2)
        return Entry(at=NOW, kind=EntryKind.APPROVED, text=text, by=OMAR)

    assert line(at(1), approved(2)) is None
    assert line(at(1), approved(1)) is not None
    assert line(at(8), approved(2, following=7)) is not None  # the upgrade has no figures to tell


def test_what_preflight_doubted_is_told_once_at_the_start() -> None:
    doubt = said("rollout.known_warnings", warnings=("No HPA.",))
    asked = said("rollout.asked", question="Shift?", notes=("1 approval is needed.", doubt))
    began = said(
        "rollout.started_with_warnings", who=Person(MAYA), service="reviews", version="v2", warnings=("No HPA.",)
    )
    started = Entry(at=NOW, kind=EntryKind.STARTED, text=began, by=MAYA)

    first, question = (
        line(at(0), started),
        line(at(0), Entry(at=1, kind=EntryKind.ASK, text=asked)),
    )

    assert first is not None
    assert question is not None
    assert "No HPA." in first.message.text
    assert "No HPA." not in question.message.text


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

    found = rows(replace(rollout, judgement=judgement), ENGLISH, 20)
    assert {name: (ours, theirs, limit) for name, _, ours, theirs, limit in found} == {
        "slowest": ("99 ms", "99 ms", "at most 400 ms"),
        "p5": ("0.971 % of 412", "0.0977 % of 1,024", "at most 50 %"),
        "p95": ("0.25", NOTHING, "at most 9"),
        "errors": ("0.25", NOTHING, "at most 9"),
        "slower than 5 ms": ("0.25", NOTHING, "at most 9"),
    }


def test_a_plan_shows_each_finding_whole_and_says_how_many_it_leaves_out() -> None:
    rule = f"Warning: VirtualService reviews is kept by Argo CD. Add `{'x' * 700}`."
    few, many = (
        replies.plan("reviews", "v2", a_plan((("mirror", "Users 100 % v1."),), warnings=(rule,) * number))
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


def test_a_record_that_cannot_be_read_is_one_line_of_the_history_and_hides_no_other() -> None:
    said = json.dumps(replies.history("reviews", [], {RolloutId("r-0"): "holds a newer rollout."}).blocks)

    assert "r-0" in said
    assert "Redis holds a newer rollout." in said
