"""What the shell says about freezes."""

from __future__ import annotations

from bot.cli import status
from bot.cli.status import freezes, frozen
from bot.model.freeze import ALL, FreezeAction, FreezeLine
from bot.model.rollout import RolloutId
from tests.builders import MAYA, OMAR, a_freeze, a_rollout

NOON = 1_750_075_200.0  # 2025-06-16 12:00 UTC


def test_a_freeze_is_a_line_of_the_status() -> None:
    lines = frozen([a_freeze(ALL, since=NOON), a_freeze(since=NOON, until=NOON + 60)])

    assert list(lines) == [
        "All services are frozen since 2025-06-16 12:00 UTC by U0MAYA, until somebody ends it: database migration.",
        "reviews is frozen since 2025-06-16 12:00 UTC by U0MAYA, until 2025-06-16 12:01 UTC: database migration.",
    ]


def test_the_history_says_who_froze_and_who_ended_it_newest_first() -> None:
    freeze = a_freeze(since=NOON, until=NOON + 3600)
    lines = [
        FreezeLine(at=NOON, by=MAYA, action=FreezeAction.FROZE, freeze=freeze),
        FreezeLine(at=NOON + 60, by=OMAR, action=FreezeAction.UNFROZE, freeze=freeze),
    ]

    assert list(freezes(lines)) == [
        "2025-06-16 12:01 UTC  U0OMAR unfroze reviews (frozen by U0MAYA): database migration",
        "2025-06-16 12:00 UTC  U0MAYA froze reviews until 2025-06-16 13:00 UTC: database migration",
    ]


def test_a_record_that_cannot_be_read_is_one_line_of_the_history_and_hides_no_other() -> None:
    lines = list(status.history([a_rollout()], {RolloutId("r-0"): "holds a rollout that cannot be read."}))

    assert len(lines) == 2
    assert lines[1] == "r-0: Redis holds a rollout that cannot be read."
    assert list(status.history([], {RolloutId("r-0"): "holds it."})) == ["r-0: Redis holds it."]
