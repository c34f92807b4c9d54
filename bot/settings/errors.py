"""How mistakes in the settings are told: all of them at once, each a sentence that says what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from bot.model.errors import Refusal

LONGEST_WORD = 80  # characters that are compared


class SettingsError(Refusal):
    """The settings cannot be used. ``reasons`` holds every mistake; none of them shows a secret."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        super().__init__(f"{len(mistakes)} mistake{'' if len(mistakes) == 1 else 's'} in {source}:", mistakes)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A half-sentence that names the nearest known word, or all of them when none is near."""
    words, word = sorted(known), word[:LONGEST_WORD]
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else f"known: {', '.join(words)}"
