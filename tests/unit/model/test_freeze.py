"""What a freeze stops, until when, and how it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.freeze import ALL, Freeze, covering, current, freeze_sentence
from bot.preflight.freezes import check
from bot.words.rendering import plain
from tests.builders import LENA, a_freeze

NOON = 1_750_075_200.0  # 2025-06-16 12:00 UTC
HOUR = 3600.0


@pytest.mark.parametrize(
    ("freeze", "sentence"),
    [
        (
            a_freeze(since=NOON, until=NOON + 4 * HOUR),
            "reviews is frozen since 2025-06-16 12:00 UTC by U0MAYA, until 2025-06-16 16:00 UTC: database migration.",
        ),
        (
            a_freeze(ALL, by=LENA, since=NOON, until=None, reason="It smells."),
            "All services are frozen since 2025-06-16 12:00 UTC by U0LENA, until somebody ends it: It smells.",
        ),
        (
            a_freeze(since=NOON - 24 * HOUR, until=NOON + 12 * HOUR),
            "reviews is frozen since 2025-06-15 12:00 UTC by U0MAYA, until 2025-06-17 00:00 UTC: database migration.",
        ),
    ],
)
def test_a_freeze_is_told_with_who_why_and_until_when(freeze: Freeze, sentence: str) -> None:
    assert plain(freeze_sentence(freeze)) == sentence


def test_a_freeze_of_the_service_and_one_of_all_both_stop_a_start_and_say_how_they_end() -> None:
    freezes = [a_freeze(since=NOON), a_freeze("ratings", since=NOON), a_freeze(ALL, since=NOON, reason="an incident")]

    problems = check(freezes, "reviews", NOON)

    assert [problem.blocking for problem in problems] == [True, True]
    since = "frozen since 2025-06-16 12:00 UTC by U0MAYA, until somebody ends it"
    assert [str(problem) for problem in problems] == [
        f"All services are {since}: an incident. `/canary unfreeze all` ends it.",
        f"reviews is {since}: database migration. `/canary unfreeze reviews` ends it.",
    ]


SCOPES = st.sampled_from([ALL, "reviews", "ratings", "details"])
TIMES = st.floats(min_value=0, max_value=4e9)
FREEZES = st.builds(
    a_freeze, SCOPES, since=TIMES, until=st.none() | TIMES, reason=st.text(min_size=1, max_size=80)
)  # fmt: skip


@given(st.lists(FREEZES, max_size=5), TIMES)
def test_only_a_freeze_that_is_not_over_and_is_about_the_service_stops_a_start(
    freezes: list[Freeze], now: float
) -> None:
    """An expired freeze never stops a start, one that is not over always does, and nobody else's ever does."""
    in_force = [f for f in freezes if f.scope in {ALL, "reviews"} and (f.until is None or now < f.until)]

    assert len(check(freezes, "reviews", now)) == len(in_force)
    assert sorted(map(repr, covering(current(freezes, now), "reviews"))) == sorted(map(repr, in_force))


@given(FREEZES, TIMES, st.floats(min_value=0, max_value=1e9))
def test_what_is_over_stays_over(freeze: Freeze, now: float, later: float) -> None:
    assert not freeze.is_over(now) or freeze.is_over(now + later)
