"""A sentence as a value: which one it is, and what goes into it. Frozen, and JSON in and out without loss.

What goes in keeps its kind (a share is no number, a moment no text), so that each language, and each place where it is
shown, writes it in its own way: a person becomes a mention in Slack and a name in a shell, a moment the reader's own
time of day. Text is what somebody else wrote (a name, an error of the API server): it is shown as it is, and nothing in
it ever comes alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "Arg",
    "Channel",
    "Code",
    "Item",
    "Moment",
    "Person",
    "Seconds",
    "Sentence",
    "Share",
    "Text",
    "TypedIn",
    "said",
]


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length of time; shown in the reader's units, seconds below two minutes and then minutes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, 0 to 1; shown in percent."""

    share: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, seconds since the epoch; Slack shows it in the reader's own time zone, everything else in UTC."""

    moment: float


@dataclass(frozen=True, slots=True)
class Person:
    """A user or a user group by its Slack id, or a name for who is neither, such as ``canary-bot``."""

    person: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel by its id, or by its name where that is all that is known."""

    channel: str


@dataclass(frozen=True, slots=True)
class Code:
    """Something to paste or to look up, as it stands: a command of the shell, a field, a value."""

    code: str


@dataclass(frozen=True, slots=True)
class TypedIn:
    """A command of ours to paste, without the slash command in front of it: ``abort reviews``."""

    typed: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, or a part of one.

    Attributes:
        key: its name in the catalogues, ``room.sentence``.
        args: what goes into it, by the names of its placeholders. Bare numbers are finite.
    """

    key: str
    args: Mapping[str, Arg] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.key)  # equal ones have equal keys; what goes in may be a mapping's worth of anything

    def __format__(self, spec: str) -> str:
        """Never within another text: that would be English in everybody's message."""
        raise TypeError(f"{self.key} goes into a sentence by name, with said(), and into a log line by plain()")

    def __str__(self) -> str:
        """Never by the way: that would be English whoever reads it. ``plain`` says in which voice it speaks."""
        raise TypeError(f"{self.key} is made text by plain() or parts(), in somebody's voice")


Item = str | int | float | Sentence | Seconds | Share | Moment | Person | Channel | Code | TypedIn
Arg = Item | tuple[Item, ...]

# What people are told. A string is what a version without catalogues stored: it is shown as it stands.
Text = Sentence | str


def said(key: str, /, **args: Arg) -> Sentence:
    """The sentence called ``key`` with these things in it."""
    return Sentence(key, args)


def together(texts: Iterable[Text]) -> Text:
    """Several sentences one after the other; one alone stays what it is, and none is ""."""
    several = tuple(text for text in texts if text != "")
    if len(several) < 2:  # noqa: PLR2004  # one or none
        return several[0] if several else ""
    return Sentence("words.together", {"sentences": several})
