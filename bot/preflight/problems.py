"""What a check says: a problem, whether it stops a start, and what to do about it.

Only what is surely wrong blocks. What is doubtful, or cannot be known here (no pods to be seen, a Prometheus that does
not answer), warns: a person reads it before the first users move, and decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.words.said import Code, Text, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. ``about`` names the Deployment it is told of, so that the same trouble is not told twice."""

    blocking: bool
    sentence: Text
    remedy: Text
    about: str = ""

    @property
    def text(self) -> Text:
        """What is so and what to do, one after the other."""
        return together((self.sentence, self.remedy))

    def __str__(self) -> str:
        return str(self.text)


def blocks(sentence: Text, *, remedy: Text, about: str = "") -> Problem:
    """Nothing may begin while this is so."""
    return Problem(blocking=True, sentence=sentence, remedy=remedy, about=about)


def warns(sentence: Text, *, remedy: Text, about: str = "") -> Problem:
    """A person should know this and may accept it."""
    return Problem(blocking=False, sentence=sentence, remedy=remedy, about=about)


def kubectl(*words: str) -> Code:
    """A command to paste; what is a word of its own comes as one."""
    return Code(" ".join(("kubectl", *words)))
