"""What people are told of a rollout: the lines of its story. A new kind of notification begins here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.model.rollout import BOT, Shown, UserId
from bot.words.sentence import Text


class EntryKind(StrEnum):
    """What a line of the story is about; Slack decides from it how loudly to say it."""

    STARTED = "started"
    STAGE = "stage"  # a stage was entered
    SUMMARY = "summary"  # a stage was left: its figures
    ASK = "ask"  # people must approve
    APPROVED = "approved"
    HELD = "held"
    RESUMED = "resumed"
    PAUSED = "paused"
    ALERT = "alert"  # a person is wanted now
    ABORTING = "aborting"
    HALTED = "halted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a rollout's story: kept for ever, logged, and posted.

    Attributes:
        stage: the name of the stage that was entered, or that a summary is about; "" where the line is about none.
        gist: of a summary: its first sentence, for where there is room for no more.
        loud: everybody in the channel should know, although lines of its kind are the thread's.
        shown: of an approval: what its giver saw.
    """

    at: float
    kind: EntryKind
    text: Text
    by: UserId = BOT
    stage: str = ""
    gist: Text = ""
    loud: bool = False
    shown: Shown | None = None
