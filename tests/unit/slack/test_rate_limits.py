"""Slack's limits: buckets that fill with time, and silences that end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.rate_limits import CARDS_BURST, POST, POSTS_BURST, UPDATE, URGENT, Bucket, Limits

WAITS = st.lists(st.floats(0, 20), max_size=200)


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket.full(0.5, 3, now=100.0)

    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(101.9), bucket.take(102.0), bucket.take(102.1)] == [False, True, False]


def test_a_clock_that_goes_back_neither_fills_nor_empties_a_bucket() -> None:
    bucket = Bucket.full(1, 2, now=100.0)

    assert bucket.take(50.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert bucket.take(101.0)


@settings(deadline=None)  # a busy machine is no failure
@given(WAITS)
def test_in_no_minute_are_more_than_fifty_cards_edited(waits: list[float]) -> None:
    limits, now, edited = Limits(0.0), 0.0, list[float]()
    for wait in [*waits, *[0.1] * 700]:
        now += wait
        if limits.take_update(now, urgent=True):
            edited.append(now)

    assert all(sum(at <= other < at + 60 for other in edited) <= 50 for at in edited)


def test_some_edits_are_kept_for_cards_whose_buttons_changed() -> None:
    limits = Limits(0.0)

    plain = sum(limits.take_update(0.0) for _ in range(CARDS_BURST))
    urgent = sum(limits.take_update(0.0, urgent=True) for _ in range(CARDS_BURST))

    assert (plain, urgent) == (CARDS_BURST - URGENT, URGENT)
    assert not limits.may_update(0.0, urgent=True)
    assert limits.may_update(2.0, urgent=True)


def test_each_channel_has_posts_of_its_own() -> None:
    limits = Limits(0.0)

    assert sum(limits.take_post("#a", 0.0) for _ in range(10)) == POSTS_BURST
    assert limits.take_post("#b", 0.0)
    assert limits.take_post("#a", 1.0)


def test_silence_on_edits_is_for_every_card_and_for_nothing_else() -> None:
    limits = Limits(0.0)
    limits.silence(UPDATE, "#a", 30, 0.0)

    assert not limits.take_update(29.9, urgent=True)
    assert limits.take_post("#a", 0.0)
    assert limits.take_update(30.0)


def test_silence_on_posts_is_for_one_channel_until_slack_says_it_of_another() -> None:
    limits = Limits(0.0)
    limits.silence(POST, "#a", 30, 0.0)
    assert [limits.take_post(channel, 1.0) for channel in ("#a", "#b")] == [False, True]

    limits.silence(POST, "#b", 30, 1.0)

    assert not limits.take_post("#c", 2.0)
    assert limits.take_post("#c", 31.0)


@pytest.mark.parametrize("method", [POST, UPDATE])
def test_a_silence_that_is_over_says_nothing_about_the_next(method: str) -> None:
    limits = Limits(0.0)
    limits.silence(method, "#a", 10, 0.0)
    limits.silence(method, "#b", 10, 20.0)

    assert not limits.silent(POST, "#a", 21.0)
