"""The watchdog's loop goes on whatever one of its jobs raises."""

from __future__ import annotations

from bot.cli.watchdog import attempt


def test_a_job_that_fails_keeps_no_other_from_its_turn() -> None:
    done: list[str] = []

    def fails() -> None:
        done.append("failed")
        raise RecursionError

    attempt(fails, lambda: done.append("came all the same"))

    assert done == ["failed", "came all the same"]
