"""Words that mean stop, however they are typed. Pure.

Whoever types one is in a hurry and looks at something else. So it is never read as anything that goes on, nor as a
name; and because only ``abort`` is the command, the abort is offered and not done: a word of a sentence may mean less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bot.model.errors import Refusal
from bot.words.sentence import Text, TypedIn, said

STOP_WORDS = (
    "stop", "halt", "kill", "cancel", "undo", "revert", "quit", "abort", "terminate", "interrupt", "panic",
    "emergency", "停", "停止", "停下", "中止", "终止", "取消", "撤销", "回滚",
)  # fmt: skip

_FUZZY = 4  # letters: of shorter words too many are one letter away
_RUN = re.compile(r"(.)\1+")
_WITHIN = re.compile(r"\w(?:.*\w)?", re.DOTALL)  # from the first letter or digit to the last


class StopMeant(Refusal):
    """Somebody seems to want everyone back. ``service`` is the one they named, if they did."""

    def __init__(self, service: str | None = None, sentence: Text = "") -> None:
        self.service = service
        command = TypedIn(f"abort {service}" if service else "abort")
        super().__init__(sentence or said("slack.stop_meant", command=command))


def is_stop(word: str) -> bool:
    """Whether the word is exactly one of them, with whatever punctuation around it."""
    return _bare(word) in STOP_WORDS


def is_nearly_stop(word: str) -> bool:
    """Whether it may have been meant for one: a slip of one letter, letters held down, or an ending."""
    bare = _bare(word)
    return any(
        bare == stop
        or _RUN.sub(r"\1", bare) == _RUN.sub(r"\1", stop)
        or (len(stop) >= _FUZZY and (bare.startswith(stop) or _is_one_edit_away(bare, stop)))
        for stop in STOP_WORDS
    )


def refuse_stop(words: Iterable[str], known: Sequence[str]) -> None:
    """Refuse words among which one means stop and is no service's name.

    Raises:
        StopMeant: there is one.
    """
    words = list(words)
    if any(is_stop(word) and word.lower() not in known for word in words):
        raise StopMeant(named_in(words, known))


def named_in(words: Iterable[str], known: Sequence[str]) -> str | None:
    """The first of the words that names a service, alone or behind its namespace."""
    names = (_bare(word) for word in words)
    return next((name for name in names if name.rpartition("/")[2] in known), None)


def _bare(word: str) -> str:
    found = _WITHIN.search(word.casefold())
    return found[0] if found else ""


def _is_one_edit_away(one: str, other: str) -> bool:
    """One letter more, less or different, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])  # noqa: PLR2004  # neighbours
