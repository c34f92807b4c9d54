"""What people see of a step back: a line for everybody, the card while it lasts, the chart, and what it spared."""

from __future__ import annotations

from bot.analysis.course import MOST_POINTS
from bot.model.rollout import Phase
from bot.model.story import EntryKind
from bot.rollout import exposure
from bot.slack import endings, plan, wording
from bot.slack.charts import chart
from bot.slack.thread import line
from bot.words.rendering import ENGLISH, plain
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
    home = [one for one in said if "All users go back to reviews-v1." in one.message.text]
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
