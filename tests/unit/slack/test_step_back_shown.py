"""What people see of a step back: a line for everybody, the card while it lasts, the chart, and what it spared."""

from __future__ import annotations

from dataclasses import replace

from bot.analysis.conclusion import Case, conclude
from bot.analysis.course import MOST_POINTS
from bot.analysis.judge import editions, verdict
from bot.analysis.judge.verdict import Home
from bot.controller.ports import Notification
from bot.model.figures import Figures
from bot.model.rollout import Approval, Phase, StageOutcome, Walked
from bot.model.story import EntryKind
from bot.rollout import exposure
from bot.slack import endings, plan, priorities, wording
from bot.slack.charts import chart
from bot.slack.rate_limits import DECIDED_AFTER
from bot.slack.thread import line
from bot.words.rendering import ENGLISH, plain
from tests.builders import OMAR, a_rollout, a_side_of, changed
from tests.unit.analysis.test_step_back_played import From, Play, begun_at


def at_home(rows: int = 4) -> Play:
    play = begun_at(40, From(0.3, 90.0))
    play.until(lambda rollout: rollout.current.on_copies)
    for _ in range(rows):
        play.row()
    return play


def test_everybody_is_told_once_that_users_went_home_and_the_thread_that_they_return() -> None:
    play = at_home()
    play.until(lambda rollout: rollout.current.name == "shift 20")

    said = [found for _, one in play.said if (found := line(play.rollout, one)) is not None]
    home = [one for one in said if "All users go back to version 1." in one.message.text]
    back = [one for one in said if "20 % of users go to v2 again; it was 40 %." in one.message.text]
    assert ([one.broadcast for one in home], [one.broadcast for one in back]) == ([True], [False])


def test_the_card_says_that_users_are_home_and_what_that_has_spared_them() -> None:
    play = at_home()

    assert plain(wording.state(play.rollout)) == "users at home, judged on copies"
    assert "Judge v2 on copies, all users at home" in [plain(row.title) for row in plan.rows(play.rollout, play.now)]
    assert "With users on it, about 144 more requests would have failed on v2." in plain(exposure.summary(play.rollout))


def test_the_chart_marks_the_moment_at_which_users_went_home() -> None:
    play = at_home()
    drawn = chart(play.rollout, ENGLISH)

    assert drawn is not None
    labels = drawn["chart"]["axis_config"]["categories"]
    assert len(labels) <= MOST_POINTS
    assert [one for one in labels if one.endswith(" home")] == ["00:08:00 home"]


def test_an_abort_on_copies_says_that_users_were_home_and_not_that_nobody_met_it() -> None:
    play = begun_at(40, From(0.3))
    play.until(lambda rollout: rollout.phase is Phase.ABORTING)

    said = plain(next(one.text for _, one in play.said if one.kind is EntryKind.ABORTING))
    assert "Users have been home for 105 seconds." in said
    assert "No user was affected" not in plain(endings.came_home(play.rollout))


def test_an_abort_on_copies_tells_how_far_users_had_been() -> None:
    play = begun_at(60, From(0.3))
    play.until(lambda rollout: rollout.phase is Phase.ABORTING)
    rollout = play.rollout

    rows = [(plain(row.title), plain(row.output)) for row in plan.rows(rollout, play.now)]
    titles = [title for title, _ in rows]

    assert plain(plan.progress(rollout, play.now)) == "Got as far as step 4 of 10"
    assert ("60 % of users on v2", "users were taken home") in rows
    assert "Judge v2 on copies, all users at home" in titles
    assert len(titles) <= plan.MOST_ROWS


def test_who_let_users_return_is_told_by_the_name_that_people_know() -> None:
    rollout = at_home().rollout
    given = (Approval(by=OMAR, at=1000.0),)
    walked = Walked(name="copies 40", outcome=StageOutcome.PASSED, began=900.0, ended=1000.0, approvals=given)
    done = replace(changed(rollout, plan=a_rollout().spec.plan), walked=(walked,))

    assert "step back" in plain(endings.approvals(done))
    assert "copies 40" not in plain(endings.approvals(done))


def test_that_users_went_home_is_no_other_line_of_its_stage_and_waits_behind_none() -> None:
    play = at_home(0)
    loud = next(one for _, one in play.said if one.loud)
    one, other = (
        Notification(
            id=str(n), key=play.rollout.key, rollout_id=play.rollout.spec.id, revision=7, number=0, entry=entry
        )
        for n, entry in enumerate((loud, replace(loud, loud=False, text="20 % of users go to v2.")))
    )

    assert priorities.identity(one) != priorities.identity(other)
    assert priorities.rank(one) < priorities.rank(other)
    assert priorities.edits_after([one]) == DECIDED_AFTER


def test_users_for_whom_it_is_too_slow_are_not_said_to_meet_errors() -> None:
    home = Home(by="slow_a", counts=(300.0, 90.0, 300.0, 3.0), bound=250.0)
    rollout = at_home().rollout
    state = editions.load(rollout.analysis_state.judge, rollout.spec.gates.judge)
    assessment = replace(verdict.assess(state, rollout.spec.gates.judge, 1e12), home=home)
    row = Figures(start=0.0, end=60.0, canary=a_side_of(300), primary=a_side_of(300))

    found = conclude(rollout, Case(state=state, assessment=assessment, stage=row, absent=""))

    assert plain(found.sentences[0]) == (
        "v2 is too slow: answers over 250 ms 30 % (90 of 300), version 1 1 % (3 of 300)."
    )
