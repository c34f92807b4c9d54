"""What `canary-bot check` says about the watchdog."""

from __future__ import annotations

import pytest

from bot.cli.check import watchdog_line
from bot.cluster import heartbeat_lease
from bot.words.language import Language
from bot.words.rendering import ENGLISH, Voice

NOW = 1_750_000_000.0


@pytest.mark.parametrize(
    ("theirs", "age", "said"),
    [
        (120.0, 5.0, "ok    watchdog     watches over namespace default, and acts after 2 minutes"),
        (119.5, 200.0, "ok    watchdog     watches over namespace default, and acts after 2 minutes"),
        (60.0, 5.0, "FAIL  watchdog     DEAD_MAN_SECONDS is 120 here and 60 at the watchdog of namespace default"),
        (600.0, 5.0, "FAIL  watchdog     DEAD_MAN_SECONDS is 120 here and 600 at the watchdog of namespace default"),
        (
            120.0,
            400.0,
            "FAIL  watchdog     The watchdog of namespace default has said nothing for 6.5 minutes: is it running?",
        ),
        (120.0, -3600.0, "ok    watchdog     watches over namespace default, and acts after 2 minutes"),
    ],
)
def test_its_limit_is_compared_with_the_bots(theirs: float, age: float, said: str) -> None:
    lease = heartbeat_lease.watching(None, "default", theirs, NOW - age)

    assert watchdog_line("default", lease, 120.0, NOW).shown(ENGLISH).startswith(said)


def test_where_there_is_none_it_is_told_what_that_means() -> None:
    said = watchdog_line("default", None, 120.0, NOW).shown(ENGLISH)

    assert said.startswith(
        "ok    watchdog     no watchdog says that it watches over namespace default: if the bot dies"
    )


def test_a_line_is_read_in_the_language_that_is_set_behind_the_same_word_for_how_it_went() -> None:
    line = watchdog_line("default", heartbeat_lease.watching(None, "default", 60.0, NOW), 120.0, NOW)

    assert line.shown(Voice(language=Language.CHINESE)).startswith("FAIL  watchdog     DEAD_MAN_SECONDS 在这里是 120")
