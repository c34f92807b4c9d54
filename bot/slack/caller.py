"""Whoever asks, as commands see them: who it is, and the ways to answer. No Slack payloads here."""

from __future__ import annotations

from typing import Protocol

from bot.slack.accounts import Person
from bot.slack.blocks import Message
from bot.slack.forms import View
from bot.words.rendering import Voice
from bot.words.sentence import Text


class Caller(Protocol):
    """The person at the other end, and the ways to answer them."""

    @property
    def person(self) -> Person:
        """Who it is."""

    @property
    def channel(self) -> str:
        """The id of the channel they are in, "" outside of channels."""

    @property
    def channel_name(self) -> str:
        """Its name without ``#``, "" where Slack does not say it."""

    @property
    def message(self) -> str:
        """The time stamp of the message whose button they pressed, "" where it was none."""

    @property
    def voice(self) -> Voice:
        """How they are answered."""

    def reply(self, answer: Message | Text) -> None:
        """Answer the person; what is a sentence and no message is theirs alone, wherever they asked."""

    def whisper(self, message: Message) -> None:
        """Tell the person alone."""

    def announce(self, message: Message) -> None:
        """Tell everybody where this was asked; whoever came where nobody else is hears it alone."""

    def show(self, view: View) -> str:
        """Open a form, where one can be opened; tells its id.

        Raises:
            Refusal: not from here.
        """

    def replace(self, view: View, shown: str = "") -> bool:
        """Show this instead of the form ``shown``, or of the one they came from; False where it is closed already."""
