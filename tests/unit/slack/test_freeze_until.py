"""Until when a freeze lasts, as people write it, by the clock on their own wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import Refusal
from bot.slack.freeze_until import LONGEST_FREEZE, read_until, seconds_until
from bot.slack.grammar import Verb
from bot.slack.parsing import Command, parse
from tests.builders import LENA
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_listeners import Workspace

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 12, 4, 15, 30, tzinfo=BERLIN)  # a Friday


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("18:00", "2026-12-04 18:00"),
        ("6pm", "2026-12-04 18:00"),
        ("12am", "2026-12-05 00:00"),
        ("6:30pm", "2026-12-04 18:30"),
        ("9:00", "2026-12-05 09:00"),  # has passed today
        ("tomorrow 9:00", "2026-12-05 09:00"),
        ("Today 16:00", "2026-12-04 16:00"),
        ("+2h", "2026-12-04 17:30"),
        ("+1d12h", "2026-12-06 03:30"),
        ("2026-12-24", "2026-12-24 00:00"),
        ("2026-12-24 18:00", "2026-12-24 18:00"),
        ("2026-12-24T18:00", "2026-12-24 18:00"),
        ("2026-12-24T18:00Z", "2026-12-24 19:00"),
        ("2026-12-24T18:00+05:30", "2026-12-24 13:30"),
        ("18:00 UTC", "2026-12-04 19:00"),
        ("monday 9:00", "2026-12-07 09:00"),
        ("fri 9:00", "2026-12-11 09:00"),
        ("friday 16:00,", "2026-12-04 16:00"),
    ],
)
def test_a_moment_is_by_the_persons_own_clock_unless_it_says_another(text: str, ends: str) -> None:
    found = read_until([*text.split(), "migration"])

    assert found is not None
    assert found[1] == len(text.split())
    assert datetime.fromtimestamp(NOW.timestamp() + seconds_until(found[0], NOW.timestamp(), BERLIN), BERLIN) == (
        datetime.fromisoformat(ends).replace(tzinfo=BERLIN)
    )


@pytest.mark.parametrize(
    "text", ["", "later", "9", "tomorrow", "25:00", "13pm", "0am", "2026-13-01", "2026-02-30 9:00", "+soon", "monday"]
)
def test_what_is_no_moment_is_not_taken_for_one(text: str) -> None:
    assert read_until(text.split()) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("today 9:00", "has passed"),
        ("2026-12-04T00:00", "has passed"),
        ("2027-02-01", "30 days at most"),
        ("+31d", "30 days at most"),
    ],
)
def test_a_moment_that_is_over_or_far_away_is_refused(text: str, says: str) -> None:
    found = read_until(text.split())
    assert found is not None

    with pytest.raises(Refusal, match=says):
        seconds_until(found[0], NOW.timestamp(), BERLIN)


@given(
    st.lists(
        st.sampled_from([*"+:-TZ09", "18:00", "2026-12-24", "tomorrow", "mon", "utc", "9999-12-31T23:59"]), max_size=5
    )
)
def test_whatever_is_typed_is_a_moment_in_the_next_thirty_days_or_a_refusal(parts: list[str]) -> None:
    for words in (parts, ["".join(parts)]):
        found = read_until(words)
        if found is None:
            continue
        try:
            assert 0 < seconds_until(found[0], NOW.timestamp(), BERLIN) <= LONGEST_FREEZE
        except Refusal:
            continue


@pytest.mark.parametrize(
    ("text", "service", "reason"),
    [
        ("freeze reviews until 18:00 database migration", "reviews", "database migration"),
        ("freeze reviews --until 18:00 database migration", "reviews", "database migration"),
        ("freeze reviews database migration until tomorrow 9:00", "reviews", "database migration"),
        ("freeze until=18:00 x", None, "until=18:00 x"),
        ("freeze reviews no starts until it is mended", "reviews", "no starts until it is mended"),
    ],
)
def test_the_end_of_a_freeze_may_stand_before_or_after_the_reason(text: str, service: str | None, reason: str) -> None:
    command = parse(text, ("reviews", "ratings"))

    assert (command.verb, command.service, command.reason) == (Verb.FREEZE, service, reason)


def test_the_last_end_of_a_freeze_counts() -> None:
    assert parse("freeze reviews until 18:00 migration --for 2h", ("reviews",)) == Command(
        verb=Verb.FREEZE, service="reviews", reason="migration", seconds=7200.0
    )


def test_a_freeze_ends_by_the_readers_own_clock(slack: FakeSlack) -> None:
    workspace = Workspace(slack)
    slack.accounts[LENA] = {"tz": "Asia/Tokyo", "tz_offset": 32400}

    workspace.types("freeze reviews until 18:00 migration", user=LENA)

    (freeze,) = workspace.controller.freezes()
    assert freeze.until is not None
    assert datetime.fromtimestamp(freeze.until, ZoneInfo("Asia/Tokyo")).strftime("%H:%M") == "18:00"


@pytest.mark.parametrize(
    ("account", "hour"), [({"tz": "Mars/Olympus", "tz_offset": 7200}, 16), ({"tz": "", "tz_offset": None}, None)]
)
def test_a_zone_that_nobody_knows_by_name_counts_by_its_offset_and_none_is_not_guessed(
    slack: FakeSlack, account: dict[str, object], hour: int | None
) -> None:
    workspace = Workspace(slack)
    slack.accounts[LENA] = account

    workspace.types("freeze reviews until 18:00 migration", user=LENA)

    if hour is None:
        assert list(workspace.controller.freezes()) == []
        assert "Slack does not tell me your time zone. Write `until 18:00 UTC` or `--for 2h`." in slack.notified()
        return
    (freeze,) = workspace.controller.freezes()
    assert freeze.until is not None
    assert datetime.fromtimestamp(freeze.until, UTC).hour == hour
    assert datetime.fromtimestamp(freeze.until, timezone(timedelta(hours=2))).hour == 18
