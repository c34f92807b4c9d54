"""When a freeze ends, as people write it: ``18:00``, ``tomorrow 9:00``, ``2026-12-24 18:00``, ``+2h``. Pure.

What was typed is recognised without a clock, and becomes a moment where the time and the person's own time zone are
known. Whose zone is not known is asked to write one, rather than be taken for somebody in Greenwich.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from bot.model.errors import Refusal
from bot.words.sentence import Code, said

LONGEST_FREEZE = 30 * 24 * 3600.0  # seconds

_DURATION = re.compile(r"(?=.)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_CLOCK = re.compile(r"([01]?\d|2[0-3])(?::([0-5]\d))?(am|pm)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UTC_WORDS = frozenset({"utc", "z", "gmt"})
_NOON = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """What was typed after ``until``.

    Attributes:
        after: seconds from now; then nothing else counts.
        day: a date, ``tomorrow``, ``today``, the start of a weekday's name, or "" for whenever the clock next shows it.
        clock: the time of day.
        zone: the one that was typed; None: the person's own.
    """

    after: float | None = None
    day: str = ""
    clock: time = time(0)
    zone: tzinfo | None = None


def seconds_of(word: str) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m``, ``2d``; 0 where that is not what is written."""
    found = _DURATION.fullmatch(word.lower())
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)


def read_until(words: Sequence[str]) -> tuple[Until, int] | None:
    """The moment at the beginning of these words, and how many of them it takes; None where there is none."""
    lowered = [word.lower().rstrip(",;") for word in words[:3]]
    if not lowered:
        return None
    if lowered[0].startswith("+") and seconds_of(lowered[0][1:]):
        return Until(after=seconds_of(lowered[0][1:])), 1
    found = _iso(lowered[0]) or _day_and_clock(lowered)
    if found is None:
        return None
    until, taken = found
    if until.zone is None and lowered[taken : taken + 1] and lowered[taken] in _UTC_WORDS:
        return Until(day=until.day, clock=until.clock, zone=UTC), taken + 1
    return until, taken


def _iso(word: str) -> tuple[Until, int] | None:
    """``2026-12-24T18:00``, with a zone or without."""
    if not re.match(r"\d{4}-\d\d-\d\dt", word):
        return None
    try:
        moment = datetime.fromisoformat(word.upper())
    except ValueError:
        return None
    clock = moment.time().replace(tzinfo=None)
    return Until(day=moment.date().isoformat(), clock=clock, zone=moment.tzinfo), 1


def _day_and_clock(words: Sequence[str]) -> tuple[Until, int] | None:
    alone = _clock(words[0])
    if alone is not None:
        return Until(clock=alone), 1
    day = _day(words[0])
    clock = _clock(words[1]) if day and len(words) > 1 else None
    if clock is not None:
        return Until(day=day, clock=clock), 2
    return (Until(day=day), 1) if _DATE.fullmatch(day) else None  # a date alone is its beginning; "tomorrow" is not


def _day(word: str) -> str:
    if word in {"today", "tomorrow"}:
        return word
    if word in {*_WEEKDAYS, *_WEEKDAY_NAMES}:
        return word[:3]
    try:
        return date.fromisoformat(word).isoformat() if _DATE.fullmatch(word) else ""
    except ValueError:
        return ""


def _clock(word: str) -> time | None:
    """``18:00``, ``9:30``, ``6pm``; a bare number is none, because a reason may begin with one."""
    found = _CLOCK.fullmatch(word)
    if found is None or (found[2] is None and found[3] is None):
        return None
    hour = int(found[1])
    if found[3]:
        if not 1 <= hour <= _NOON:
            return None
        hour = hour % _NOON + (_NOON if found[3] == "pm" else 0)
    return time(hour, int(found[2] or 0))


def seconds_until(until: Until, now: float, zone: tzinfo | None) -> float:
    """How long a freeze lasts that ends then; ``zone`` is the person's own, None where nobody knows it.

    Raises:
        Refusal: it is over, or too far away, or nobody knows whose clock is meant.
    """
    if until.after is not None:
        return checked(until.after)
    chosen = until.zone or zone
    if chosen is None:
        raise Refusal(said("slack.zone_unknown", example=Code("until 18:00 UTC"), other=Code("--for 2h")))
    there = datetime.fromtimestamp(now, chosen)
    ends = datetime.combine(_date(until, there), until.clock, chosen)
    if not until.day and ends <= there:  # the clock shows it tomorrow
        ends = datetime.combine(there.date() + timedelta(days=1), until.clock, chosen)
    return checked(ends.timestamp() - now)


def _date(until: Until, there: datetime) -> date:
    match until.day:
        case "" | "today":
            return there.date()
        case "tomorrow":
            return there.date() + timedelta(days=1)
        case day if day in _WEEKDAYS:
            ahead = (_WEEKDAYS.index(day) - there.weekday()) % 7
            later = ahead or (7 if until.clock <= there.time() else 0)
            return there.date() + timedelta(days=later)
        case day:
            return date.fromisoformat(day)


def checked(seconds: float) -> float:
    """A length that a freeze may have.

    Raises:
        Refusal: it is over already, or longer than thirty days.
    """
    if seconds <= 0:
        raise Refusal(said("slack.freeze_over_already"))
    if seconds > LONGEST_FREEZE:
        raise Refusal(said("slack.freeze_too_long"))
    return seconds
