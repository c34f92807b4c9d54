"""What the shell says about freezes."""

from __future__ import annotations

from bot.cli import status
from bot.cli.status import freezes, frozen
from bot.model.figures import AnalysisState, Exposure
from bot.model.freeze import ALL, FreezeAction, FreezeLine
from bot.model.rollout import Phase, RolloutId
from bot.model.service import ErrorBudget
from bot.words.language import Language
from bot.words.rendering import Voice, plain
from bot.words.sentence import said
from tests.builders import MAYA, OMAR, a_freeze, a_rollout, a_service

NOON = 1_750_075_200.0  # 2025-06-16 12:00 UTC


def test_a_freeze_is_a_line_of_the_status() -> None:
    lines = frozen([a_freeze(ALL, since=NOON), a_freeze(since=NOON, until=NOON + 60)])

    assert list(map(plain, lines)) == [
        "All services are frozen since 2025-06-16 12:00 UTC by U0MAYA, until somebody ends it: database migration.",
        "reviews is frozen since 2025-06-16 12:00 UTC by U0MAYA, until 2025-06-16 12:01 UTC: database migration.",
    ]


def test_the_history_says_who_froze_and_who_ended_it_newest_first() -> None:
    freeze = a_freeze(since=NOON, until=NOON + 3600)
    lines = [
        FreezeLine(at=NOON, by=MAYA, action=FreezeAction.FROZE, freeze=freeze),
        FreezeLine(at=NOON + 60, by=OMAR, action=FreezeAction.UNFROZE, freeze=freeze),
    ]

    assert list(map(plain, freezes(lines))) == [
        "2025-06-16 12:01 UTC  U0OMAR unfroze reviews (frozen by U0MAYA): database migration",
        "2025-06-16 12:00 UTC  U0MAYA froze reviews until 2025-06-16 13:00 UTC: database migration",
    ]


def test_the_status_and_the_history_tell_what_users_had_of_a_rollout_and_its_share_of_the_error_budget() -> None:
    state = AnalysisState(exposure=Exposure(requests=353.0, errors=42.0))
    service = a_service(budget=ErrorBudget(objective=0.999, window=30 * 86400.0))
    rollout = a_rollout(service, phase=Phase.SHIFTING, stage=1, user_rate=10.0, analysis_state=state)

    _, live, *_ = map(plain, status.status([rollout], NOON))
    _, past = map(plain, status.history([rollout]))

    so_far = "v2 has answered 353 user requests, 42 failed. v2 has cost about 0.162 % of the error budget"
    assert live.startswith(f"  users        {so_far}")
    assert past.startswith(f"  users        {so_far}")


def test_a_record_that_cannot_be_read_is_one_line_of_the_history_and_hides_no_other() -> None:
    lines = list(map(plain, status.history([a_rollout()], {RolloutId("r-0"): "holds a rollout that cannot be read."})))

    assert len(lines) == 2
    assert lines[1] == "r-0: Redis holds a rollout that cannot be read."
    assert list(map(plain, status.history([], {RolloutId("r-0"): "holds it."}))) == ["r-0: Redis holds it."]


def test_the_shell_speaks_the_bots_language() -> None:
    chinese = Voice(language=Language.CHINESE)
    rollout = a_rollout(phase=Phase.ABORTED, ended_at=150.0, reason=said("controller.could_not", doing="x", why="y"))

    (line,) = (plain(one, chinese) for one in status.history([rollout]))

    assert line.startswith("1970-01-01 00:00 UTC  reviews v2")
    assert "历时 2.5 分钟" in line
    assert [plain(one, chinese) for one in status.status([], NOON)] == ["没有进行中的发布。"]
