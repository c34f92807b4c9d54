"""How mistakes in the settings are told: all of them at once, each a sentence that says what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from bot.model.errors import Refusal
from bot.words.rendering import plain
from bot.words.sentence import Text, said

LONGEST_WORD = 80  # characters that are compared


class SettingsError(Refusal):
    """The settings cannot be used. ``reasons`` holds every mistake; none of them shows a secret."""

    def __init__(self, source: Text, errors: Sequence[Text]) -> None:
        """``source`` is what they are in; text is a file's name."""
        named = said("settings.a_file", file=source) if isinstance(source, str) else source
        super().__init__(said("settings.mistakes", n=len(errors), source=named), errors)


class Wrong(ValueError):  # noqa: N818  # a finding; pydantic wants a ValueError, and keeps it as it is
    """What is wrong with one value, as the half of a sentence that stands behind the value's name."""

    def __init__(self, sentence: Text) -> None:
        self.sentence = sentence
        super().__init__(plain(sentence))


def did_you_mean(word: str, known: Iterable[str]) -> Text:
    """A half-sentence that names the nearest known word, or all of them when none is near."""
    words, word = sorted(known), word[:LONGEST_WORD]
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return said("settings.did_you_mean", word=near[0]) if near else said("settings.known", words=tuple(words))
